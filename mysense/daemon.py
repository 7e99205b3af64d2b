"""Put the plugins of one MySense.conf to work until told to stop."""

import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, replace
from typing import Any

from mysense import __version__, logs, reloading
from mysense.clock import Clock
from mysense.control import Listener, socket_path
from mysense.errors import ConfigError
from mysense.journal import Cursor, Journal
from mysense.journal.sqlite import SqliteJournal
from mysense.node import Node
from mysense.publishing import PublishWorker
from mysense.sensing import SensorWorker
from mysense.settings import Settings
from mysense.systemd.notify import Service
from mysense.telegram import SECOND, ident_of
from mysense.worker import Worker, log, reason
from mysense.workers import Workers

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
STALLED = 30.0
"""Seconds after which a write of the journal is no slow card any more: systemd's watchdog may bite."""


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
    """Workers, the journal between them, and somebody who looks after both.

    *only* is ``subscribers`` (everything that brings telegrams in) or ``publishers``; two
    processes may so share one journal. With *once* it stops after the first data telegram.
    *read* gives the settings as the file has them now, for ``reload``.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock | None = None,
        only: str = "",
        once: bool = False,
        read: Callable[[], Settings] | None = None,
    ) -> None:
        self.settings, self.clock, self.only, self.once = settings, clock or Clock(), only, once
        self.stop = threading.Event()
        self._read = read
        self._service = Service(self.clock)
        self._over = False
        self._turn = threading.Lock()  # one looks after the workers at a time
        self.again = False
        """Whether it stopped so that another one opens the journal, which is damaged, anew."""
        self._begun = self.clock.now()
        self._trimmed = self.clock.monotonic()
        self._ahead = self._begun - int(self._trimmed * SECOND)
        self._lost: dict[str, int] = {}
        self._listener: Listener | None = None
        self.journal: Journal = open_journal(settings, self.clock)
        try:
            self.workers = Workers(settings, self.journal, self.clock, only)
        except BaseException:
            self.journal.close()
            raise

    @property
    def node(self) -> Node | None:
        """This kit itself, where it measures."""
        return self.workers.node

    @property
    def sources(self) -> list[Worker]:
        """The workers that bring telegrams in."""
        return self.workers.sources

    @property
    def publishers(self) -> list[PublishWorker]:
        """Those that send them on."""
        return self.workers.publishers

    def start(self) -> None:
        """Start every worker, and answer questions."""
        self._listener = Listener(socket_path(self.settings.journal.file(), self.only), self.answer)
        self.workers.start()
        self._service.ready(self.workers.summary())

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
        return int(self.workers.all_failed() or (self.once and bool(lag or failed)))

    def _finished(self) -> bool:
        return (self.once and (self.node is None or self.node.reported.is_set())) or self.workers.all_failed()

    def supervise(self) -> None:
        """Look after workers and journal; systemd hears that all is well only when we come to the end of it."""
        with self._turn:
            self._follow_clock()
            self._look_for_stuck()
            self.workers.fill()
            self._look_for_damage()
            if self.clock.monotonic() - self._trimmed >= TRIM:
                self._trim()
            if self.journal.stalled() < STALLED:
                self._service.alive(self.workers.summary())

    def _look_for_stuck(self) -> None:
        now = self.clock.monotonic()
        for worker in self.sources:
            if isinstance(worker, SensorWorker) and (since := worker.busy_since) is not None:
                deadline = worker.plugin.deadline
                if now - since > deadline and worker.status.state != "stuck":
                    worker.hangs(deadline)

    def _look_for_damage(self) -> None:
        if self.journal.damaged and not self.again:
            log.error("journal: it is damaged; mysense begins anew with what can be read of it")
            self.again = True
            self.stop.set()

    def _trim(self) -> None:
        """Let the journal drop what it need not keep, have it checked now and then, and tell what was lost."""
        self._trimmed = self.clock.monotonic()
        try:
            self.journal.trim()
            self._check_daily()
            self._tell_lost()
        except OSError as error:
            log.error("journal: %s", reason(error))

    def _follow_clock(self) -> None:
        """Where the clock was set, "since" and "last" in the status go with it."""
        ahead = self.clock.now() - int(self.clock.monotonic() * SECOND)
        if abs(by := ahead - self._ahead) > SECOND:
            self._begun += by
            for worker in (*self.sources, *self.publishers):
                worker.status.since += by
                worker.status.last = worker.status.last and worker.status.last + by
        self._ahead = ahead

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
        with self._turn:
            self._over = True
        if not self.again:  # else systemd would stop what goes on in a moment
            self._service.stopping()
        self.workers.stop_sources(1.5)
        if not self.once:
            self._note("down", "mysense stopped")
        lag = self.workers.stop_publishers(ONCE if self.once else FLUSH, patient=self.once)
        if self._listener:
            self._listener.close()
        try:
            self.journal.close()
        except OSError as error:  # what was not written comes again
            log.error("journal: %s", reason(error))
        return lag

    def reload(self) -> dict[str, Any]:
        """Read MySense.conf again, and exchange the workers of the sections that changed.

        With a mistake in it nothing changes. What was done, or the ``problems``.
        """
        with self._turn:
            if self._over or self._read is None:
                return {"problems": ["the daemon is about to stop" if self._over else "there is no file to read again"]}
            self._service.reloading()
            try:
                answer = self._take_over(self._read())
            except ConfigError as error:
                for problem in error.problems:
                    log.error("%s", problem)
                log.error("MySense.conf was read again; it has mistakes, so nothing was changed")
                answer = {"problems": list(error.problems)}
            self._service.ready(self.workers.summary())
            return answer

    def _take_over(self, new: Settings) -> dict[str, Any]:
        notices = [*new.notices, *reloading.later(self.settings, new)]
        self.settings = reloading.now(self.settings, new)
        logs.set_level(self.settings.logging)
        done = self.workers.exchange(self.settings)
        for notice in notices:
            log.warning("%s", notice)
        log.info("MySense.conf was read again: %s", done.summary())
        return {**done._asdict(), "notices": notices}

    def answer(self, question: Mapping[str, Any]) -> Mapping[str, Any]:
        """What the daemon says of itself (``status``), and what it can be told (``retry``, ``reload``)."""
        match question:
            case {"do": "status"}:
                return self.status()
            case {"do": "retry", "section": str(section)}:
                chosen = [w for w in self.publishers if section in ("", w.section)]
                for worker in chosen:
                    worker.retry.set()
                return {"sections": [w.section for w in chosen]}
            case {"do": "reload"}:
                return self.reload()
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
            "systemd": self._service.watched,
            "node": self.node.ident().node if self.node else None,
            "clock": self.node and self.node.clock.trouble(),
            "journal": status_of(self.journal, [worker.cursor for worker in self.publishers]),
            "workers": [asdict(w.status) | self._doubts(w.section) for w in self.sources]
            + [asdict(w.status) | {"skipped": w.skipped} for w in self.publishers],
        } | ({"error": "; ".join(journal.notes)} if journal.notes else {})

    def _doubts(self, section: str) -> dict[str, Any]:
        """What is wrong with a sensor, and how many of its values did not count."""
        if self.node is None or not section.startswith("sensor:"):
            return {}
        doubted, outliers = self.node.doubted(section)
        return {"trouble": self.node.troubles.of(section), "doubted": doubted, "outliers": outliers}


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
