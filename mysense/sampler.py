"""The readings of a node's sensors become one data telegram per interval.

Windows are measured on the monotonic clock, so that a clock that is set does not stretch
them. A telegram's time is the end of its window, a whole second, and never one twice: also
where the clock is set back to a time that was measured at already.
"""

import json
import threading
from collections import deque
from collections.abc import Iterable, Mapping
from math import inf
from typing import Any

from mysense.clock import Clock
from mysense.telegram import SECOND, Value
from mysense.window import Chosen, How, Window

FIRST = 5.0
"""Seconds after which the first telegram goes without the sensors that have given nothing yet."""
SAVED = 60.0
"""The most seconds of readings that a crash may cost."""
SLIGHT = 60
"""Seconds that a clock may be set back without the times of telegrams following: they go on by a second each."""
GIVEN = 10_000
"""Times that are remembered, so that none is given out twice."""


class Sampler:
    """Collects readings from all sensors; whoever calls ``wait`` and ``take`` gets the telegrams.

    *newest* is the time (ns) of the node's newest data in the journal, *saved* what
    ``save`` gave before the last stop or crash, *given* are times that are taken. *chosen*
    says what is made of the readings of a field; ``removed`` counts its outliers.
    """

    def __init__(
        self,
        interval: float,
        sensors: Iterable[str],
        clock: Clock,
        newest: int | None,
        saved: str,
        given: Iterable[int] = (),
        chosen: Chosen = lambda _: How(),
    ) -> None:
        self._interval, self._clock = interval, clock
        self._missing = set(sensors)
        self._last = self._latest = (newest or 0) // SECOND
        self._given = deque([time // SECOND for time in given], GIVEN)
        self._lock = threading.Lock()
        self._arrived = threading.Event()
        past = clock.now() % SECOND / SECOND
        self._begun = clock.monotonic()
        self._end = self._begun + interval - past  # a telegram's time is a whole second: then windows end on one
        self._first = interval > FIRST
        self._chosen, self._window = chosen, Window(chosen)
        self.removed: dict[str, int] = {}
        self._old: tuple[int, dict[str, Value]] | None = None
        if saved:
            self._restore(json.loads(saved))
        self._saved_at = self._begun
        self.unsaved = False
        """Whether there are readings in the window that ``save`` has not given yet."""

    def _restore(self, saved: dict[str, Any]) -> None:
        """Go on with a window that is still open; hand out one that is over, or that a reboot has cut short."""
        window, at = Window(self._chosen, saved), saved["at"]
        age = inf
        if saved.get("boot") == self._clock.boot_id():  # however often the clock was set in between
            past = self._clock.uptime() - saved["up"]
            age, at = past / SECOND, self._clock.now() - past
        if age < saved["left"]:
            self._window, self._first = window, False
            self._end = min(self._end, self._begun + saved["left"] - age)  # an interval may be shorter now
        elif window:
            self._old = at // SECOND, window.values(self.removed)

    def add(self, section: str, reading: Mapping[str, Value | None]) -> None:
        """Take in one reading of a sensor."""
        with self._lock:
            if self._window.add(reading):
                self.unsaved = True
                self._missing.discard(section)
                self._arrived.set()

    def wait(self, stop: threading.Event, most: float = inf) -> bool:
        """Wait a moment, *most* seconds or until the next telegram may be due; False when *stop* is set."""
        left = min(most, self._due() - self._clock.monotonic())
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
            values, self._window = self._window.values(self.removed), Window(self._chosen)
            if not values:
                return None
            return self._stamp(self._clock.now() // SECOND), values

    def _stamp(self, second: int) -> int:
        """The time of a telegram: *second*, unless that was given out already."""
        if second <= self._last < second + SLIGHT:
            second = self._last + 1  # further back the clock has been set: then the clock is right
        while second <= self._latest and second in self._given:
            second += 1
        self._last, self._latest = second, max(second, self._latest)
        self._given.append(second)
        return second * SECOND

    def moved(self, since: int, by: int) -> None:
        """Times from *since* on were estimates, and all of them are *by* (ns) later."""
        begin, more = since // SECOND, by // SECOND
        with self._lock:
            self._last += more if self._last >= begin else 0
            self._given = deque((second + more if second >= begin else second for second in self._given), GIVEN)
            self._latest = max(self._last, *self._given)

    def save(self, force: bool = False) -> str | None:
        """What the window holds as text, when it is time to save it or on *force*; else None."""
        with self._lock:
            now = self._clock.monotonic()
            if not force and (now - self._saved_at < SAVED or not self._window):
                return None
            self._saved_at, self.unsaved = now, False
            left = max(0.0, self._end - now)
            when = {"at": self._clock.now(), "boot": self._clock.boot_id(), "up": self._clock.uptime()}
            return json.dumps({**when, "left": left, **self._window.saved()})


def renamed(saved: str, names: Mapping[str, str]) -> str:
    """A saved window whose fields are called otherwise now, by *names*."""
    if not (saved and names):
        return saved
    said = json.loads(saved)
    for part in ("series", "last"):
        said[part] = {names.get(name, name): each for name, each in said[part].items()}
    return json.dumps(said)


def saved_at(saved: str) -> tuple[int, str]:
    """When (ns) a window was saved, and at which start of the machine its readings were taken, if it has any."""
    if not saved:
        return 0, ""
    said = json.loads(saved)
    return int(said["at"]), said.get("boot", "") if Window(saved=said) else ""
