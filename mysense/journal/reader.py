"""Reading the journal: short queries over one connection, beside whoever writes."""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from mysense.errors import UnavailableError
from mysense.journal import Boot, Dating, Entry, Parked, codec, entry_of, schema
from mysense.journal.cursor import lane_of
from mysense.journal.damaged import is_damage, is_text, is_trouble, readable
from mysense.journal.files import connect, connect_to_look
from mysense.telegram import Ident

POLL = 0.25
"""Seconds between two looks for what other processes have appended, while one does."""
QUIET = 1.0
"""The same while none does: a kit that only one process works for need not wake up so often."""
LATELY = 60.0
"""Seconds for which it counts that another process has appended something."""
SCAN = 20_000
"""Entries that one query may look through: nobody waits longer than for these."""


class Reader:
    """What there is in the journal. Safe to use from several threads."""

    def __init__(self, path: Path, reading: bool, damage: Callable[[], None] = lambda: None) -> None:
        self._damage = damage
        self._db = connect_to_look(path) if reading else connect(path)
        if reading and self._db.execute("PRAGMA user_version").fetchone() == (1,):
            schema.run(self._db, schema.VERSION_1)
        self._lock = threading.Lock()
        self._grown = threading.Condition()
        self.idents: dict[int, Ident] = {}
        self.last = 0
        self._others = time.monotonic()
        try:
            self.last = self.bounds()[1]
        except BaseException:
            self._db.close()
            raise

    def query(self, sql: str, *args: object) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        with self._lock:
            try:
                return self._rows(sql, args)
            except sqlite3.DatabaseError as error:
                if is_trouble(error):
                    raise UnavailableError(f"the journal cannot be read: {error}") from error
                if not is_damage(error):
                    raise
                self._damage()
                raise UnavailableError(f"the journal is damaged: {error}") from error

    def _rows(self, sql: str, args: tuple[object, ...]) -> list[tuple[Any, ...]]:
        try:
            return self._db.execute(sql, args).fetchall()
        except sqlite3.OperationalError as error:
            if not is_text(error):
                raise
        self._db.text_factory = readable
        try:
            return self._db.execute(sql, args).fetchall()
        finally:
            self._db.text_factory = str

    def number_to_ident(self, number: int) -> Ident:
        """An ident by its number: always the same object."""
        ident = self.idents.get(number)
        if ident is None:
            rows = self.query("SELECT node, body FROM ident WHERE id = ?", number)
            ident = self.idents.setdefault(number, codec.ident(*rows[0] if rows else ("unknown_unknown", "")))
        return ident

    def forget_idents(self) -> None:
        """Forget idents whose rows were rolled back."""
        [(top,)] = self.query("SELECT coalesce(max(id), 0) FROM ident")
        for number in [number for number in self.idents if number > top]:
            del self.idents[number]

    def _entries(self, rows: Sequence[tuple[Any, ...]]) -> list[Entry]:
        known, build = self.idents, codec.telegram
        for number in {row[2] for row in rows}.difference(known):
            self.number_to_ident(number)
        return [
            Entry(seq, build(kind, known[ident], time, body))
            if dating is None
            else entry_of(seq, build(kind, known[ident], time, body), dating)
            for seq, kind, ident, time, body, dating in rows
        ]

    def read(self, after: int, limit: int) -> list[Entry]:
        """Entries numbered above *after*."""
        sql = "SELECT seq, kind, ident, time, body, dating FROM dated WHERE seq > ? ORDER BY seq LIMIT ?"
        return self._entries(self.query(sql, after, limit))

    def read_nodes(self, after: int, upto: int, nodes: Iterable[str], limit: int) -> list[Entry]:
        """Entries of some nodes, numbered above *after* up to *upto*; others may read in between."""
        after, rows = max(after, self.bounds()[0] - 1), list[tuple[Any, ...]]()
        wanted = ",".join("?" * len(names := list(nodes)))
        sql = (
            "SELECT seq, kind, ident, time, body, dating FROM dated WHERE seq > ? AND seq <= ? AND ident IN"
            f" (SELECT id FROM ident WHERE node IN ({wanted})) ORDER BY seq LIMIT ?"
        )
        while after < upto and len(rows) < limit:
            rows += self.query(sql, after, min(upto, after + SCAN), *names, limit - len(rows))
            after += SCAN
        return self._entries(rows)

    def bounds(self) -> tuple[int, int]:
        """The numbers of the oldest and of the newest entry."""
        [(last,)] = self.query("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'entry'")
        [(first,)] = self.query("SELECT coalesce(min(seq), ?) FROM entry", last + 1)
        return first, last

    def boots(self) -> list[Boot]:
        """The starts of this machine at which the clock was not set."""
        rows = self.query("SELECT id, start, dating FROM boot ORDER BY number")
        return [Boot(name, start, Dating(dating)) for name, start, dating in rows]

    def lanes(self, cursor: str) -> dict[str, Parked]:
        """The parked lanes of a cursor, as they are written."""
        rows = self.query("SELECT name, seq, nodes, reason, blocked FROM lane WHERE cursor = ?", cursor)
        return {name: lane_of(*rest) for name, *rest in rows}

    def size(self) -> int:
        """Bytes that the journal takes in its file, without what is free in it."""
        names = ("page_count", "freelist_count", "page_size")
        [(pages,)], [(free,)], [(each,)] = (self.query(f"PRAGMA {name}") for name in names)
        return int((pages - free) * each)

    def free(self) -> int:
        """Bytes that are free in the file."""
        [(free,)], [(each,)] = self.query("PRAGMA freelist_count"), self.query("PRAGMA page_size")
        return int(free * each)

    def grown(self, last: int) -> None:
        """There are entries up to *last* now: wake whoever waits."""
        with self._grown:
            self.last = last
            self._grown.notify_all()

    def wait(self, after: int, timeout: float) -> bool:
        """Wait until there is an entry above *after*; also of another process, which nothing tells us."""
        until = time.monotonic() + timeout
        while self.last <= after:
            found = self.bounds()[1]
            if found > self.last:
                self.last, self._others = found, time.monotonic()
            if self.last > after:
                break
            if (left := until - time.monotonic()) <= 0:
                return False
            with self._grown:
                if self.last <= after:
                    lately = time.monotonic() - self._others < LATELY
                    self._grown.wait(min(POLL if lately else QUIET, left))
        return True

    def write_wal_back(self) -> None:
        """Bring the write-ahead log into the file, and cut it off."""
        with self._lock, suppress(sqlite3.OperationalError):  # the file itself may need room
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        """Let go."""
        self._db.close()
