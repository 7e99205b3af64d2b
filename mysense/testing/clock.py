"""A clock whose hands a test turns."""

import threading

from mysense.clock import Clock
from mysense.telegram import SECOND


class ManualClock(Clock):
    """Stands still until ``advance`` is called; waiting ends when the hands have passed the end.

    *now* is in seconds since 1970 UTC.
    """

    def __init__(self, now: float = 1_700_000_000) -> None:
        self._moved = threading.Condition()
        self._now = int(now * SECOND)
        self._monotonic = 1000.0

    def now(self) -> int:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

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

    def set(self, now: float) -> None:
        """Set the time of day, as a time service would; no time passes."""
        with self._moved:
            self._now = int(now * SECOND)
