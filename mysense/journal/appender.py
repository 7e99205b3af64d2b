"""Appending: idents are stored once, repeats are recognised, everything else becomes an entry.

All methods run in the writer's thread, inside its transaction.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import replace

from mysense import wire
from mysense.clock import Clock
from mysense.journal import REPEATS, Boot, Changes, Dating, codec
from mysense.journal.files import change, meta, set_meta
from mysense.journal.reader import Reader
from mysense.journal.repeats import Ring, mark
from mysense.telegram import SECOND, Ident, Telegram, ident_of

STAMP = 60 * SECOND
"""Nanoseconds between two notes of when entries were written: history is kept by that."""
CHECKPOINT = 10_000
"""Entries after which the rings of repeats are written, or 100 for each node if that is more."""

Row = tuple[int, int, int, str]
"""Kind, number of the ident, time of day and body of an entry."""


class Appender:
    """What must be known to append: the newest ident of each node, and what it sent last."""

    def __init__(self, reader: Reader, clock: Clock) -> None:
        self._reader, self._clock = reader, clock
        self._numbers: dict[tuple[str, int | None], int] = {}
        self._nodes: dict[str, tuple[int, Ident]] = {}
        self._rings: dict[str, Ring] = {}
        self._boots: dict[str, tuple[int, Boot]] = {}
        self._estimated = False
        self._known = self._stamped = 0
        self.checkpoint = 0
        self.repeated = 0

    def append(
        self,
        db: sqlite3.Connection,
        batch: Sequence[Telegram],
        source: str,
        position: str | None,
        state: Changes | None,
        boot: Boot | None = None,
    ) -> None:
        """Store telegrams, and the position and state of their source with them."""
        number = self._number_of_boot(db, boot) if boot else 0
        self._estimated = bool(boot and boot.dating == Dating.OPEN)
        rows = [row for telegram in batch for row in self._rows(db, telegram)]
        if rows:
            self._stamp(db)
            if boot and self._estimated:
                sql = "INSERT INTO entry (kind, ident, time, body, boot) VALUES (?, ?, ?, ?, ?)"
                db.executemany(sql, [_since(boot.start, number, row) for row in rows])
            else:
                db.executemany("INSERT INTO entry (kind, ident, time, body) VALUES (?, ?, ?, ?)", rows)
            for node in {self._reader.idents[row[1]].node for row in rows if row[0] == codec.DATA}:
                db.execute("UPDATE node SET newest = ? WHERE name = ?", (self._rings[node].newest, node))
            if self._known - self.checkpoint > max(CHECKPOINT, 100 * len(self._rings)):
                self.save(db)
        if position is not None:
            db.execute("INSERT OR REPLACE INTO source VALUES (?, ?)", (source, position))
        change(db, source, state)

    def _rows(self, db: sqlite3.Connection, telegram: Telegram) -> Sequence[Row]:
        kind, time, body = codec.body(telegram)
        if body is None:
            return ()
        ident = ident_of(telegram)
        if kind == codec.DATA and self._is_repeat(ident.node, time, body):
            self.repeated += 1
            return ()
        last = self._nodes.get(ident.node)
        if last and (last[1] is ident or last[1].digest == ident.digest or ident.bare):
            if kind == codec.DATA and last[1].since is None and not self._estimated:
                last = self._make_last(db, replace(last[1], since=time))
            return () if kind == codec.IDENT else ((kind, last[0], time, body),)
        return self._with_ident(db, last, ident, kind, time, body)

    def _is_repeat(self, node: str, time: int, body: str) -> bool:
        ring = self._rings.get(node) or self._rings.setdefault(node, Ring())
        number = mark(time, body)
        if ring.knows(time, number):
            return True
        ring.add(time, number)
        return False

    def _with_ident(
        self, db: sqlite3.Connection, last: tuple[int, Ident] | None, ident: Ident, kind: int, time: int, body: str
    ) -> Sequence[Row]:
        """Rows of a telegram that brings another ident than the last of its node."""
        late = last and kind != codec.IDENT and last[1].since is not None and time < last[1].since
        if late and not self._estimated:
            return ((kind, self._number(db, ident), time, body),)  # it keeps what it came with
        if ident.since is None and kind == codec.DATA and not self._estimated:
            ident = replace(ident, since=time)
        number, _ = self._make_last(db, ident)
        news = codec.IDENT, number, ident.since or time, ""
        return (news,) if kind == codec.IDENT else (news, (kind, number, time, body))

    def _make_last(self, db: sqlite3.Connection, ident: Ident) -> tuple[int, Ident]:
        number = self._number(db, ident)
        self._nodes[ident.node] = number, self._reader.idents[number]
        db.execute(
            "INSERT INTO node VALUES (?, ?, NULL) ON CONFLICT (name) DO UPDATE SET ident = excluded.ident",
            (ident.node, number),
        )
        return self._nodes[ident.node]

    def _number(self, db: sqlite3.Connection, ident: Ident) -> int:
        key = ident.digest, ident.since
        number = self._numbers.get(key)
        if number is None:
            found = db.execute("SELECT id FROM ident WHERE digest = ? AND since IS ?", key).fetchone()
            if found is None:
                row = ident.node, *key, wire.encode_ident(ident)
                added = db.execute("INSERT INTO ident (node, digest, since, body) VALUES (?, ?, ?, ?)", row)
                found = (added.lastrowid,)
            number = self._numbers[key] = int(found[0])
            self._reader.idents.setdefault(number, ident)
        return number

    def _number_of_boot(self, db: sqlite3.Connection, boot: Boot) -> int:
        """The number of a start of this machine, which is stored as it is now."""
        number, known = self._boots.get(boot.id, (0, None))
        if known == boot:
            return number
        sql = (
            "INSERT INTO boot (id, start, dating) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
            " start = excluded.start, dating = excluded.dating RETURNING number"
        )
        number = int(db.execute(sql, boot).fetchall()[0][0])
        self._boots[boot.id] = number, boot
        if boot.dating == Dating.SET:
            self._follow(db, number)
        return number

    def _follow(self, db: sqlite3.Connection, boot: int) -> None:
        """The clock was set: what is remembered of times of this start follows."""
        sql = "SELECT DISTINCT i.node FROM entry e JOIN ident i ON i.id = e.ident WHERE e.boot = ?"
        for (node,) in db.execute(sql, (boot,)).fetchall():
            ring = self._rings[node] = Ring()
            for time, body in _last_of(db, node):
                ring.add(time, mark(time, body))
            db.execute("UPDATE node SET newest = ? WHERE name = ?", (ring.newest, node))
        self.save(db)
        db.execute(
            "UPDATE written SET time = max(time, (SELECT start FROM boot WHERE number = :boot))"
            " WHERE seq >= (SELECT min(seq) FROM entry WHERE boot = :boot)",
            {"boot": boot},
        )

    def _stamp(self, db: sqlite3.Connection) -> None:
        now = self._clock.now()
        if not 0 <= now - self._stamped <= STAMP:
            self._stamped = now
            db.execute("UPDATE written SET time = ? WHERE time > ?", (now, now))  # the clock was ahead then
            db.execute("INSERT OR REPLACE INTO written VALUES (?, ?)", (newest(db) + 1, now))

    def load(self, db: sqlite3.Connection) -> None:
        """Begin, or begin anew after something was rolled back."""
        for remembered in (self._rings, self._nodes, self._numbers, self._boots):
            remembered.clear()
        self._reader.forget_idents()
        self._stamped = 0
        self.repeated = int(meta(db, "repeated", "0"))
        # A node may have neither a ring nor entries that tell its newest: when it was carried over from a damaged file.
        for node, top, marks in db.execute("SELECT name, newest, hashes FROM node LEFT JOIN ring ON node = name"):
            self._rings[node] = Ring(-(2**63) if top is None else top, marks or b"")
        self._known = self.checkpoint = int(meta(db, "checkpoint", "0"))
        self._load_nodes(db)
        self.catch_up(db)

    def catch_up(self, db: sqlite3.Connection) -> None:
        """Take in what was appended since we looked last: by other processes, or before we began."""
        last = newest(db)
        if last <= self._known:
            return
        sql = (
            "SELECT i.node, e.time, e.body FROM dated e JOIN ident i ON i.id = e.ident"
            " WHERE e.seq > ? AND e.kind = ? ORDER BY e.seq"
        )
        for node, time, body in db.execute(sql, (self._known, codec.DATA)):
            ring = self._rings.get(node) or self._rings.setdefault(node, Ring())
            ring.add(time, mark(time, body))
        self._load_nodes(db)
        self._known = last

    def _load_nodes(self, db: sqlite3.Connection) -> None:
        for node, number in db.execute("SELECT name, ident FROM node").fetchall():
            if node not in self._nodes or self._nodes[node][0] != number:
                self._nodes[node] = number, self._reader.number_to_ident(number)

    def committed(self, db: sqlite3.Connection) -> int:
        """What was appended is on disk; the number of the last entry."""
        self._known = newest(db)
        return self._known

    def save(self, db: sqlite3.Connection) -> None:
        """Write the rings: a checkpoint behind which nothing has to be read again."""
        rows = [(node, ring.saved()) for node, ring in self._rings.items()]
        db.executemany("INSERT OR REPLACE INTO ring VALUES (?, ?)", rows)
        self.checkpoint = newest(db)
        set_meta(db, "checkpoint", str(self.checkpoint))
        set_meta(db, "repeated", str(self.repeated))


def _since(start: int, boot: int, row: Row) -> tuple[object, ...]:
    """A row with the time since a start of this machine; what comes from before that keeps its time."""
    kind, ident, time, body = row
    return (kind, ident, time - start, body, boot) if time >= start else (*row, None)


def _last_of(db: sqlite3.Connection, node: str) -> Sequence[tuple[int, str]]:
    """Times and bodies of the newest data of a node, oldest first."""
    sql = (
        "SELECT time, body FROM dated WHERE kind = ? AND ident IN (SELECT id FROM ident WHERE node = ?)"
        " ORDER BY seq DESC LIMIT ?"
    )
    return db.execute(sql, (codec.DATA, node, REPEATS)).fetchall()[::-1]


def newest(db: sqlite3.Connection) -> int:
    """The highest number that was ever given to an entry."""
    [last] = db.execute("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'entry'").fetchone()
    return int(last)
