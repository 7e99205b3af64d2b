"""The journal in one SQLite file; the tables are in ``schema``, the reasons in docs/journal.md."""

import errno
import logging
import sqlite3
import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from math import inf
from pathlib import Path

from mysense.clock import Clock
from mysense.errors import UnavailableError
from mysense.journal import Boot, Changes, CursorStatus, Entry, JournalStatus, Parked, Rejected, codec
from mysense.journal.acks import Acknowledgements
from mysense.journal.appender import Appender
from mysense.journal.cursor import SqliteCursor
from mysense.journal.damaged import is_damage
from mysense.journal.files import PRIVATE, open_sound, spoiled, written
from mysense.journal.locks import Locks
from mysense.journal.reader import Reader
from mysense.journal.rejected import keep as keep_rejected
from mysense.journal.reserve import PAGE, Reserve
from mysense.journal.retention import STEP, Retention
from mysense.journal.writer import Work, Writer
from mysense.telegram import SECOND, Ident, Telegram

TOLD = 3600.0
"""Seconds between two full disks of which one speaks: it is the same one until then."""

log = logging.getLogger("mysense")


class SqliteJournal:
    """One file, one writer thread for each process, readers that never hold it for long.

    *keep* and *forget* are seconds, *max_size* bytes; *commit_interval* seconds are waited for
    company before a commit. *durability* is ``full`` (each commit is on disk) or ``normal``.
    """

    path: Path
    clock: Clock
    locks: Locks
    _notes: list[str]

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
        self._set_up(Path(path), clock or Clock())
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.touch(PRIVATE)
        except OSError as error:
            raise OSError(error.errno, f"the journal cannot be written: {error.strerror}", str(self.path)) from None
        self.locks.enter()
        self._reserve, self._told = Reserve(self.path, max_size), -inf
        try:
            self._write, self._notes = open_sound(self.path, self.locks, self._reserve, str(self._opened // SECOND))
        except BaseException:
            self.locks.close()
            raise
        self._write.execute(f"PRAGMA wal_autocheckpoint = {self._reserve.pages}")
        self._write.execute(f"PRAGMA synchronous = {'FULL' if durability == 'full' else 'NORMAL'}")
        self._reader = Reader(self.path, reading=False, damage=self._damage)
        self._appender = Appender(self._reader, self.clock)
        self._appender.load(self._write)
        self._retention = Retention(keep, max_size, forget, self._reader, self._appender, self.locks, self.clock)
        self._writer: Writer | None = Writer(
            self._write, commit_interval, self._appender.catch_up, self._acks.take, self._after
        )

    @classmethod
    def open_existing(cls, path: Path | str) -> "SqliteJournal":
        """A journal only to look into; makes and locks nothing."""
        self = cls.__new__(cls)
        self._set_up(Path(path), Clock())
        self._reader = Reader(self.path, reading=True)
        self._appender = Appender(self._reader, self.clock)
        self._writer = None
        return self

    def _set_up(self, path: Path, clock: Clock) -> None:
        self.path, self.clock = path, clock
        self._opened, self._begun, self._written = clock.now(), clock.monotonic(), written()
        self._notes = []
        self.locks = Locks(path)
        self._acks = Acknowledgements(clock)

    # Reading

    def read(self, after: int, limit: int) -> list[Entry]:
        return self._reader.read(after, limit)

    def read_nodes(self, after: int, upto: int, nodes: Iterable[str], limit: int) -> list[Entry]:
        """Entries of some nodes, numbered above *after* up to *upto*."""
        return self._reader.read_nodes(after, upto, nodes, limit)

    def bounds(self) -> tuple[int, int]:
        """The numbers of the oldest and of the newest entry."""
        return self._reader.bounds()

    def wait(self, after: int, timeout: float) -> bool:
        return self._reader.wait(after, timeout)

    def position(self, source: str) -> str:
        rows = self._reader.query("SELECT position FROM source WHERE name = ?", source)
        return str(rows[0][0]) if rows else ""

    def state(self, source: str) -> dict[str, str]:
        return dict(self._reader.query("SELECT key, value FROM state WHERE owner = ?", source))

    def ident(self, node: str) -> Ident | None:
        rows = self._reader.query("SELECT ident FROM node WHERE name = ?", node)
        return self._reader.number_to_ident(rows[0][0]) if rows else None

    def newest(self, node: str) -> int | None:
        rows = self._reader.query("SELECT newest FROM node WHERE name = ?", node)
        return rows[0][0] if rows else None

    def boots(self) -> list[Boot]:
        return self._reader.boots()

    # Writing

    def append(
        self,
        telegrams: Iterable[Telegram],
        source: str = "",
        position: str | None = None,
        state: Changes | None = None,
        refused: Sequence[tuple[str, Telegram]] = (),
        boot: Boot | None = None,
    ) -> int:
        batch = list(telegrams)

        def append(db: sqlite3.Connection) -> None:
            self._appender.append(db, batch, source, position, state, boot)
            if refused:
                keep_rejected(db, source, self.clock.now(), [(0, reason, what) for reason, what in refused])

        self._make_sure(append, patient=True)
        return self._reader.last

    def _do(self, work: Work, patient: bool = False) -> None:
        assert self._writer, "this journal was opened only to look into it"
        try:
            self._writer.do(work, patient)
        except UnavailableError as error:
            if isinstance(error.__cause__, sqlite3.Error) and is_damage(error.__cause__):
                self._damage()
            raise

    def _damage(self) -> None:
        """The file was found to be damaged: whoever opens it next sets it aside."""
        spoiled(self.path).touch()

    @property
    def damaged(self) -> bool:
        return spoiled(self.path).exists()

    def _make_sure(self, work: Work, patient: bool = False) -> None:
        """Have something written; when the disk is full, make room and try once more."""
        try:
            self._do(work, patient)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            self._make_room()
            try:
                self._do(work)
            finally:
                self._reserve.take(part=True)

    def _make_room(self) -> None:
        """On a full disk: what all have passed goes, and if that is nothing, the oldest that is unsent."""
        now = time.monotonic()
        log.log(
            logging.WARNING if now - self._told > TOLD else logging.DEBUG,
            "journal: the disk is full; the oldest entries go",
        )
        self._told = now
        self._reserve.give()  # to delete needs room, too
        self._reader.write_wal_back()
        self.flush()  # acknowledgements that wait
        force = self._reader.free() < self._enough() and not self._drop(500)
        for _ in range(100):  # in small steps: each is written before it makes room
            if self._reader.free() >= self._enough():
                break
            self._drop(500, force)
            self._reader.write_wal_back()

    def _enough(self) -> int:
        """Bytes that must be free in the file itself, so that it does not grow again at once."""
        return min(self._reserve.pages * PAGE, self._reader.size() // 10)

    def _after(self, db: sqlite3.Connection, done: bool) -> None:
        """Behind a commit: wake whoever waits. Behind a failure: begin anew with what is on disk."""
        self._acks.settle(done)
        if done:
            self._reader.grown(self._appender.committed(db))
        else:
            self._appender.load(db)

    # Cursors

    def hold(self, section: str) -> None:
        self.locks.hold(section)

    def release(self, section: str) -> None:
        self.locks.release(section)

    def cursor(self, name: str, start: str = "oldest") -> SqliteCursor:
        self.locks.hold(name)

        def begin(db: sqlite3.Connection) -> None:
            at = self._reader.bounds()[1] if start == "now" else self._reader.bounds()[0] - 1
            db.execute("INSERT OR IGNORE INTO cursor (name, seq, seen) VALUES (?, ?, ?)", (name, at, self.clock.now()))
            db.execute("UPDATE cursor SET seen = ? WHERE name = ?", (self.clock.now(), name))

        try:
            self._do(begin)
        except BaseException:
            self.locks.release(name)  # it may be tried again
            raise
        [(seq,)] = self._reader.query("SELECT seq FROM cursor WHERE name = ?", name)
        return SqliteCursor(self, name, seq, self._reader.lanes(name))

    def later(self, name: str, seq: int, lanes: dict[str, Parked] | None, state: Changes | None) -> None:
        """Write an acknowledgement with the next commit."""
        self._acks.add(name, seq, lanes, state)
        assert self._writer
        self._writer.soon()

    def rewound(self, name: str, seq: int) -> None:
        """Put a cursor back, and forget its lanes and state."""

        def back(db: sqlite3.Connection) -> None:
            db.execute("UPDATE cursor SET seq = ? WHERE name = ?", (seq, name))
            db.execute("DELETE FROM lane WHERE cursor = ?", (name,))
            db.execute("DELETE FROM state WHERE owner = ?", (f"cursor/{name}",))

        self._do(back)

    def set_aside(self, cursor: str, seq: int, reason: str, telegram: Telegram) -> None:
        """Keep a telegram that the far end refused."""
        now = self.clock.now()
        self._do(lambda db: keep_rejected(db, cursor, now, [(seq, reason, telegram)]))

    def rejected(self, cursor: str | None = None, limit: int = 1000) -> list[Rejected]:
        rows = self._reader.query(
            "SELECT number, cursor, seq, time, reason, body FROM rejected WHERE cursor = ifnull(?, cursor)"
            " ORDER BY number LIMIT ?", cursor, limit,
        )  # fmt: skip
        return [Rejected(n, c, s, t, r, codec.other(body)) for n, c, s, t, r, body in rows]

    def drop_rejected(self, numbers: Iterable[int]) -> None:
        rows = [(number,) for number in numbers]

        def drop(db: sqlite3.Connection) -> None:
            db.executemany(
                "UPDATE cursor SET rejected = rejected - 1"
                " WHERE rejected > 0 AND name = (SELECT cursor FROM rejected WHERE number = ?)", rows,
            )  # fmt: skip
            db.executemany("DELETE FROM rejected WHERE number = ?", rows)

        self._do(drop)

    def forget(self, cursor: str) -> None:
        self.locks.hold(cursor)

        def drop(db: sqlite3.Connection) -> None:
            db.execute("DELETE FROM cursor WHERE name = ?", (cursor,))
            db.execute("DELETE FROM lane WHERE cursor = ?", (cursor,))
            db.execute("DELETE FROM rejected WHERE cursor = ?", (cursor,))
            db.execute("DELETE FROM state WHERE owner = ?", (f"cursor/{cursor}",))

        try:
            self._do(drop)
        finally:
            self.locks.release(cursor)

    # Keeping house

    def trim(self) -> int:
        dropped = 0
        while (count := self._drop()) > 0:
            dropped += count
        self._reserve.take()
        return dropped

    def _drop(self, most: int = STEP, force: bool = False) -> int:
        dropped: list[int] = []
        self._do(lambda db: dropped.append(self._retention.drop(db, most, force)))
        return dropped[0]

    def status(self) -> JournalStatus:
        first, last = self._reader.bounds()
        [(number,)] = self._reader.query("SELECT value FROM meta WHERE key = 'id'")
        times = [
            self._reader.query("SELECT time FROM dated WHERE kind > 0 ORDER BY seq LIMIT 1"),
            self._reader.query("SELECT time FROM dated WHERE kind > 0 ORDER BY seq DESC LIMIT 1"),
        ]
        oldest, newest = (rows[0][0] if rows else None for rows in times)
        since = self.clock.now() - round((self.clock.monotonic() - self._begun) * SECOND)  # the clock may have been set
        cursors = []
        for name, seq, rejected, lost, seen in self._reader.query("SELECT name, seq, rejected, lost, seen FROM cursor"):
            lanes = self._reader.lanes(name)
            waits = max(min([seq, *(p.seq - 1 for p in lanes.values())]), first - 1)
            orphan = not self.locks.held(name)
            cursors.append(CursorStatus(name, seq, max(0, last - waits), lanes, rejected, lost, seen, orphan))
        return JournalStatus(
            str(number), str(self.path), first, last, self._reader.size(), oldest, newest, self._repeats(),
            written() - self._written, since, tuple(cursors), tuple(self._notes),
        )  # fmt: skip

    def check(self) -> list[str]:
        with closing(Reader(self.path, reading=True)) as reader:  # of its own: nobody has to wait for it
            try:
                wrong = [row[0] for row in reader.query("PRAGMA integrity_check") if row[0] != "ok"]
            except UnavailableError as error:
                wrong = [str(error)]
            if wrong:
                if self._writer:
                    self._damage()
                return wrong
            return self._wrong_in(reader)

    def _wrong_in(self, reader: Reader) -> list[str]:
        wrong = []
        [(without,)] = reader.query("SELECT count(*) FROM entry WHERE ident NOT IN (SELECT id FROM ident)")
        if without:
            wrong.append(f"{without} entries have no ident")
        [(undated,)] = reader.query("SELECT count(*) FROM dated WHERE boot AND dating IS NULL")
        if undated:
            wrong.append(f"{undated} entries have lost what their times count from")
        [(broken,)] = reader.query("SELECT count(*) FROM entry WHERE body != '' AND NOT json_valid(body)")
        if broken:
            wrong.append(f"{broken} entries can no longer be read; they are published as text called 'unreadable'")
        last = reader.bounds()[1]
        wrong += [
            f"cursor {name} stands at {seq}, the journal ends at {last}"
            for name, seq in reader.query("SELECT name, seq FROM cursor WHERE seq > ?", last)
        ]
        return wrong

    def _repeats(self) -> int:
        """Repeats recognised: by this process, or as they were last written."""
        if self._writer:
            return self._appender.repeated
        rows = self._reader.query("SELECT value FROM meta WHERE key = 'repeated'")
        return int(rows[0][0]) if rows else 0

    def flush(self) -> None:
        self._do(lambda db: None)

    def stalled(self) -> float:
        return self._writer.stalled() if self._writer else 0.0

    def close(self) -> None:
        try:
            if self._writer:
                self._do(self._appender.save)
        finally:
            if self._writer:
                self._writer.close()
                self._write.close()
            self._reader.close()
            self.locks.close()
