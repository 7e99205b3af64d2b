"""A kit as a process of its own, for tests that look at mysense from outside."""

import os
import pty
import signal
import subprocess
import sys
import threading
import time
import tty
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from mysense.cli.service import running, together
from mysense.control import SilentError, sockets
from tests.felt import felt
from tests.leaks import watch


def until(condition: Callable[[], Any], seconds: float = 60) -> Any:
    """Wait until a condition holds and return what it gave; fail when it does not in time (``felt``)."""
    never, begun, end = threading.Event(), time.monotonic(), felt() + seconds
    looking = begun
    while not (value := condition()):
        now = time.monotonic()
        assert felt() < end, "it did not happen in time"
        # At first it looks often, later less; a look that costs much is not taken all the time.
        never.wait(max(0.001, min((now - begun) / 10, 0.02), now - looking))
        looking = time.monotonic()
    return value


def received(source: Any) -> list[Any]:
    """All that a subscriber of an InfluxDB gives until nothing more comes."""
    got: list[Any] = []
    never, quiet = threading.Event(), 0
    while quiet < 2:
        batch = source.receive()
        got += batch
        waits = source._round or source._looking or any(feed.due < float("inf") for feed in source._feeds.values())
        quiet = 0 if batch or waits else quiet + 1
        never.wait(min(source.pause, 0.03))
    return got


def mysense(*args: object, code: int | None = 0, **kwargs: Any) -> subprocess.CompletedProcess[str]:
    """Run a command of mysense to its end; *code* is the exit code it must have."""
    done = subprocess.run(
        [sys.executable, "-m", "mysense", *map(str, args)], capture_output=True, text=True, timeout=60, **kwargs
    )
    assert code is None or done.returncode == code, done.stdout + done.stderr
    return done


class Kit:
    """A daemon with a configuration file and a journal in a folder of its own; *journal* are more options of that."""

    def __init__(self, folder: Path, conf: str, journal: str = "") -> None:
        self.conf = folder / "MySense.conf"
        self.journal = folder / "journal.db"
        self.conf.write_text(f"{conf}\n[journal]\npath = {self.journal}\n{journal}\n")
        self.log = folder / "log"
        self.process: subprocess.Popen[bytes] | None = None
        self.program, self.environment = ["-m", "mysense"], dict(os.environ)

    def start(self, *args: str) -> None:
        """Start the daemon and wait until it answers."""
        with self.log.open("ab") as log:
            command = [sys.executable, *self.program, "run", "-c", str(self.conf), *args]
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=self.environment)
        until(lambda: self.process.pid in self.status()["pids"] or self.process.poll() is not None)
        assert self.process.poll() is None, self.log.read_text()

    def stop(self) -> float:
        """Stop it as systemd would; how many seconds (``felt``) it took."""
        begun = felt()
        self.process.terminate()
        assert self.process.wait(60) == 0, self.log.read_text()
        return felt() - begun

    def kill(self) -> None:
        """Kill it, if it runs."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(60)  # it may be waiting for a disk
        if self.log.exists():
            watch.look(self.log.read_text(errors="replace"))

    def status(self) -> dict[str, Any]:
        """What ``mysense status`` says while it runs, asked without the time that this command takes to start."""

        def look() -> dict[str, Any] | None:
            """None while one that lives is too busy for an answer."""
            listens = bool(sockets(self.journal))
            try:
                found = running(self.journal)
            except SilentError:
                return None
            if not found and listens and self.process and self.process.poll() is None:
                return None
            return together(found) if found else {"pids": [], "journal": None, "workers": []}

        return cast(dict[str, Any], until(look))

    def cursor(self, name: str) -> dict[str, Any]:
        """Where one cursor stands."""
        cursors = (self.status()["journal"] or {}).get("cursors", [])
        return next((c for c in cursors if c["name"] == name), {"lag": -1})

    def worker(self, name: str) -> dict[str, Any]:
        """How one worker is."""
        return next(w for w in self.status()["workers"] if w["section"] == name)


class Line:
    """A serial line: a pseudo-terminal whose far end a test plays."""

    def __init__(self) -> None:
        self.master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        self.port = os.ttyname(self._slave)

    def say(self, text: bytes) -> None:
        """Send bytes as the device would."""
        os.write(self.master, text)

    def close(self) -> None:
        """Pull the plug."""
        for end in (self.master, self._slave):
            with suppress(OSError):
                os.close(end)
