"""The readings of a node's sensors become one data telegram per interval.

Windows are measured on the monotonic clock, so that a clock that is set does not stretch
them. A telegram's time is the end of its window, a whole second, and never one twice.
"""

import json
import threading
from collections.abc import Iterable, Mapping
from typing import Any

from mysense.clock import Clock
from mysense.telegram import SECOND, Value, clean

FIRST = 5.0
"""Seconds after which the first telegram goes without the sensors that have given nothing yet."""
SAVED = 60.0
"""The most seconds of readings that a crash may cost."""


class Window:
    """Readings under way to a mean: numbers are averaged, of text and yes/no the last one counts."""

    def __init__(self, saved: Mapping[str, Any] | None = None) -> None:
        self._sums: dict[str, list[float]] = {name: list(pair) for name, pair in (saved or {}).get("sums", {}).items()}
        self._last: dict[str, Value] = dict((saved or {}).get("last", {}))

    def add(self, reading: Mapping[str, Value | None]) -> bool:
        """Take a reading in; whether there was a value in it."""
        values = clean(reading)
        for name, value in values.items():
            if isinstance(value, bool | str):
                self._last[name] = value
            else:
                pair = self._sums.setdefault(name, [0.0, 0])
                pair[0] += value
                pair[1] += 1
        return bool(values)

    def values(self) -> dict[str, Value]:
        """What was measured, on average."""
        # 9 digits behind the point: more than any sensor has, and no 20.299999999999997
        return {name: round(total / count, 9) for name, (total, count) in self._sums.items()} | self._last

    def saved(self) -> dict[str, Any]:
        """What the window holds, as JSON can keep it."""
        return {"sums": self._sums, "last": self._last}

    def __bool__(self) -> bool:
        return bool(self._sums or self._last)


class Sampler:
    """Collects readings from all sensors; whoever calls ``wait`` and ``take`` gets the telegrams.

    *newest* is the time (ns) of the node's newest data in the journal, *saved* what
    ``save`` gave before the last stop or crash.
    """

    def __init__(self, interval: float, sensors: Iterable[str], clock: Clock, newest: int | None, saved: str) -> None:
        self._interval, self._clock = interval, clock
        self._missing = set(sensors)
        self._last = (newest or 0) // SECOND
        self._lock = threading.Lock()
        self._arrived = threading.Event()
        self._begun = clock.monotonic()
        self._end = self._begun + interval
        self._first = interval > FIRST
        self._window = Window()
        self._old: tuple[int, dict[str, Value]] | None = None
        if saved:
            self._restore(json.loads(saved))
        self._saved_at = self._begun

    def _restore(self, saved: dict[str, Any]) -> None:
        """Go on with a window that is still open; hand out one that is over."""
        age = (self._clock.now() - saved["at"]) / SECOND
        window = Window(saved)
        if 0 <= age < saved["left"]:
            self._window, self._end, self._first = window, self._begun + saved["left"] - age, False
        elif window:
            self._old = saved["at"] // SECOND, window.values()

    def add(self, section: str, reading: Mapping[str, Value | None]) -> None:
        """Take in one reading of a sensor."""
        with self._lock:
            if self._window.add(reading):
                self._missing.discard(section)
                self._arrived.set()

    def wait(self, stop: threading.Event) -> bool:
        """Wait a moment, at most until the next telegram may be due; False when *stop* is set."""
        left = self._due() - self._clock.monotonic()
        if self._first and not stop.is_set():
            self._clock.wait(self._arrived, min(left, 0.5))
            self._arrived.clear()
            return not stop.is_set()
        return not self._clock.wait(stop, left)

    def _due(self) -> float:
        return min(self._end, max(self._saved_at + SAVED, self._clock.monotonic() + 1.0))

    def take(self, early: bool = False) -> tuple[int, dict[str, Value]] | None:
        """The time (ns) and values of the telegram that is due now, if one is; *early*, of what there is."""
        with self._lock:
            if self._old:
                (second, values), self._old = self._old, None
                return self._stamp(second), values
            now = self._clock.monotonic()
            first = self._first and bool(self._window) and (not self._missing or now - self._begun >= FIRST)
            if not (first or early) and now < self._end:
                return None
            self._first = self._first and not first and not self._window
            while self._end <= now:
                self._end += self._interval
            if not self._window:
                return None
            values, self._window = self._window.values(), Window()
            return self._stamp(self._clock.now() // SECOND), values

    def _stamp(self, second: int) -> int:
        """The time of a telegram: *second*, unless that was given out already."""
        if second <= self._last < second + 3600:
            second = self._last + 1  # further back the clock has been set: then the clock is right
        self._last = second
        return second * SECOND

    def save(self, force: bool = False) -> str | None:
        """What the window holds as text, when it is time to save it or on *force*; else None."""
        with self._lock:
            now = self._clock.monotonic()
            if not force and (now - self._saved_at < SAVED or not self._window):
                return None
            self._saved_at = now
            left = max(0.0, self._end - now)
            return json.dumps({"at": self._clock.now(), "left": left, **self._window.saved()})
