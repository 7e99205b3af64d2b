"""The workers of a daemon: one for each section, each in a thread of its own, and the own node's beside them."""

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple, cast

from mysense.clock import Clock
from mysense.errors import JournalError
from mysense.journal import Journal
from mysense.node import SOURCE, Node
from mysense.pipeline import Pipeline
from mysense.plugin import Processor, Publisher, Sensor, Subscriber
from mysense.publishing import PublishWorker
from mysense.sensing import SensorWorker
from mysense.settings import End, PublisherOptions, SensorOptions, Settings
from mysense.timekeeping import close_earlier
from mysense.worker import SubscribeWorker, Worker, log, reason

KINDS = {
    "": ("sensor", "subscriber", "publisher"),
    "subscribers": ("sensor", "subscriber"),
    "publishers": ("publisher",),
}
"""The kinds of sections that are at work, by what a command line says after --only."""
LEAVE = 2.5
"""Seconds that are waited for workers that were told to go; who needs longer is replaced later."""


class Exchanged(NamedTuple):
    """The sections whose workers are new, gone, or others now."""

    started: list[str]
    stopped: list[str]
    restarted: list[str]

    def summary(self) -> str:
        """All of it in one line."""
        said = [f"{verb} {', '.join(names)}" for verb, names in self._asdict().items() if names]
        return "; ".join(said) or "no section has changed"


class Workers:
    """Made from settings, started, exchanged where the settings are others now, and stopped."""

    def __init__(self, settings: Settings, journal: Journal, clock: Clock, only: str = "") -> None:
        self._settings, self._journal, self._clock = settings, journal, clock
        self._kinds = KINDS[only]
        self._working: dict[str, Worker] = {}  # replaced, never changed: others look into it
        self._threads: dict[Worker | Node, threading.Thread] = {}
        self._vacant: dict[str, str] = {}
        self._node_stop = threading.Event()
        self.node: Node | None = None
        self._ends = self._wanted(settings)
        if "sensor" in self._kinds:
            close_earlier(journal, clock)
        self._see_to_node()
        self._working = {section: self._worker(end) for section, end in self._ends.items()}

    def _wanted(self, settings: Settings) -> dict[str, End]:
        return {end.section: end for kind in self._kinds for end in settings.of(kind)}

    @property
    def sources(self) -> list[Worker]:
        """Those that bring telegrams in."""
        return [w for w in self._working.values() if not isinstance(w, PublishWorker)]

    @property
    def publishers(self) -> list[PublishWorker]:
        """Those that send telegrams on."""
        return [w for w in self._working.values() if isinstance(w, PublishWorker)]

    def all_failed(self) -> bool:
        """Whether there are workers, and only a person can help any of them."""
        working = self._working.values()
        return bool(working) and all(worker.status.state == "failed" for worker in working)

    def summary(self) -> str:
        """How they are, in one line: in numbers, and what the first says that does not work."""
        every = [worker.status for worker in self._working.values()]
        away = [status for status in every if status.state not in ("starting", "running")]
        said = f"{len(every) - len(away)} of {len(every)} at work"
        return said + (f"; {away[0].section} {away[0].state}: {away[0].message}".rstrip(": ") if away else "")

    # Making them

    def _worker(self, end: End) -> Worker:
        """A worker for a section, at the place where the journal says that it goes on."""
        stop, journal, clock, section, plugin = threading.Event(), self._journal, self._clock, end.section, end.plugin
        if isinstance(plugin, Sensor):
            node = cast(Node, self.node)
            return SensorWorker(section, plugin, stop, clock, node.give, node.troubles, _sensing(end))
        own = self._own()
        if isinstance(plugin, Subscriber):
            journal.hold(section)
            steps = (*self._intake(), *end.processors)
            return SubscribeWorker(section, plugin, stop, clock, journal, steps, own)
        options, publisher = cast(PublisherOptions, end.options), cast(Publisher, plugin)
        publisher.own = self._settings.identity.ident() if own else None
        cursor = journal.cursor(section, options.start)
        wait = self._settings.daemon.clock_wait
        return PublishWorker(
            section, publisher, stop, clock, journal, cursor, end.processors, options.private, own, wait, options.raw
        )

    def _own(self) -> str:
        """The node that measures here, if one does."""
        return self._settings.identity.ident().node if self._settings.of("sensor") else ""

    def _intake(self) -> Sequence[tuple[str, Processor]]:
        """The processors at intake: each worker has its own."""
        return [(section, replace(step)) for section, step in self._settings.intake]

    def _see_to_node(self) -> None:
        """The own node is there while there are sensors, and knows which."""
        sensors = {s: end.plugin for s, end in self._ends.items() if isinstance(end.plugin, Sensor)}
        options = {section: _sensing(self._ends[section]) for section in sensors}
        if self.node and sensors:
            self.node.exchange(sensors, options)
        elif self.node:
            self._node_stop.set()
            self._join([self.node], LEAVE)
            self.node.note("down", "there are no sensors any more")
            self._journal.release(SOURCE)
            self.node = None
        elif sensors:
            self._journal.hold(SOURCE)
            pipeline = Pipeline(self._intake(), self._journal.state(SOURCE))
            identity, daemon = self._settings.identity.ident(), self._settings.daemon
            trusted = daemon.clock == "trusted"
            self.node = Node(
                identity, sensors, daemon.interval, self._journal, self._clock, pipeline, trusted, options, daemon.raw
            )

    # Exchanging them

    def exchange(self, settings: Settings) -> Exchanged:
        """Take over other settings: a worker goes where its section says something else now, or where it had failed.

        The others do not notice. Whoever comes goes on where the journal says.
        """
        before, own = self._ends, self._own()
        self._settings, after = settings, self._wanted(settings)
        stays = {s for s, end in after.items() if s in before and self._can_stay(before[s], end, own)}
        leaving = [worker for section, worker in self._working.items() if section not in stays]
        for worker in leaving:
            worker.stop.set()
        self._join(leaving, LEAVE)
        self._ends = {section: before[section] if section in stays else end for section, end in after.items()}
        self._vacant.clear()
        try:
            self._see_to_node()
        except (JournalError, OSError) as error:  # another process measures for this journal
            self._tell("node", reason(error))
            self._ends = {section: end for section, end in self._ends.items() if end.kind != "sensor"}
        self.fill()
        come = after.keys() - stays
        return Exchanged(
            sorted(come - before.keys()), sorted(before.keys() - after.keys()), sorted(come & before.keys())
        )

    def _can_stay(self, before: End, after: End, own: str) -> bool:
        worker = self._working.get(after.section)
        if worker is None or worker.stop.is_set() or worker.status.state == "failed":
            return False
        return before.said == after.said and (isinstance(after.plugin, Sensor) or own == self._own())

    def fill(self) -> None:
        """Dismiss who has come to an end, and put somebody to each section that has nobody."""
        working = dict(self._working)
        for section, worker in self._working.items():
            if worker.stop.is_set() and not self._threads[worker].is_alive():
                del working[section], self._threads[worker]
                self._release(worker)
        for section, end in self._ends.items():
            if section not in working:
                try:
                    working[section] = self._worker(end)
                except (JournalError, OSError) as error:
                    self._tell(section, reason(error))
            elif working[section].stop.is_set():
                self._tell(section, "its worker does not come to an end; the next one waits for that")
        order = [*self._ends, *working]
        self._working = {section: working[section] for section in order if section in working}
        self.start()

    def _release(self, worker: Worker) -> None:
        try:
            if isinstance(worker, PublishWorker):
                worker.cursor.close()
            elif isinstance(worker, SubscribeWorker):
                self._journal.release(worker.section)
        except OSError as error:
            self._tell(worker.section, reason(error))

    def _tell(self, section: str, text: str) -> None:
        if self._vacant.get(section) != text:
            self._vacant[section] = text
            log.error("%s: %s", section, text)

    # Starting and stopping

    def start(self) -> None:
        """Start everybody who has no thread yet: who sends first, then who brings."""
        if self.node and self.node not in self._threads:
            node, stop = self.node, threading.Event()
            self._node_stop = stop
            self._start(node, "node", lambda: node.run(stop))
        for worker in (*self.publishers, *self.sources):
            if worker not in self._threads:
                self._start(worker, worker.section, worker.run)

    def _start(self, who: Worker | Node, name: str, target: Callable[[], None]) -> None:
        thread = self._threads[who] = threading.Thread(target=target, name=name, daemon=True)
        thread.start()

    def stop_sources(self, seconds: float) -> None:
        """Stop what brings telegrams in; what the sampler holds is in the journal then."""
        self._node_stop.set()
        for worker in self.sources:
            worker.stop.set()
        self._join([*self.sources, *([self.node] if self.node else [])], seconds)
        if self.node and not ((thread := self._threads.get(self.node)) and thread.is_alive()):
            self.node.keep()  # a reading that was under way came after the node had ended

    def stop_publishers(self, seconds: float, patient: bool) -> int:
        """Stop what sends telegrams on, once it has sent what there is; the lag that remains.

        Those whose far end is away do not wait for it, unless they are *patient*.
        """
        for worker in self.publishers:
            worker.draining.set()
            if worker.status.state in ("waiting", "blocked") and not patient:
                worker.stop.set()
        self._join(self.publishers, seconds)
        for worker in self.publishers:
            worker.stop.set()
        self._join(self.publishers, 0.7)
        return sum(worker.cursor.lag for worker in self.publishers)

    def _join(self, those: Iterable[Worker | Node], seconds: float) -> None:
        until = self._clock.monotonic() + seconds
        for each in those:
            if thread := self._threads.get(each):
                thread.join(max(0.0, until - self._clock.monotonic()))


def _sensing(end: End) -> SensorOptions:
    """The options of a sensor's section."""
    return end.options if isinstance(end.options, SensorOptions) else SensorOptions()
