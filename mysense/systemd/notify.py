"""Tell systemd how the service is: a few words to the socket that it gave us, by the protocol of sd_notify(3)."""

import logging
import os
import socket
import time
from collections.abc import Mapping

from mysense.clock import Clock

log = logging.getLogger("mysense")


class Service:
    """This process as a service of systemd; where systemd did not start it, nothing is told to anybody."""

    def __init__(self, clock: Clock, env: Mapping[str, str] = os.environ) -> None:
        self._clock = clock
        self._address = env.get("NOTIFY_SOCKET", "")
        self._pause = _watchdog(env) / 4
        self._due = 0.0
        self._status = ""

    @property
    def watched(self) -> bool:
        """Whether systemd started us and listens."""
        return bool(self._address)

    def ready(self, status: str) -> None:
        """Everything has started, or is in place again after a reload."""
        self._status = status
        self._tell("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """MySense.conf is read again; ``ready`` tells when that is done."""
        # systemd compares this with its own clock, to know the answer to its latest request
        self._tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def alive(self, status: str) -> None:
        """All is well: not to be told while it is not, for the watchdog waits for this."""
        words = []
        if status != self._status:
            self._status = status
            words.append(f"STATUS={status}")
        if self._pause and self._clock.monotonic() >= self._due:
            self._due = self._clock.monotonic() + self._pause
            words.append("WATCHDOG=1")
        if words:
            self._tell(*words)

    def stopping(self) -> None:
        """The end has begun; what is in the journal may still be on its way."""
        self._tell("STOPPING=1", "STATUS=stopping")

    def _tell(self, *words: str) -> None:
        if not self._address:
            return
        # @ stands for the zero byte of an abstract socket
        address = "\0" + self._address[1:] if self._address[0] == "@" else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as door:
                door.settimeout(1)
                door.sendto("\n".join(words).encode(), address)
        except OSError as error:  # a service that cannot be heard goes on measuring
            log.debug("systemd does not listen at %s: %s", self._address, error)


def _watchdog(env: Mapping[str, str]) -> float:
    """Seconds after which systemd thinks us dead; 0 where it does not watch."""
    if env.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return 0.0
    microseconds = env.get("WATCHDOG_USEC", "")
    return int(microseconds) / 1e6 if microseconds.isdecimal() else 0.0
