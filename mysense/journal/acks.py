"""Acknowledgements that wait to be written: many of one cursor become one."""

import sqlite3
import threading

from mysense.clock import Clock
from mysense.journal import Changes, Parked
from mysense.journal.cursor import lane_row
from mysense.journal.files import change
from mysense.journal.writer import Work

_Ack = tuple[int, dict[str, Parked] | None, dict[str, str | None]]


class Acknowledgements:
    """What the cursors of this process have acknowledged since the last commit."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._waiting: dict[str, _Ack] = {}
        self._taken: dict[str, _Ack] = {}

    def add(self, name: str, seq: int, lanes: dict[str, Parked] | None, state: Changes | None) -> None:
        """A cursor has passed *seq*; *lanes* (None: as they were) and changes of its *state* go with it."""
        with self._lock:
            _, known, changes = self._waiting.get(name, (0, None, {}))
            self._waiting[name] = seq, known if lanes is None else dict(lanes), changes | dict(state or {})

    def take(self) -> Work | None:
        """What writes all that waits, None if nothing does."""
        with self._lock:
            waiting, self._waiting = self._waiting, {}
            self._taken = waiting
        if not waiting:
            return None

        def write(db: sqlite3.Connection) -> None:
            now = self._clock.now()
            for name, (seq, lanes, changes) in waiting.items():
                db.execute("UPDATE cursor SET seq = max(seq, ?), seen = ? WHERE name = ?", (seq, now, name))
                if lanes is not None:
                    db.execute("DELETE FROM lane WHERE cursor = ?", (name,))
                    rows = [lane_row(name, lane, parked) for lane, parked in lanes.items()]
                    db.executemany("INSERT INTO lane VALUES (?, ?, ?, ?, ?, ?)", rows)
                change(db, f"cursor/{name}", changes)

        return write

    def settle(self, done: bool) -> None:
        """What was taken is written, or has to wait for another try."""
        with self._lock:
            taken, self._taken = self._taken, {}
            for name, (seq, lanes, changes) in taken.items() if not done else ():
                newer, newer_lanes, newer_changes = self._waiting.get(name, (seq, None, {}))
                kept = lanes if newer_lanes is None else newer_lanes
                self._waiting[name] = max(seq, newer), kept, changes | newer_changes
