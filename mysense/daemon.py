"""Put the plugins of one MySense.conf to work until told to stop."""

import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import asdict, replace
from typing import Any, cast

from mysense import __version__
from mysense.clock import Clock
from mysense.control import Listener, socket_path
from mysense.journal import Cursor, Journal
from mysense.journal.sqlite import SqliteJournal
from mysense.node import SOURCE, Node
from mysense.pipeline import Pipeline
from mysense.plugin import Publisher, Sensor, Subscriber
from mysense.publishing import PublishWorker
from mysense.settings import PublisherOptions, Settings
from mysense.telegram import SECOND, ident_of
from mysense.worker import SensorWorker, SubscribeWorker, Worker, log, reason

TRIM = 600.0
"""Seconds between two looks at what the journal may drop."""
CHECK = 86400 * SECOND
"""Nanoseconds between two looks at all of the journal, in the background."""
CHECKED = "check"
"""Under this name the journal keeps when that was last done."""
FLUSH = 2.5
"""Seconds that publishers get, when the daemon stops, to deliver what is in the journal."""
ONCE = 30.0
"""The same, when a single telegram is all they are to deliver."""


def open_journal(settings: Settings, clock: Clock | None = None) -> SqliteJournal:
    """The journal that MySense.conf names."""
    said = settings.journal
    return SqliteJournal(
        said.file(),
        durability=said.durability,
        commit_interval=said.commit_interval,
        keep=said.keep,
        max_size=said.max_size,
        forget=said.forget,
        clock=clock or Clock(),
    )


class Daemon:
    """Workers, the own node, the journal between them, and somebody who looks after them.

    *only* is ``subscribers`` (everything that brings telegrams in) or ``publishers``; two
    processes may so share one journal. With *once* it stops after the first data telegram.
    """

    def __init__(self, settings: Settings, *, clock: Clock | None = None, only: str = "", once: bool = False) -> None:
        self.settings, self.clock, self.only, self.once = settings, clock or Clock(), only, once
        self.stop = threading.Event()
        self._sources_stop = threading.Event()
        self.again = False
        """Whether it stopped so that another one opens the journal, which is damaged, anew."""
        self._begun = self.clock.now()
        self._trimmed = self.clock.monotonic()
        self._lost: dict[str, int] = {}
        self._threads: dict[threading.Thread, Worker | None] = {}
        self._listener: Listener | None = None
        own = settings.identity.ident() if settings.of("sensor") else None
        self._own = own.node if own else ""
        for end in settings.of("publisher"):
            cast(Publisher, end.plugin).own = own
        self.node: Node | None = None
        self.journal: Journal = open_journal(settings, self.clock)
        try:
            self.sources: list[Worker] = [] if only == "publishers" else self._sources()
            self.publishers: list[PublishWorker] = [] if only == "subscribers" else self._publishers()
        except BaseException:
            self.journal.close()
            raise

    def _sources(self) -> list[Worker]:
        sensors = {end.section: cast(Sensor, end.plugin) for end in self.settings.of("sensor")}
        workers: list[Worker] = []
        if sensors:
            self.journal.hold(SOURCE)
            pipeline = Pipeline(self.settings.intake, self.journal.state(SOURCE))
            ident, interval = self.settings.identity.ident(), self.settings.daemon.interval
            self.node = node = Node(ident, sensors, interval, self.journal, self.clock, pipeline)
            for section, sensor in sensors.items():
                names = lambda section=section: node.names(section)  # noqa: E731
                workers.append(SensorWorker(section, sensor, self._sources_stop, self.clock, names, node.give))
        for end in self.settings.of("subscriber"):
            self.journal.hold(end.section)
            plugin, steps = cast(Subscriber, end.plugin), (*self.settings.intake, *end.processors)
            workers.append(
                SubscribeWorker(end.section, plugin, self._sources_stop, self.clock, self.journal, steps, self._own)
            )
        return workers

    def _publishers(self) -> list[PublishWorker]:
        workers = []
        for end in self.settings.of("publisher"):
            options = cast(PublisherOptions, end.options)
            cursor = self.journal.cursor(end.section, options.start)
            plugin, stop = cast(Publisher, end.plugin), threading.Event()
            workers.append(
                PublishWorker(
                    end.section,
                    plugin,
                    stop,
                    self.clock,
                    self.journal,
                    cursor,
                    end.processors,
                    options.private,
                    self._own,
                )
            )
        return workers

    def start(self) -> None:
        """Start every worker in a thread of its own."""
        self._listener = Listener(socket_path(self.settings.journal.file(), self.only), self.answer)
        node = self.node
        if node:
            self._thread("node", lambda: node.run(self._sources_stop), None)
        for worker in (*self.publishers, *self.sources):
            self._thread(worker.section, worker.run, worker)

    def _thread(self, name: str, target: Callable[[], None], worker: Worker | None) -> None:
        thread = threading.Thread(target=target, name=name, daemon=True)
        self._threads[thread] = worker
        thread.start()

    def run(self, wait: Callable[[], bool] | None = None) -> int:
        """Work until *wait* (about a second long) says stop; the exit code."""
        wait = wait or (lambda: self.clock.wait(self.stop, 1.0))
        self.start()
        try:
            while not wait() and not self.stop.is_set() and not self._finished():
                self.supervise()
        finally:
            lag = self.shutdown()
        failed = [w for w in (*self.sources, *self.publishers) if w.status.state == "failed"]
        return int(self._all_failed() or (self.once and bool(lag or failed)))

    def _finished(self) -> bool:
        return (self.once and (self.node is None or self.node.reported.is_set())) or self._all_failed()

    def _all_failed(self) -> bool:
        workers = (*self.sources, *self.publishers)
        return bool(workers) and all(worker.status.state == "failed" for worker in workers)

    def supervise(self) -> None:
        """Look for stuck sensors, let the journal drop what it need not keep, tell what was lost."""
        now = self.clock.monotonic()
        for worker in self.sources:
            deadline = worker.plugin.deadline if isinstance(worker.plugin, Sensor) else None
            if deadline and (since := worker.busy_since) and now - since > deadline and worker.status.state != "stuck":
                text = f"does not come back from reading for {deadline:.0f} s"
                worker.become("stuck", text)
                self._note("stuck", f"{worker.section}: {text}")
        if self.journal.damaged and not self.again:
            log.error("journal: it is damaged; mysense begins anew with what can be read of it")
            self.again = True
            self.stop.set()
        if now - self._trimmed >= TRIM:
            self._trimmed = now
            try:
                self.journal.trim()
                self._check_daily()
                self._tell_lost()
            except OSError as error:
                log.error("journal: %s", reason(error))

    def _check_daily(self) -> None:
        now = self.clock.now()
        if now - int(self.journal.position(CHECKED) or 0) >= CHECK:
            self.journal.append([], CHECKED, str(now))
            threading.Thread(target=self._check, name="check", daemon=True).start()

    def _check(self) -> None:
        try:
            for wrong in self.journal.check():
                log.error("journal: %s", wrong)
        except (OSError, sqlite3.Error) as error:
            log.error("journal: it could not be checked: %s", reason(error))

    def _tell_lost(self) -> None:
        for cursor in self.journal.status().cursors:
            if (more := cursor.lost - self._lost.setdefault(cursor.name, cursor.lost)) > 0:
                self._lost[cursor.name] = cursor.lost
                text = f"{cursor.name}: {more} telegrams were dropped before they were delivered; the journal is full"
                log.error(text)
                self._note("lost", text, {"count": more})

    def _note(self, kind: str, text: str, values: Mapping[str, int] | None = None) -> None:
        if self.node:
            self.node.note(kind, text, values)

    def shutdown(self) -> int:
        """Sources first, then the journal, then the publishers; the lag that remains."""
        self._sources_stop.set()
        self._join({t for t, w in self._threads.items() if w not in self.publishers}, 1.5)
        if not self.once:
            self._note("down", "mysense stopped")
        for worker in self.publishers:
            worker.draining.set()
            if worker.status.state in ("waiting", "blocked") and not self.once:
                worker.stop.set()
        publishing = {t for t, w in self._threads.items() if w in self.publishers}
        self._join(publishing, ONCE if self.once else FLUSH)
        for worker in self.publishers:
            worker.stop.set()
        self._join(publishing, 0.7)
        if self._listener:
            self._listener.close()
        lag = 0
        try:
            with closing(self.journal):
                lag = sum(worker.cursor.lag for worker in self.publishers)
        except OSError as error:  # what was not written comes again
            log.error("journal: %s", reason(error))
        return lag

    def _join(self, threads: set[threading.Thread], seconds: float) -> None:
        until = self.clock.monotonic() + seconds
        for thread in threads:
            thread.join(max(0.0, until - self.clock.monotonic()))

    def answer(self, question: Mapping[str, Any]) -> Mapping[str, Any]:
        """What the daemon says of itself (``status``), and what it can be told (``retry``)."""
        match question:
            case {"do": "status"}:
                return self.status()
            case {"do": "retry", "section": str(section)}:
                chosen = [w for w in self.publishers if section in ("", w.section)]
                for worker in chosen:
                    worker.retry.set()
                return {"sections": [w.section for w in chosen]}
            case _:
                return {"error": "unknown question"}

    def status(self) -> dict[str, Any]:
        """The state of everything, as JSON can say it."""
        journal = self.journal.status()
        return {
            "version": __version__,
            "pid": os.getpid(),
            "since": self._begun,
            "config": str(self.settings.path or ""),
            "only": self.only,
            "node": self.node.ident().node if self.node else None,
            "journal": status_of(self.journal, [worker.cursor for worker in self.publishers]),
            "workers": [asdict(w.status) for w in self.sources]
            + [asdict(w.status) | {"skipped": w.skipped} for w in self.publishers],
        } | ({"error": "; ".join(journal.notes)} if journal.notes else {})


def status_of(journal: Journal, live: Iterable[Cursor] = ()) -> dict[str, Any]:
    """The journal in numbers, and for each cursor how old the oldest telegram is that it has not passed.

    A *live* cursor is asked itself: its last acknowledgement may not be written yet.
    """
    status, held = journal.status(), {cursor.name: cursor for cursor in live}
    cursors = []
    for cursor in status.cursors:
        if now := held.get(cursor.name):
            cursor = replace(cursor, seq=now.seq, lag=now.lag, lanes=now.lanes)
        waits = min([cursor.seq, *(parked.seq - 1 for parked in cursor.lanes.values())])
        ahead = journal.read(waits, 1) if cursor.lag else []
        telegram = ahead[0].telegram if ahead else None
        oldest = getattr(telegram, "time", None) or (telegram and ident_of(telegram).since)
        lanes = {name: {**asdict(p), "nodes": sorted(p.nodes)} for name, p in cursor.lanes.items()}
        cursors.append({**asdict(cursor), "lanes": lanes, "oldest": oldest})
    return {**asdict(status), "cursors": cursors}
