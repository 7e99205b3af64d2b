"""The time of day and the time that passes: injected, so that tests can turn the hands."""

import threading
import time


class Clock:
    """This machine's clocks."""

    def now(self) -> int:
        """Nanoseconds since 1970 UTC, as far as this machine knows."""
        return time.time_ns()

    def monotonic(self) -> float:
        """Seconds that never go back; only differences mean something."""
        return time.monotonic()

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Wait for *event*, *seconds* at most; whether it is set."""
        return event.wait(max(0.0, seconds))
