"""The journal in one SQLite file; the tables are in ``schema``, the reasons in docs/journal.md."""

import errno
import logging
import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from mysense import wire
from mysense.clock import Clock
from mysense.errors import JournalError, UnavailableError
from mysense.journal import Changes, CursorStatus, Entry, JournalStatus, Parked, Rejected, codec, schema
from mysense.journal.cursor import SqliteCursor, lane_of, lane_row
from mysense.journal.damaged import carry_over, looks_sound, set_aside
from mysense.journal.locks import Locks
from mysense.journal.repeats import Ring, mark
from mysense.journal.reserve import Reserve
from mysense.journal.writer import Work, Writer
from mysense.telegram import SECOND, Ident, Telegram, ident_of

log = logging.getLogger("mysense")

STAMP = 60 * SECOND
"""Nanoseconds between two notes of when entries were written: history is kept by that."""
POLL = 0.25
"""Seconds between two looks for what other processes have appended."""
CHECKPOINT = 10_000
"""Entries after which the rings of repeats are written, or 100 for each node if that is more."""
REJECTED = 10_000
"""Telegrams set aside that are kept for each cursor."""


class SqliteJournal:
    """One file, one writer thread for each process, readers that never hold it for long."""

    def __init__(
        self,
        path: Path | str,
        *,
        durability: str = "full",
        commit_interval: float = 0.0,
        keep: float = 30 * 86400.0,
        max_size: int = 1_000_000_000,
        forget: float = 30 * 86400.0,
        clock: Clock | None = None,
    ) -> None:
        self.path, self.clock = Path(path), clock or Clock()
        self._keep, self._max_size, self._forget = keep, max_size, forget
        self._opened = self.clock.now()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.touch()
        except OSError as error:
            raise OSError(error.errno, f"the journal cannot be written: {error.strerror}", str(self.path)) from None
        self._notes: list[str] = []
        self.locks = Locks(self.path)
        self.locks.enter()
        self._reserve = Reserve(self.path, max_size)
        self._write = self._sound(durability)
        self._begin(reading=False)
        self._writer = Writer(self._write, commit_interval, self._catch_up, self._lazy, self._after)

    @classmethod
    def open_existing(cls, path: Path | str) -> "SqliteJournal":
        """A journal only to look into; creates and locks nothing."""
        self = cls.__new__(cls)
        self.path, self.clock = Path(path), Clock()
        self._keep = self._max_size = self._forget = 0
        self._opened = self.clock.now()
        self._notes = []
        self.locks = Locks(self.path)
        self._begin(reading=True)
        return self

    def _sound(self, durability: str) -> sqlite3.Connection:
        """A connection to write with; a damaged file is replaced, when nobody else has it open."""
        try:
            db = connect(self.path)
            prepare(db, self.path)
            sound = looks_sound(db)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise UnavailableError(f"the journal {self.path}: {error}") from error
            sound = False
        if not sound:
            db.close()
            if not self.locks.alone():
                raise JournalError(f"the journal {self.path} is damaged; stop the other processes that use it")
            db = self._replace()
        db.execute(f"PRAGMA synchronous = {'FULL' if durability == 'full' else 'NORMAL'}")
        return db

    def _replace(self) -> sqlite3.Connection:
        aside = set_aside(self.path, str(self.clock.now() // SECOND))
        db = connect(self.path)
        prepare(db, self.path)
        self._notes.append(f"the journal was damaged and is set aside as {aside}: {carry_over(aside, db)}")
        log.error(self._notes[-1])
        return db

    def _begin(self, reading: bool) -> None:
        self._written = written()
        self._read_lock = threading.Lock()
        self._grown = threading.Condition()
        self._db = connect(self.path, reading=reading)
        self._idents: dict[int, Ident] = {}
        self._numbers: dict[tuple[str, int | None], int] = {}
        self._nodes: dict[str, tuple[int, Ident]] = {}
        self._rings: dict[str, Ring] = {}
        self._known = self._checkpoint = self._stamped = 0
        self._repeated = 0
        self._acks: dict[str, tuple[int, dict[str, Parked] | None, dict[str, str | None]]] = {}
        self._acks_lock = threading.Lock()
        [(self._last,)] = self._query("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'entry'")
        [(self._first,)] = self._query("SELECT coalesce(min(seq), ?) FROM entry", self._last + 1)
        if not reading:
            self._load()

    # Reading

    def _query(self, sql: str, *args: object) -> list[tuple[Any, ...]]:
        with self._read_lock:
            return self._db.execute(sql, args).fetchall()

    def _ident(self, number: int) -> Ident:
        ident = self._idents.get(number)
        if ident is None:
            [(body,)] = self._query("SELECT body FROM ident WHERE id = ?", number)
            ident = self._idents[number] = wire.decode_ident(body)
        return ident

    def _entries(self, rows: Sequence[tuple[Any, ...]]) -> list[Entry]:
        known, build = self._idents, codec.telegram
        for number in {row[2] for row in rows}.difference(known):
            self._ident(number)
        return [Entry(seq, build(kind, known[ident], time, body)) for seq, kind, ident, time, body in rows]

    def read(self, after: int, limit: int) -> list[Entry]:
        return self._entries(
            self._query("SELECT seq, kind, ident, time, body FROM entry WHERE seq > ? LIMIT ?", after, limit)
        )

    def read_nodes(self, after: int, upto: int, nodes: Iterable[str], limit: int) -> list[Entry]:
        """Entries of some nodes, numbered above *after* up to *upto*."""
        wanted = ",".join("?" * len(names := list(nodes)))
        sql = (
            "SELECT seq, kind, ident, time, body FROM entry WHERE seq > ? AND seq <= ? AND ident IN"
            f" (SELECT id FROM ident WHERE node IN ({wanted})) ORDER BY seq LIMIT ?"
        )
        return self._entries(self._query(sql, after, upto, *names, limit))

    def bounds(self) -> tuple[int, int]:
        """The numbers of the oldest and of the newest entry."""
        [(last,)] = self._query("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'entry'")
        [(first,)] = self._query("SELECT coalesce(min(seq), ?) FROM entry", last + 1)
        return first, last

    def wait(self, after: int, timeout: float) -> bool:
        until = None
        while True:
            with self._grown:
                if self._last > after:
                    return True
            self._last = max(self._last, self.bounds()[1])
            if self._last > after:
                return True
            now = self.clock_monotonic()
            until = until or now + timeout
            if now >= until:
                return False
            with self._grown:
                if self._last <= after:
                    self._grown.wait(min(POLL, until - now))

    @staticmethod
    def clock_monotonic() -> float:
        """Real time: a wait in here is for other threads and processes, not for the time of day."""
        import time

        return time.monotonic()

    def position(self, source: str) -> str:
        rows = self._query("SELECT position FROM source WHERE name = ?", source)
        return str(rows[0][0]) if rows else ""

    def state(self, source: str) -> dict[str, str]:
        return dict(self._query("SELECT key, value FROM state WHERE owner = ?", source))

    def ident(self, node: str) -> Ident | None:
        rows = self._query("SELECT ident FROM node WHERE name = ?", node)
        return self._ident(rows[0][0]) if rows else None

    def newest(self, node: str) -> int | None:
        rows = self._query("SELECT newest FROM node WHERE name = ?", node)
        return rows[0][0] if rows else None

    # Appending

    def append(
        self,
        telegrams: Iterable[Telegram],
        source: str = "",
        position: str | None = None,
        state: Changes | None = None,
    ) -> int:
        batch = list(telegrams)
        self._do(lambda db: self._append(db, batch, source, position, state))
        return int(self._last)

    def _do(self, work: Work) -> None:
        """Have something written; when the disk is full, make room and try once more."""
        try:
            self._writer.do(work)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            self._make_room()
            try:
                self._writer.do(work)
            finally:
                self._reserve.take()

    def _make_room(self) -> None:
        """On a full disk: what all have passed goes, and if that is nothing, the oldest that is unsent."""
        log.warning("journal: the disk is full; the oldest entries go")
        self._reserve.give()  # to delete needs room, too
        self._write_wal_back()
        self._writer.do(lambda db: None)  # acknowledgements that wait
        force = not self._trim_some(500)
        for _ in range(10):  # in small steps: each is written before it makes room
            self._trim_some(500, force)
            self._write_wal_back()

    def _write_wal_back(self) -> None:
        with self._read_lock, suppress(sqlite3.OperationalError):  # the file itself may need room
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def _append(
        self, db: sqlite3.Connection, batch: list[Telegram], source: str, position: str | None, state: Changes | None
    ) -> None:
        rows: list[tuple[int, int, int, str]] = []
        for telegram in batch:
            kind, time, body = codec.body(telegram)
            if body is None:
                continue
            ident = ident_of(telegram)
            node = ident.node
            if kind == codec.DATA:
                ring = self._rings.get(node) or self._rings.setdefault(node, Ring())
                number = mark(time, body)
                if ring.knows(time, number):
                    self._repeated += 1
                    continue
                ring.add(time, number)
            last = self._nodes.get(node)
            if last and (last[1] is ident or last[1].digest == ident.digest):
                if kind != codec.IDENT:
                    rows.append((kind, last[0], time, body))
                continue
            rows += self._other_ident(db, last, ident, kind, time, body)
        if rows:
            if (now := self.clock.now()) - self._stamped > STAMP:
                self._stamped = now
                db.execute(
                    "INSERT OR REPLACE INTO written SELECT coalesce(max(seq), 0) + 1, ? FROM sqlite_sequence", (now,)
                )
            db.executemany("INSERT INTO entry (kind, ident, time, body) VALUES (?, ?, ?, ?)", rows)
            for node in {self._idents[row[1]].node for row in rows if row[0] == codec.DATA}:
                db.execute("UPDATE node SET newest = ? WHERE name = ?", (self._rings[node].newest, node))
            if self._known - self._checkpoint > max(CHECKPOINT, 100 * len(self._rings)):
                self._save_rings(db)
        if position is not None:
            db.execute("INSERT OR REPLACE INTO source VALUES (?, ?)", (source, position))
        change(db, source, state)

    def _other_ident(
        self, db: sqlite3.Connection, last: tuple[int, Ident] | None, ident: Ident, kind: int, time: int, body: str
    ) -> list[tuple[int, int, int, str]]:
        """Rows of a telegram that brings another ident than the last of its node."""
        if last and kind != codec.IDENT and last[1].since is not None and time < last[1].since:
            return [(kind, self._number(db, ident), time, body)]  # late: it keeps what it came with
        if ident.since is None and kind == codec.DATA:
            ident = replace(ident, since=time)
        number = self._number(db, ident)
        self._nodes[ident.node] = number, self._idents[number]
        db.execute(
            "INSERT INTO node VALUES (?, ?, NULL) ON CONFLICT (name) DO UPDATE SET ident = excluded.ident",
            (ident.node, number),
        )
        rows = [(codec.IDENT, number, ident.since or time, "")]
        return rows if kind == codec.IDENT else [*rows, (kind, number, time, body)]

    def _number(self, db: sqlite3.Connection, ident: Ident) -> int:
        key = ident.digest, ident.since
        number = self._numbers.get(key)
        if number is None:
            found = db.execute("SELECT id FROM ident WHERE digest = ? AND since IS ?", key).fetchone()
            if found is None:
                row = ident.node, ident.digest, ident.since, wire.encode_ident(ident)
                found = (
                    db.execute("INSERT INTO ident (node, digest, since, body) VALUES (?, ?, ?, ?)", row).lastrowid,
                )
            number = self._numbers[key] = int(found[0])
            self._idents.setdefault(number, ident)
        return number

    def _catch_up(self, db: sqlite3.Connection) -> None:
        """Take in what other processes have appended since we looked last."""
        [last] = db.execute("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'entry'").fetchone()
        if last > self._known:
            self._replay(db, self._known)
            self._load_nodes(db)
            self._known = last

    def _load_nodes(self, db: sqlite3.Connection) -> None:
        """The newest ident of each node."""
        for node, number in db.execute("SELECT name, ident FROM node").fetchall():
            if node not in self._nodes or self._nodes[node][0] != number:
                self._nodes[node] = number, self._ident(number)

    def _replay(self, db: sqlite3.Connection, after: int) -> None:
        """Fill the rings from the entries above *after*."""
        sql = (
            "SELECT i.node, e.time, e.body FROM entry e JOIN ident i ON i.id = e.ident"
            " WHERE e.seq > ? AND e.kind = ? ORDER BY e.seq"
        )
        for node, time, body in db.execute(sql, (after, codec.DATA)):
            ring = self._rings.get(node) or self._rings.setdefault(node, Ring())
            ring.add(time, mark(time, body))

    def _load(self) -> None:
        db = self._write
        self._repeated = int(meta(db, "repeated", "0"))
        newest = dict(db.execute("SELECT name, newest FROM node"))
        for node, marks in db.execute("SELECT node, hashes FROM ring"):
            top = newest.get(node)
            self._rings[node] = Ring(-(2**63) if top is None else top, marks)
        self._known = self._checkpoint = int(meta(db, "checkpoint", "0"))
        self._load_nodes(db)
        self._catch_up(db)

    def _save_rings(self, db: sqlite3.Connection) -> None:
        [last] = db.execute("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'entry'").fetchone()
        db.executemany(
            "INSERT OR REPLACE INTO ring VALUES (?, ?)", [(node, ring.saved()) for node, ring in self._rings.items()]
        )
        set_meta(db, "checkpoint", str(last))
        set_meta(db, "repeated", str(self._repeated))
        self._checkpoint = last

    def _after(self, db: sqlite3.Connection, done: bool) -> None:
        """Behind a commit: wake whoever waits. Behind a failure: what was remembered ahead is forgotten."""
        if done:
            [last] = db.execute("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'entry'").fetchone()
            self._known = last
            with self._grown:
                self._last = last
                self._grown.notify_all()
        else:
            self._rings.clear()
            self._nodes.clear()
            self._numbers.clear()
            self._load()

    # Cursors

    def hold(self, section: str) -> None:
        self.locks.hold(section)

    def cursor(self, name: str, start: str = "oldest") -> SqliteCursor:
        self.locks.hold(name)

        def begin(db: sqlite3.Connection) -> None:
            at = self.bounds()[1] if start == "now" else self.bounds()[0] - 1
            db.execute("INSERT OR IGNORE INTO cursor (name, seq, seen) VALUES (?, ?, ?)", (name, at, self.clock.now()))
            db.execute("UPDATE cursor SET seen = ? WHERE name = ?", (self.clock.now(), name))

        self._writer.do(begin)
        [(seq,)] = self._query("SELECT seq FROM cursor WHERE name = ?", name)
        return SqliteCursor(self, name, seq, self._lanes(name))

    def _lanes(self, cursor: str) -> dict[str, Parked]:
        rows = self._query("SELECT name, seq, nodes, reason, blocked FROM lane WHERE cursor = ?", cursor)
        return {name: lane_of(*rest) for name, *rest in rows}

    def later(self, name: str, seq: int, lanes: dict[str, Parked] | None, state: Changes | None) -> None:
        """Write an acknowledgement with the next commit."""
        with self._acks_lock:
            _, known, changes = self._acks.get(name, (0, None, {}))
            self._acks[name] = seq, known if lanes is None else dict(lanes), changes | dict(state or {})
        self._writer.soon()

    def _lazy(self) -> Callable[[sqlite3.Connection], None] | None:
        with self._acks_lock:
            acks, self._acks = self._acks, {}
        if not acks:
            return None

        def write(db: sqlite3.Connection) -> None:
            now = self.clock.now()
            for name, (seq, lanes, changes) in acks.items():
                db.execute("UPDATE cursor SET seq = max(seq, ?), seen = ? WHERE name = ?", (seq, now, name))
                if lanes is not None:
                    db.execute("DELETE FROM lane WHERE cursor = ?", (name,))
                    rows = [lane_row(name, lane, parked) for lane, parked in lanes.items()]
                    db.executemany("INSERT INTO lane VALUES (?, ?, ?, ?, ?, ?)", rows)
                change(db, f"cursor/{name}", changes)

        return write

    def rewound(self, name: str, seq: int) -> None:
        """Put a cursor back, and forget its lanes and state."""

        def back(db: sqlite3.Connection) -> None:
            db.execute("UPDATE cursor SET seq = ? WHERE name = ?", (seq, name))
            db.execute("DELETE FROM lane WHERE cursor = ?", (name,))
            db.execute("DELETE FROM state WHERE owner = ?", (f"cursor/{name}",))

        with self._acks_lock:
            self._acks.pop(name, None)
        self._writer.do(back)

    def set_aside(self, cursor: str, seq: int, reason: str, telegram: Telegram) -> None:
        """Keep a telegram that the far end refused."""
        row = cursor, seq, self.clock.now(), reason, codec.one(telegram)

        def keep(db: sqlite3.Connection) -> None:
            db.execute("INSERT INTO rejected (cursor, seq, time, reason, body) VALUES (?, ?, ?, ?, ?)", row)
            db.execute("UPDATE cursor SET rejected = rejected + 1 WHERE name = ?", (cursor,))
            db.execute(
                "DELETE FROM rejected WHERE cursor = ? AND number <= (SELECT max(number) - ? FROM rejected)",
                (cursor, REJECTED),
            )

        self._writer.do(keep)

    def rejected(self, cursor: str | None = None, limit: int = 1000) -> list[Rejected]:
        rows = self._query(
            "SELECT number, cursor, seq, time, reason, body FROM rejected WHERE cursor = ifnull(?, cursor)"
            " ORDER BY number LIMIT ?", cursor, limit,
        )  # fmt: skip
        return [Rejected(n, c, s, t, r, codec.other(body)) for n, c, s, t, r, body in rows]

    def drop_rejected(self, numbers: Iterable[int]) -> None:
        rows = [(number,) for number in numbers]

        def drop(db: sqlite3.Connection) -> None:
            db.executemany("DELETE FROM rejected WHERE number = ?", rows)

        self._writer.do(drop)

    def forget(self, cursor: str) -> None:
        self.locks.hold(cursor)

        def drop(db: sqlite3.Connection) -> None:
            db.execute("DELETE FROM cursor WHERE name = ?", (cursor,))
            db.execute("DELETE FROM lane WHERE cursor = ?", (cursor,))
            db.execute("DELETE FROM rejected WHERE cursor = ?", (cursor,))
            db.execute("DELETE FROM state WHERE owner = ?", (f"cursor/{cursor}",))

        self._writer.do(drop)
        self.locks.release(cursor)

    # Keeping house

    def trim(self) -> int:
        dropped = self._trim_all()
        self._reserve.take()
        return dropped

    def _trim_all(self) -> int:
        dropped = 0
        while (count := self._trim_some()) > 0:
            dropped += count
        return dropped

    def _trim_some(self, most: int = 5000, force: bool = False) -> int:
        """Drop up to so many entries in a transaction of their own; with *force* also what is unsent."""
        count = 0

        def drop(db: sqlite3.Connection) -> None:
            nonlocal count
            first, last = self.bounds()
            end = self._trim_end(db, first, last)
            if force:
                end = last - 1
            if end < first:
                return
            end = min(end, first + most - 1)
            if end > self._checkpoint:
                self._save_rings(db)
            count = db.execute("DELETE FROM entry WHERE seq <= ?", (end,)).rowcount
            db.execute("DELETE FROM written WHERE seq < (SELECT max(seq) FROM written WHERE seq <= ?)", (end,))
            for name, seq in db.execute("SELECT name, seq FROM cursor WHERE seq < ?", (end,)).fetchall():
                lost = end - max(seq, first - 1)
                db.execute("UPDATE cursor SET seq = ?, lost = lost + ? WHERE name = ?", (end, lost, name))

        self._writer.do(drop)
        return count

    def _trim_end(self, db: sqlite3.Connection, first: int, last: int) -> int:
        """The number of the last entry that may go."""
        now = self.clock.now()
        unseen = now - int(self._forget * SECOND)
        waits = [
            min([seq, *(parked.seq - 1 for parked in self._lanes(name).values())])
            for name, seq, seen in db.execute("SELECT name, seq, seen FROM cursor")
            if seen > unseen or self.locks.held(name)
        ]
        passed = min(waits, default=last)
        end = min(passed, self._older_than(db, now - int(self._keep * SECOND), last))
        if (over := self._bytes() - self._max_size) > 0 and last >= first:
            each = max(1, self._bytes() // (last - first + 1))
            end = max(end, first + over // each)  # first what all have passed; only then what is unsent
        return min(end, last)

    def _older_than(self, db: sqlite3.Connection, time: int, last: int) -> int:
        """The number of the last entry that was written before *time*."""
        row = db.execute("SELECT min(seq) FROM written WHERE time >= ?", (time,)).fetchone()
        return last if row[0] is None else int(row[0]) - 1

    def _bytes(self) -> int:
        [(pages,)], [(free,)], [(size,)] = (
            self._query(f"PRAGMA {p}") for p in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * size)

    def status(self) -> JournalStatus:
        first, last = self.bounds()
        times = [
            self._query("SELECT time FROM entry WHERE kind > 0 ORDER BY seq LIMIT 1"),
            self._query("SELECT time FROM entry WHERE kind > 0 ORDER BY seq DESC LIMIT 1"),
        ]
        oldest, newest = (rows[0][0] if rows else None for rows in times)
        cursors = []
        for name, seq, rejected, lost, seen in self._query("SELECT name, seq, rejected, lost, seen FROM cursor"):
            lanes = self._lanes(name)
            waits = max(min([seq, *(p.seq - 1 for p in lanes.values())]), first - 1)
            orphan = not self.locks.held(name)
            cursors.append(CursorStatus(name, seq, max(0, last - waits), lanes, rejected, lost, seen, orphan))
        return JournalStatus(
            meta(self._db, "id", ""), str(self.path), first, last, self._bytes(), oldest, newest, self._repeated,
            written() - self._written, self._opened, tuple(cursors), tuple(self._notes),
        )  # fmt: skip

    def check(self) -> list[str]:
        wrong = [row[0] for row in self._query("PRAGMA integrity_check") if row[0] != "ok"]
        [(without,)] = self._query("SELECT count(*) FROM entry WHERE ident NOT IN (SELECT id FROM ident)")
        if without:
            wrong.append(f"{without} entries have no ident")
        last = self.bounds()[1]
        wrong += [
            f"cursor {name} stands at {seq}, the journal ends at {last}"
            for name, seq in self._query("SELECT name, seq FROM cursor WHERE seq > ?", last)
        ]
        return wrong

    def flush(self) -> None:
        self._writer.do(lambda db: None)

    def close(self) -> None:
        if hasattr(self, "_writer"):
            self._writer.do(self._save_rings)
            self._writer.close()
            self._write.close()
        self._db.close()
        self.locks.close()


def connect(path: Path, reading: bool = False) -> sqlite3.Connection:
    """A connection that several threads may use, one at a time."""
    uri = f"{path.absolute().as_uri()}?mode={'ro' if reading else 'rwc'}"
    db = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, timeout=10)
    db.execute("PRAGMA secure_delete = OFF")  # some builds overwrite what they delete: twice the bytes
    return db


def prepare(db: sqlite3.Connection, path: Path) -> None:
    """Make the tables, or upgrade older ones."""
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA journal_size_limit = 2000000")
    db.execute("PRAGMA wal_autocheckpoint = 500")
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version > schema.VERSION:
        raise JournalError(f"{path} was written by a newer mysense (schema {version}); upgrade mysense")
    if version == schema.VERSION:
        return
    db.execute("BEGIN IMMEDIATE")
    version = db.execute("PRAGMA user_version").fetchone()[0]  # another process may have been quicker
    if version == 0 and not db.execute("SELECT 1 FROM sqlite_master").fetchone():
        for statement in schema.TABLES.split(";"):
            db.execute(statement)
        set_meta(db, "id", secrets.token_hex(4))
    for upgrade in schema.UPGRADES[max(0, version - 1) :] if version else ():
        upgrade(db)
    db.execute(f"PRAGMA user_version = {schema.VERSION}")
    db.execute("COMMIT")


def written() -> int:
    """Bytes that this process has had written to disk so far."""
    try:
        lines = Path("/proc/self/io").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("write_bytes:"))
    except (OSError, StopIteration):
        return 0


def meta(db: sqlite3.Connection, key: str, default: str) -> str:
    """One of the journal's own values."""
    row = db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return str(row[0]) if row else default


def set_meta(db: sqlite3.Connection, key: str, value: str) -> None:
    """Set one of the journal's own values."""
    db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))


def change(db: sqlite3.Connection, owner: str, changes: Changes | None) -> None:
    """Store changes of a state."""
    for key, value in (changes or {}).items():
        if value is None:
            db.execute("DELETE FROM state WHERE owner = ? AND key = ?", (owner, key))
        else:
            db.execute("INSERT OR REPLACE INTO state VALUES (?, ?, ?)", (owner, key, value))
