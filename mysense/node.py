"""This kit itself: the readings of its sensors go into the journal as data, its state as notes."""

import threading
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from mysense import __version__
from mysense.clock import Clock
from mysense.journal import NOT_SET, Dating, Journal
from mysense.judge import STATIC
from mysense.pipeline import Pipeline
from mysense.place import Place
from mysense.plugin import Sensor
from mysense.sampler import Sampler, renamed, saved_at
from mysense.settings import SensorOptions
from mysense.sources import Sources
from mysense.telegram import SECOND, Data, Ident, Note, Telegram, Value, clean
from mysense.timekeeping import Change, Timekeeper
from mysense.trouble import Troubles
from mysense.worker import log, reason

SOURCE = "node"
"""The name under which the journal keeps the open window and the processors' state."""
RECENT = 1000
"""Entries of the journal in which to look for times that were given out."""
WAITING = 1000
"""Telegrams kept in memory while the journal cannot be written (a full disk)."""
TOGETHER = 10.0
"""The most seconds that single readings wait to be written together."""
ALONE = 300.0
"""Seconds without any data after which what there is to tell is told all the same."""
MILLISECOND = 1_000_000


T = TypeVar("T", bound=Telegram)


class Node:
    """The own node: ident, sampler and notes.

    *options* are those of the sensors' sections; with *raw* each reading is kept, too.
    """

    def __init__(
        self,
        ident: Ident,
        sensors: Mapping[str, Sensor],
        interval: float,
        journal: Journal,
        clock: Clock,
        pipeline: Pipeline | None = None,
        trusted: bool = False,
        options: Mapping[str, SensorOptions] | None = None,
        raw: bool = False,
    ) -> None:
        self._ident, self._journal, self._raw = ident, journal, raw
        self._turn, self._naming, self._passing = threading.RLock(), threading.Lock(), threading.Lock()
        self._exchanges = 0
        kept = journal.state(SOURCE)
        self._pipeline = pipeline or Pipeline((), kept)
        window, newest = kept.get("window", ""), journal.newest(ident.node) or 0
        boots, (at, boot) = journal.boots(), saved_at(window)
        self.clock = Timekeeper(clock, trusted, max(newest, at), boots)
        never_known = boot in [each.id for each in boots if each.dating == Dating.OVER]
        self._left_over = {"time": NOT_SET} if never_known else {}  # flags of the first telegram
        self.troubles = Troubles(self.note)
        self._sources = Sources(sensors, options or {}, self.troubles, kept.get("fields", ""))
        window = renamed(window, self._sources.moved)
        self._sampler = Sampler(interval, sensors, self.clock, newest, window, self._given(), self._sources.how)
        self._place = Place(ident.geolocation, interval, self.clock, kept.get("place", ""))
        self._waiting: deque[Telegram] = deque(maxlen=WAITING)
        self._single: deque[Data] = deque(maxlen=WAITING)
        self._untold: deque[Note] = deque(maxlen=WAITING)
        self._changes: dict[str, str | None] = {}
        self._refused: deque[tuple[str, Telegram]] = deque(maxlen=WAITING)
        self._bug = ""
        self._begun: int | None = self.clock.now()
        self._started = self.clock.monotonic()
        self._saved = kept.get("fields", "")
        self._version = 0
        self._trouble = ""
        self.reported = threading.Event()

    def _given(self) -> list[int]:
        """Times of what was measured last."""
        entries = self._journal.read(max(0, self._journal.status().last - RECENT), RECENT)
        own = [t for _, t in entries if isinstance(t, Data) and t.ident.node == self._ident.node]
        return [data.time for data in own if not data.raw]

    def ident(self) -> Ident:
        """Who this node is, with the fields that its sensors have given."""
        with self._naming:
            if (version := self._sources.version) != self._version:
                self._ident = replace(self._ident, fields=self._sources.fields())
                self._version = version
            if (location := self._place.location) != self._ident.geolocation:
                self._ident = replace(self._ident, geolocation=location)
            return self._ident

    def exchange(self, sensors: Mapping[str, Sensor], options: Mapping[str, SensorOptions] | None = None) -> None:
        """Other sensors from now on. What was measured so far goes out under the names it was measured with."""
        options = options or {}
        with self._turn, self._passing:  # no reading passes between the end of the names of old and those of today
            self._exchanges += 1
            if not self._sources.fits(sensors, options):
                self._work(early=True)
            self._sources.exchange(sensors, options)

    def give(self, section: str, reading: Mapping[str, Value | None]) -> None:
        """Take in one reading of a sensor, by its own names."""
        exchanges, source, values = self._exchanges, self._sources.get(section), clean(reading)
        if source and values:  # one that hung may come back after it was taken out
            judged = source.judged(self._sources.join(source, values))
            with self._passing:
                if exchanges != self._exchanges:  # its names are of old, and those that had them are done with
                    return
                if self._raw or source.options.raw:
                    now = self.clock.now() // MILLISECOND * MILLISECOND
                    self._single.append(Data(self.ident(), now, judged.values, judged.flags, source.name))
                self._sampler.add(section, judged.good)

    def doubted(self, section: str) -> tuple[int, int]:
        """Values of a sensor that could not be true, and readings that were left out as outliers, so far."""
        return self._sources.doubted(section, self._sampler.removed)

    def run(self, stop: threading.Event) -> None:
        """Make telegrams until told to stop; what the window holds then is kept for the next start."""
        while self._sampler.wait(stop, 1.0 if self.clock.waits else TOGETHER):
            with self._turn:
                self._guarded()
        with self._turn:
            self._keep(self._singles(), self._sampler.save(force=True))

    def keep(self) -> None:
        """Keep for the next start what has come since ``run`` ended, if something has."""
        with self._turn:
            if self._sampler.unsaved or self._single:
                self._keep(self._singles(), self._sampler.save(force=True))

    def _guarded(self) -> None:
        """Work; what nobody foresaw is told once, and must not end measuring."""
        try:
            self._work()
        except Exception as error:
            text = f"{type(error).__name__}: {reason(error)}"
            if text != self._bug:
                log.exception("node: a bug in mysense; please report it")
            self._bug = text

    def _work(self, early: bool = False) -> None:
        if change := self.clock.look():
            self._follow(change)
        while taken := self._sampler.take(early):
            time, values = taken
            values, moved = self._place.follow(values, self._sources.positions)
            flags = dict.fromkeys(self._sources.static() & values.keys(), STATIC) | self._left_over
            data, self._left_over = Data(self.ident(), time, values, flags), {}
            self._keep([*self._singles(), *self._processed(data), *self._up()], self._sampler.save(force=True))
            if moved:
                self.note("moved", moved)
            self.reported.set()
        if self._untold and self.clock.monotonic() - self._started >= ALONE:
            self._keep(self._up(), None)
        if saved := self._sampler.save():
            self._keep((), saved)
        if self._waiting or self._single:
            self._keep(self._singles(), None)

    def _processed(self, data: Data) -> Sequence[Telegram]:
        """What comes out of the processors; what one with a bug cannot take is set aside, and measuring goes on."""
        try:
            return self._pipeline(data)
        except Exception as error:
            text = f"{type(error).__name__}: {reason(error)}"
            if text != self._bug:
                log.exception("node: a bug in a processor; what it cannot take is in 'mysense journal rejected'")
            self._bug = text
            self._refused.append((text, data))
            return ()

    def _follow(self, change: Change) -> None:
        """The clock was set: estimates that are still in memory move with it, and it is told."""
        log.info("%s", change.text)
        if change.since is not None:
            self._sampler.moved(change.since, change.by)
            self._waiting = deque((_moved(t, change.since, change.by) for t in self._waiting), WAITING)
            self._single = deque((_moved(t, change.since, change.by) for t in self._single), WAITING)
            self._untold = deque((_moved(t, change.since, change.by) for t in self._untold), WAITING)
            self._begun = self._begun and self._begun + change.by
        values: dict[str, Value] = {
            "boot": self.clock.boot_id(),
            "started": self.clock.started // SECOND,
            "by": change.by // SECOND,
        }
        self.note("clock", change.text, values)
        self._keep((), self._sampler.save(force=True))

    def _up(self) -> list[Note]:
        """The note that the station is up goes with the first data, which gives the ident its time, if that comes."""
        begun, self._begun = self._begun, None
        up = [Note(self.ident(), begun, "up", f"mysense {__version__} started")] if begun else []
        notes, self._untold = [*up, *self._untold], deque(maxlen=WAITING)
        return [replace(note, ident=self.ident()) for note in notes]

    def note(self, kind: str, text: str, values: Mapping[str, Value] | None = None) -> None:
        """Tell something about this node, once it has sent its first data, or has none for too long."""
        with self._turn:
            told = Note(self.ident(), self.clock.now(), kind, text, values or {})
            if self._begun is None:
                self._keep([told], None)
            else:
                self._untold.append(told)

    def _singles(self) -> list[Data]:
        """The single readings that wait."""
        return [self._single.popleft() for _ in range(len(self._single))]

    def _keep(self, telegrams: Iterable[Telegram], window: str | None) -> None:
        """Into the journal, after those that wait; while it cannot be written, into memory: measuring goes on."""
        telegrams, fields = [*self._waiting, *telegrams], self._sources.saved()
        state: dict[str, str | None] = {} if window is None else {"window": window}
        if fields != self._saved:
            state["fields"] = fields
        try:
            self._changes |= self._pipeline.take_changes()
            state |= self._changes | self._place.unsaved()
            self._journal.append(telegrams, SOURCE, None, state, list(self._refused), self.clock.boot)
        except OSError as error:
            if len(telegrams) > WAITING:  # single readings go first
                telegrams = [each for each in telegrams if not (isinstance(each, Data) and each.raw)]
            self._waiting = deque(telegrams, maxlen=WAITING)
            if not self._trouble:
                self._trouble = reason(error)
                log.error("journal: %s; measuring goes on, %d telegrams wait in memory", self._trouble, WAITING)
        else:
            self._saved = fields
            self._place.saved(state)
            self._changes.clear()
            self._refused.clear()
            self._waiting.clear()
            if self._trouble:
                self._trouble = ""
                log.info("journal: can be written again")


def _moved(telegram: T, since: int, by: int) -> T:
    """A telegram whose time was an estimate, if that does not lie before *since*, with its right time."""
    if isinstance(telegram, Ident) or telegram.time < since:
        return telegram
    return replace(telegram, time=telegram.time + by)
