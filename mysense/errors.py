"""The failures that mean something to the daemon, named after what it does next.

    MySenseError
    ├── ConfigError        start nothing (of this plugin): somebody has to edit a file
    ├── UnavailableError   keep the telegrams, try again later; an OSError, like every
    │                      failure of a socket, a file or a serial line
    ├── RejectedError      the far end will never take this telegram: set it aside, go on
    └── JournalError       the journal is damaged, or asked for what it does not hold

A missing library is an ImportError: the plugin has failed until somebody installs it.
Anything else is a bug: it is logged with its traceback once and tried again slowly.
"""


class MySenseError(Exception):
    """Root of every error raised on purpose."""


class ConfigError(MySenseError):
    """MySense.conf, or an option, is wrong. Holds every problem found, one line each."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class UnavailableError(MySenseError, OSError):
    """The far end cannot take or give telegrams now.

    *wait* is how many seconds the far end asked us to stay away, if it said so (Retry-After).
    """

    def __init__(self, message: str, *, wait: float | None = None) -> None:
        super().__init__(message)
        self.wait = wait


class RejectedError(MySenseError):
    """The far end will never take this telegram, however often it is sent."""


class JournalError(MySenseError):
    """The journal cannot give or take what was asked of it."""
