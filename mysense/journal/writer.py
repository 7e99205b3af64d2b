"""The one thread of a process that writes the journal: what comes together is committed together."""

import errno
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from mysense.errors import UnavailableError

Work = Callable[[sqlite3.Connection], None]

LAZY = 1.0
"""Seconds that work nobody waits for may wait for the next commit to ride along with."""


@dataclass
class _Job:
    work: Work
    patient: bool
    done: threading.Event = field(default_factory=threading.Event)
    error: BaseException | None = None


class Writer:
    """Runs work in transactions; work that is patient waits *interval* seconds for company."""

    def __init__(
        self,
        db: sqlite3.Connection,
        interval: float,
        before: Work,
        lazy: Callable[[], Work | None],
        after: Callable[[sqlite3.Connection, bool], None],
    ) -> None:
        self._db, self._interval = db, interval
        self._before, self._lazy, self._after = before, lazy, after
        self._wake = threading.Condition()
        self._jobs: deque[_Job] = deque()
        self._lazy_due = threading.Event()
        self._closing = False
        self._busy_since: float | None = None
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    def do(self, work: Work, patient: bool = False) -> None:
        """Run *work* in a transaction and return when it is on disk; raises what it raises."""
        job = _Job(work, patient)
        with self._wake:
            if self._closing:
                raise sqlite3.ProgrammingError("the journal is closed")
            self._jobs.append(job)
            self._wake.notify()
        job.done.wait()
        if isinstance(job.error, sqlite3.Error):
            raise _told(job.error) from job.error
        if job.error:
            raise job.error

    def soon(self) -> None:
        """There is lazy work: commit it within a second."""
        if not self._lazy_due.is_set():
            with self._wake:
                self._lazy_due.set()
                self._wake.notify()

    def stalled(self) -> float:
        """For how many seconds the commit that is under way has not come to an end."""
        since = self._busy_since
        return 0.0 if since is None else time.monotonic() - since

    def close(self) -> None:
        """Write what waits and end."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._jobs or self._closing or self._lazy_due.is_set())
                if not self._closing:
                    if not self._jobs:
                        self._wake.wait_for(lambda: self._jobs or self._closing, LAZY)
                    elif self._interval:
                        self._wake.wait_for(self._hurried, self._interval)
                jobs, self._jobs = list(self._jobs), deque()
                closing = self._closing
                self._lazy_due.clear()
            self._busy_since = time.monotonic()
            self._commit(jobs)
            self._busy_since = None
            if closing and not self._jobs:
                return

    def _hurried(self) -> bool:
        """Whether the next commit must not wait for company any more."""
        return self._closing or not all(job.patient for job in self._jobs)

    def _commit(self, jobs: list[_Job]) -> None:
        lazy = self._lazy()
        if not jobs and not lazy:
            return
        db, done = self._db, False
        try:
            db.execute("BEGIN IMMEDIATE")
            self._before(db)
            if lazy:  # it is older than any job: a rewind comes after what was acknowledged before it
                lazy(db)
            for job in jobs:
                if len(jobs) == 1 and not lazy:
                    job.work(db)
                else:
                    self._apart(job)
            db.execute("COMMIT")
            done = True
        except BaseException as error:
            if db.in_transaction:
                db.execute("ROLLBACK")
            for job in jobs:
                job.error = job.error or error
        finally:
            try:
                self._after(db, done)
                if done and any(job.error for job in jobs):
                    self._after(db, False)  # what the failed ones had made it remember is not there
            except Exception as error:  # whoever waits must hear of it, and the next commit begins anew
                for job in jobs:
                    job.error = job.error or error
            for job in jobs:
                job.done.set()

    def _apart(self, job: _Job) -> None:
        """One job must not spoil the others that are committed with it."""
        self._db.execute("SAVEPOINT job")
        try:
            job.work(self._db)
        except sqlite3.OperationalError:
            raise
        except BaseException as error:
            self._db.execute("ROLLBACK TO job")
            job.error = error
        self._db.execute("RELEASE job")


def _told(error: sqlite3.Error) -> OSError:
    """A failure of SQLite as the rest of mysense understands it: later it may work."""
    if "full" in str(error):
        return OSError(errno.ENOSPC, "the disk is full; the journal cannot be written")
    return UnavailableError(f"the journal cannot be written: {error}")
