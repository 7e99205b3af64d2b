"""What the journal may drop: by age and size, the passed before the unsent, in short steps."""

import sqlite3
from dataclasses import dataclass

from mysense.clock import Clock
from mysense.journal.appender import Appender
from mysense.journal.locks import Locks
from mysense.journal.reader import Reader
from mysense.telegram import SECOND

STEP = 5000
"""Entries dropped in one transaction: an append must not have to wait long."""


@dataclass
class Retention:
    """How long history is kept: *keep* and *forget* in seconds, *max_size* in bytes."""

    keep: float
    max_size: int
    forget: float
    reader: Reader
    appender: Appender
    locks: Locks
    clock: Clock

    def drop(self, db: sqlite3.Connection, most: int = STEP, force: bool = False) -> int:
        """Drop up to *most* entries, with *force* also what is unsent; how many were dropped."""
        first, last = self.reader.bounds()
        end = min(last - 1 if force else self._end(db, first, last), first + most - 1)
        if end < first:
            return 0
        if end > self.appender.checkpoint:
            self.appender.save(db)
        count = db.execute("DELETE FROM entry WHERE seq <= ?", (end,)).rowcount
        db.execute("DELETE FROM written WHERE seq < (SELECT max(seq) FROM written WHERE seq <= ?)", (end,))
        for name, seq in db.execute("SELECT name, seq FROM cursor WHERE seq < ?", (end,)).fetchall():
            lost = end - max(seq, first - 1)
            db.execute("UPDATE cursor SET seq = ?, lost = lost + ? WHERE name = ?", (end, lost, name))
        db.execute("UPDATE lane SET seq = ? WHERE seq <= ?", (end + 1, end))
        return int(count)

    def _end(self, db: sqlite3.Connection, first: int, last: int) -> int:
        """The number of the last entry that may go."""
        now = self.clock.now()
        unseen = now - int(self.forget * SECOND)
        # Asked through the connection that writes: acknowledgements of this very commit count, and the lanes in them.
        waits = [
            min(seq, parked - 1)
            for name, seq, seen, parked in db.execute(
                "SELECT name, seq, seen, ifnull((SELECT min(lane.seq) FROM lane WHERE lane.cursor = c.name), c.seq + 1)"
                " FROM cursor AS c"
            ).fetchall()
            if seen > unseen or self.locks.held(name)
        ]
        end = min(*waits, last, self._older_than(db, now - int(self.keep * SECOND), last))
        if (over := self.reader.size() - self.max_size) > 0 and last >= first:
            each = max(1, self.reader.size() // (last - first + 1))
            end = max(end, first + over // each)  # first what all have passed; only then what is unsent
        return int(min(end, last))

    def _older_than(self, db: sqlite3.Connection, time: int, last: int) -> int:
        """The number of the last entry that was written before *time*."""
        [after] = db.execute("SELECT min(seq) FROM written WHERE time >= ?", (time,)).fetchone()
        return last if after is None else int(after) - 1
