"""The journal in one SQLite file; the tables are in ``schema``, the reasons in docs/journal.md."""

import errno
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path

from mysense.clock import Clock
from mysense.errors import UnavailableError
from mysense.journal import Boot, Changes, Entry, JournalStatus, Parked, Rejected, checking, figures, rejected
from mysense.journal.acks import Acknowledgements
from mysense.journal.appender import Appender
from mysense.journal.cursor import SqliteCursor
from mysense.journal.damaged import is_damage
from mysense.journal.files import PRIVATE, open_sound, spoiled, written
from mysense.journal.locks import Locks
from mysense.journal.reader import Reader
from mysense.journal.reserve import Reserve
from mysense.journal.retention import STEP, Retention
from mysense.journal.room import Room
from mysense.journal.writer import Work, Writer
from mysense.telegram import SECOND, Ident, Telegram


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
        self._reserve = Reserve(self.path, max_size)
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
        self._room = Room(self._reserve, self._reader, self._drop, self.flush)
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
                rejected.keep(db, source, self.clock.now(), [(0, reason, what) for reason, what in refused])

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
            self._room.make()
            try:
                self._do(work)
            finally:
                self._reserve.take(part=True)

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
        self._do(lambda db: rejected.keep(db, cursor, now, [(seq, reason, telegram)]))

    def rejected(self, cursor: str | None = None, limit: int = 1000) -> list[Rejected]:
        return rejected.kept(self._reader, cursor, limit)

    def drop_rejected(self, numbers: Iterable[int]) -> None:
        these = list(numbers)
        self._do(lambda db: rejected.drop(db, these))

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
        since = self.clock.now() - round((self.clock.monotonic() - self._begun) * SECOND)  # the clock may have been set
        return figures.status(
            self._reader, self.locks, path=self.path, repeated=self._repeats(), written=written() - self._written,
            since=since, notes=self._notes,
        )  # fmt: skip

    def check(self) -> list[str]:
        with closing(Reader(self.path, reading=True)) as reader:  # of its own: nobody has to wait for it
            if wrong := checking.damage(reader):
                if self._writer:
                    self._damage()
                return wrong
            return checking.contradictions(reader)

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
