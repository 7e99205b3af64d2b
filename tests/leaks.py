"""No test prints a secret: not on the screen, not in a log, and no program that it starts does.

A plugin of pytest. The tests use a few well-known words as passwords and tokens; where one of them
shows in what a test captured, the test fails. ``@pytest.mark.shows_secrets`` is for the commands
whose work it is to write one down.
"""

import re
import subprocess
import sys
from base64 import b64decode
from contextlib import suppress

import pytest

SECRETS = ("acacadabra", "s3cret")
"""What tests use for a password or a token; no test may use these words for anything else."""


_coded = re.compile(r"[A-Za-z0-9+/]{8,}={0,2}").finditer


def found(text: str | bytes | None) -> list[str]:
    """The secrets that show in a text, as they are or in Base64."""
    said = text.decode(errors="replace") if isinstance(text, bytes) else text or ""
    for match in _coded(said):
        with suppress(ValueError):
            said += b64decode(match[0]).decode(errors="replace")
    return [secret for secret in SECRETS if secret in said]


class Watch:
    """Looks at what is captured. The test that runs now may be allowed to show secrets."""

    def __init__(self) -> None:
        self.allowed = False

    def look(self, text: str | bytes | None) -> None:
        """AssertionError where a secret shows."""
        assert self.allowed or not (shown := found(text)), f"{', '.join(shown)} shows in what was printed:\n{text!r}"

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        self.allowed = item.get_closest_marker("shows_secrets") is not None

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item, call):
        report = yield
        shown = {name: found(text) for name, text in report.sections if found(text)}
        if shown and report.passed and not self.allowed:
            report.outcome = "failed"
            report.longrepr = "\n".join(f"{name} shows {', '.join(words)}" for name, words in shown.items())
        return report


watch = Watch()


def pytest_configure(config: pytest.Config) -> None:
    """Look at what tests print, and at what they read of it themselves."""
    config.addinivalue_line("markers", "shows_secrets: it is the work of what is tested to write a secret down")
    config.pluginmanager.register(watch, "leaks")
    patch = pytest.MonkeyPatch()
    config.add_cleanup(patch.undo)
    read, communicate = pytest.CaptureFixture.readouterr, subprocess.Popen.communicate

    def readouterr(self):
        captured = read(self)
        for text in captured:
            watch.look(text)
        return captured

    def communicated(self, *args, **kwargs):
        told = communicate(self, *args, **kwargs)
        if isinstance(self.args, list) and sys.executable in map(str, self.args[:1]):  # other programs are not ours
            for text in told:
                watch.look(text)
        return told

    patch.setattr(pytest.CaptureFixture, "readouterr", readouterr)
    patch.setattr(subprocess.Popen, "communicate", communicated)
