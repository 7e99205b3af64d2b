"""The time of day and the time that passes: injected, so that tests can turn the hands."""

import ctypes
import secrets
import threading
import time
from functools import cache
from pathlib import Path

RUN = Path("/run")
"""Where the time services of this machine show that they are there."""

_TIMESYNCD = "systemd/timesync"
_OTHERS = ("chrony", "ntpd.pid", "openntpd", "ntpd.sock")
_UNSYNCHRONISED = 0x40  # STA_UNSYNC of adjtimex(2)


class Clock:
    """This machine's clocks."""

    def now(self) -> int:
        """Nanoseconds since 1970 UTC, as far as this machine knows."""
        return time.time_ns()

    def monotonic(self) -> float:
        """Seconds that never go back; only differences mean something."""
        return time.monotonic()

    def uptime(self) -> int:
        """Nanoseconds since this machine was started, also those that it slept; nobody can set them."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)

    def boot_id(self) -> str:
        """The name of this start of the machine."""
        return _boot()

    def synchronised(self) -> bool | None:
        """Whether the time service has set the time of day; None where there is no such service."""
        if (RUN / _TIMESYNCD).is_dir():
            return (RUN / _TIMESYNCD / "synchronized").exists()
        if any((RUN / name).exists() for name in _OTHERS):
            return _kernel_says()
        return None

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Wait for *event*, *seconds* at most; whether it is set."""
        return event.wait(max(0.0, seconds))


@cache
def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return secrets.token_hex(16)  # as far as we can tell, it was started with us


class _Timex(ctypes.Structure):
    """What adjtimex(2) fills in, as far as *status*; with room for all the rest."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        *((name, ctypes.c_long) for name in ("offset", "freq", "maxerror", "esterror")),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_char * 256),
    )


def _kernel_says() -> bool | None:
    """Whether the kernel's clock counts as synchronised; None where we may not ask."""
    timex = _Timex()  # its modes are 0: nothing is set
    try:
        if ctypes.CDLL(None).adjtimex(ctypes.byref(timex)) < 0:
            return None
    except (OSError, AttributeError):
        return None
    return not timex.status & _UNSYNCHRONISED
