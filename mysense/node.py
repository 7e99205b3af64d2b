"""This kit itself: the readings of its sensors go into the journal as data, its state as notes."""

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from math import inf

from mysense import __version__
from mysense.clock import Clock
from mysense.journal import NOT_SET, Dating, Journal
from mysense.pipeline import Pipeline
from mysense.place import Place
from mysense.plugin import Sensor
from mysense.sampler import Sampler, saved_at
from mysense.telegram import SECOND, Data, Field, Ident, Note, Telegram, Value
from mysense.timekeeping import Change, Timekeeper
from mysense.worker import log, reason

SOURCE = "node"
"""The name under which the journal keeps the open window and the processors' state."""
RECENT = 1000
"""Entries of the journal in which to look for times that were given out."""
WAITING = 1000
"""Telegrams kept in memory while the journal cannot be written (a full disk)."""


class Node:
    """The own node: ident, sampler and notes."""

    def __init__(
        self,
        ident: Ident,
        sensors: Mapping[str, Sensor],
        interval: float,
        journal: Journal,
        clock: Clock,
        pipeline: Pipeline | None = None,
        trusted: bool = False,
    ) -> None:
        self._ident, self._sensors, self._journal = ident, sensors, journal
        self._turn, self._naming = threading.Lock(), threading.RLock()
        kept = journal.state(SOURCE)
        self._pipeline = pipeline or Pipeline((), kept)
        window, newest = kept.get("window", ""), journal.newest(ident.node) or 0
        boots, (at, boot) = journal.boots(), saved_at(window)
        self.clock = Timekeeper(clock, trusted, max(newest, at), boots)
        never_known = boot in [each.id for each in boots if each.dating == Dating.OVER]
        self._left_over = {"time": NOT_SET} if never_known else {}  # flags of the first telegram
        self._sampler = Sampler(interval, sensors, self.clock, newest, window, self._given())
        self._place = Place(ident.geolocation, interval, self.clock, kept.get("place", ""))
        self._waiting: deque[Telegram] = deque(maxlen=WAITING)
        self._begun: int | None = self.clock.now()
        self._names: dict[str, dict[str, str]] = {}
        self._shape: tuple[tuple[str, tuple[Field, ...]], ...] = ()
        self._trouble = ""
        self.reported = threading.Event()

    def _given(self) -> list[int]:
        """Times of what was measured last."""
        entries = self._journal.read(max(0, self._journal.status().last - RECENT), RECENT)
        return [t.time for _, t in entries if isinstance(t, Data) and t.ident.node == self._ident.node]

    def names(self, section: str) -> Mapping[str, str]:
        """Under which name each field of a sensor is published."""
        with self._naming:
            self.ident()
            return self._names.get(section, {})

    def ident(self) -> Ident:
        """Who this node is, with the fields that its sensors measure."""
        with self._naming:
            shape, location = _shape(self._sensors), self._place.location
            if shape != self._shape:
                self._ident = replace(self._ident, fields=self._fields())
                self._shape = shape
            if location != self._ident.geolocation:
                self._ident = replace(self._ident, geolocation=location)
            return self._ident

    def exchange(self, sensors: Mapping[str, Sensor]) -> None:
        """Other sensors from now on. What was measured so far goes out under the names it was measured with."""
        with self._turn:
            if _shape(sensors) != self._shape:
                self._work(early=True)
            with self._naming:
                self._sensors = sensors

    def _fields(self) -> tuple[Field, ...]:
        """All fields; where two sensors measure the same, the later one's carries its plugin's name."""
        fields: dict[str, Field] = {}
        names: dict[str, dict[str, str]] = {}
        for section, sensor in self._sensors.items():
            plugin, _, label = section.partition(":")[2].partition(":")
            names[section] = {}
            for declared, field in zip(sensor.measures, sensor.named(), strict=False):
                name = field.name
                if name in fields:
                    name = f"{name}_{label or plugin}"
                    log.warning("%s: %s is measured twice; this one is called %s", section, field.name, name)
                fields[name] = replace(field, name=name, device=field.device or plugin)
                names[section][declared.name] = name
        self._names = names
        return tuple(fields.values())

    def give(self, section: str, reading: Mapping[str, Value | None]) -> None:
        """Take in one reading of a sensor, by published names."""
        if section in self._sensors:  # one that hung may come back after it was taken out
            self._sampler.add(section, reading)

    def run(self, stop: threading.Event) -> None:
        """Make telegrams until told to stop; what the window holds then is kept for the next start."""
        while self._sampler.wait(stop, 1.0 if self.clock.waits else inf):
            with self._turn:
                self._work()
        self._keep((), self._sampler.save(force=True))

    def _work(self, early: bool = False) -> None:
        if change := self.clock.look():
            self._follow(change)
        while taken := self._sampler.take(early):
            time, values = taken
            values, moved = self._place.follow(values)
            data, self._left_over = Data(self.ident(), time, values, self._left_over), {}
            telegrams = [*self._waiting, *self._pipeline(data), *self._up()]
            self._keep(telegrams, self._sampler.save(force=True))
            if moved:
                self.note("moved", moved)
            self.reported.set()
        if saved := self._sampler.save():
            self._keep((), saved)
        if self._waiting:
            self._keep(list(self._waiting), None)

    def _follow(self, change: Change) -> None:
        """The clock was set: estimates that are still in memory move with it, and it is told."""
        log.info("%s", change.text)
        if change.since is not None:
            self._sampler.moved(change.since, change.by)
            self._waiting = deque((_moved(t, change.since, change.by) for t in self._waiting), WAITING)
            self._begun = self._begun and self._begun + change.by
        values: dict[str, Value] = {
            "boot": self.clock.boot_id(),
            "started": self.clock.started // SECOND,
            "by": change.by // SECOND,
        }
        self.note("clock", change.text, values)
        self._keep(list(self._waiting), self._sampler.save(force=True))

    def _up(self) -> list[Note]:
        """The note that the station is up goes with the first data, which gives the ident its time."""
        begun, self._begun = self._begun, None
        return [Note(self.ident(), begun, "up", f"mysense {__version__} started")] if begun else []

    def note(self, kind: str, text: str, values: Mapping[str, Value] | None = None) -> None:
        """Tell something about this node, once it has sent its first data."""
        if self._begun is None:
            self._keep([*self._waiting, Note(self.ident(), self.clock.now(), kind, text, values or {})], None)

    def _keep(self, telegrams: list[Telegram] | tuple[()], window: str | None) -> None:
        """Into the journal; while that cannot be written, into memory: measuring goes on."""
        state: dict[str, str | None] = {} if window is None else {"window": window}
        try:
            state |= self._pipeline.take_changes() | self._place.unsaved()
            self._journal.append(telegrams, SOURCE, None, state, boot=self.clock.boot)
        except OSError as error:
            self._waiting = deque(telegrams, maxlen=WAITING)
            if not self._trouble:
                self._trouble = reason(error)
                log.error("journal: %s; measuring goes on, %d telegrams wait in memory", self._trouble, WAITING)
        else:
            self._place.saved(state)
            self._waiting.clear()
            if self._trouble:
                self._trouble = ""
                log.info("journal: can be written again")


def _moved(telegram: Telegram, since: int, by: int) -> Telegram:
    """A telegram whose time was an estimate, if that does not lie before *since*, with its right time."""
    if isinstance(telegram, Ident) or telegram.time < since:
        return telegram
    return replace(telegram, time=telegram.time + by)


def _shape(sensors: Mapping[str, Sensor]) -> tuple[tuple[str, tuple[Field, ...]], ...]:
    """What sensors measure, by section."""
    return tuple((section, sensor.named()) for section, sensor in sensors.items())
