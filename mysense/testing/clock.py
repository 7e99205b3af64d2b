"""Clocks for tests: one whose hands a test turns, and one that runs fast."""

import threading

from mysense.clock import Clock
from mysense.telegram import SECOND


class ManualClock(Clock):
    """Stands still until ``advance`` is called; waiting ends when the hands have passed the end.

    *now* is in seconds since 1970 UTC. *service* is what the time service of this machine says:
    that it has set the clock, that it has not yet, or None where there is none.
    """

    def __init__(self, now: float = 1_700_000_000, service: bool | None = True) -> None:
        self._moved = threading.Condition()
        self._now = int(now * SECOND)
        self._monotonic = 1000.0
        self._started = 970.0
        self._boots = 1
        self.service = service

    def now(self) -> int:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def uptime(self) -> int:
        return round((self._monotonic - self._started) * SECOND)

    def boot_id(self) -> str:
        return f"boot-{self._boots}"

    def synchronised(self) -> bool | None:
        return self.service

    def wait(self, event: threading.Event, seconds: float) -> bool:
        until = self._monotonic + seconds
        while not event.is_set() and self._monotonic < until:
            with self._moved:  # the event itself does not wake us, so look again soon
                self._moved.wait(0.002)
        return event.is_set()

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        with self._moved:
            self._now += int(seconds * SECOND)
            self._monotonic += seconds
            self._moved.notify_all()

    def set(self, now: float, service: bool | None = None) -> None:
        """Set the time of day, as a time service would (*service*: it says so); no time passes."""
        with self._moved:
            self._now = int(now * SECOND)
            self.service = self.service if service is None else service

    def reboot(self, now: float, service: bool | None = False) -> None:
        """Switch the machine off and on again: it wakes up with another time of day, thirty seconds ago."""
        with self._moved:
            self._boots += 1
            self._started = self._monotonic - 30.0
            self._now, self.service = int(now * SECOND), service


class FastClock(Clock):
    """Runs *speed* times as fast as this machine's clocks, as if the machine had just been started."""

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._begun = (super().now(), super().monotonic(), super().uptime())

    def now(self) -> int:
        return self._begun[0] + round((super().now() - self._begun[0]) * self._speed)

    def monotonic(self) -> float:
        return self._begun[1] + (super().monotonic() - self._begun[1]) * self._speed

    def uptime(self) -> int:
        return round((super().uptime() - self._begun[2]) * self._speed)

    def wait(self, event: threading.Event, seconds: float) -> bool:
        return super().wait(event, seconds / self._speed)
