"""The workers of a daemon: one for each section, each in a thread of its own, and the own node's beside them."""

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import cast

from mysense.clock import Clock
from mysense.journal import Journal
from mysense.node import SOURCE, Node
from mysense.pipeline import Pipeline
from mysense.plugin import Processor, Publisher, Sensor, Subscriber
from mysense.publishing import PublishWorker
from mysense.settings import End, PublisherOptions, Settings
from mysense.worker import SensorWorker, SubscribeWorker, Worker

KINDS = {
    "": ("sensor", "subscriber", "publisher"),
    "subscribers": ("sensor", "subscriber"),
    "publishers": ("publisher",),
}
"""The kinds of sections that are at work, by what a command line says after --only."""


class Workers:
    """Made from settings, started, and stopped: sources first, so that what they bring is sent on."""

    def __init__(self, settings: Settings, journal: Journal, clock: Clock, only: str = "") -> None:
        self._journal, self._clock, self._kinds = journal, clock, KINDS[only]
        self._settings = settings
        self._working: dict[str, Worker] = {}
        self._threads: dict[Worker | Node, threading.Thread] = {}
        self._node_stop = threading.Event()
        self.node: Node | None = None
        self._ends: dict[str, End] = self._wanted(settings)
        self._see_to_node()
        for end in self._ends.values():
            self._working[end.section] = self._worker(end)

    def _wanted(self, settings: Settings) -> dict[str, End]:
        return {end.section: end for kind in self._kinds for end in settings.of(kind)}

    # Who is at work

    @property
    def sources(self) -> list[Worker]:
        """Those that bring telegrams in, in the order of the file."""
        return [w for w in self._working.values() if not isinstance(w, PublishWorker)]

    @property
    def publishers(self) -> list[PublishWorker]:
        """Those that send telegrams on."""
        return [w for w in self._working.values() if isinstance(w, PublishWorker)]

    def all_failed(self) -> bool:
        """Whether there are workers, and only a person can help any of them."""
        return bool(self._working) and all(w.status.state == "failed" for w in self._working.values())

    # Making them

    def _worker(self, end: End) -> Worker:
        """A worker for a section, at the place where the journal says that it goes on."""
        stop, journal, clock = threading.Event(), self._journal, self._clock
        section, plugin = end.section, end.plugin
        if isinstance(plugin, Sensor):
            node = cast(Node, self.node)
            return SensorWorker(section, plugin, stop, clock, lambda: node.names(section), node.give)
        own = self._own()
        if isinstance(plugin, Subscriber):
            journal.hold(section)
            steps = (*self._intake(), *end.processors)
            return SubscribeWorker(section, plugin, stop, clock, journal, steps, own)
        options = cast(PublisherOptions, end.options)
        publisher = cast(Publisher, plugin)
        publisher.own = self._settings.identity.ident() if own else None
        cursor = journal.cursor(section, options.start)
        return PublishWorker(section, publisher, stop, clock, journal, cursor, end.processors, options.private, own)

    def _own(self) -> str:
        """The node that measures here, if one does."""
        return self._settings.identity.ident().node if self._settings.of("sensor") else ""

    def _intake(self) -> Sequence[tuple[str, Processor]]:
        """The processors at intake: each worker has its own."""
        return [(section, replace(step)) for section, step in self._settings.intake]

    def _see_to_node(self) -> None:
        """The own node is there when there are sensors."""
        sensors = {s: end.plugin for s, end in self._ends.items() if isinstance(end.plugin, Sensor)}
        if self.node is None and sensors:
            self._journal.hold(SOURCE)
            pipeline = Pipeline(self._intake(), self._journal.state(SOURCE))
            identity, interval = self._settings.identity.ident(), self._settings.daemon.interval
            self.node = Node(identity, sensors, interval, self._journal, self._clock, pipeline)

    # Starting and stopping

    def start(self) -> None:
        """Start every worker in a thread of its own."""
        if self.node:
            self._start_node(self.node)
        for worker in (*self.publishers, *self.sources):
            self._start(worker, worker.section, worker.run)

    def _start_node(self, node: Node) -> None:
        stop = self._node_stop = threading.Event()
        self._start(node, "node", lambda: node.run(stop))

    def _start(self, who: Worker | Node, name: str, target: Callable[[], None]) -> None:
        thread = self._threads[who] = threading.Thread(target=target, name=name, daemon=True)
        thread.start()

    def stop_sources(self, seconds: float) -> None:
        """Stop what brings telegrams in; what the sampler holds is in the journal then."""
        self._node_stop.set()
        for worker in self.sources:
            worker.stop.set()
        self._join([*self.sources, *([self.node] if self.node else [])], seconds)

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
