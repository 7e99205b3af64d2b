"""A journal and its model do the same at random; any difference is a bug.

Hypothesis chooses what is done, and when something differs it finds the shortest way there.
"""

import multiprocessing
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing, contextmanager
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from mysense.journal import Journal, Parked
from mysense.journal.memory import MemoryJournal
from mysense.journal.sqlite import SqliteJournal
from mysense.telegram import SECOND, Data, Field, Ident, Note, Telegram, ident_of
from mysense.testing.clock import ManualClock
from mysense.testing.journal.telegrams import IDENT, T0, data
from tests.disk import BROKEN, DISK, FULL, memory
from tests.journal_model import CursorModel, JournalModel, change, is_unreadable, plain, said
from tests.spoil import PAGE

IDENTS = (
    IDENT,
    replace(IDENT, label="roof"),
    replace(IDENT, since=(T0 + 9) * SECOND),
    replace(IDENT, label="cellar", since=(T0 + 15) * SECOND),
    Ident("Demo", "2"),
    Ident("Demo", "2", fields=(Field("rh", "%"),)),
)
NODES = ("Demo_1", "Demo_2")
NAMES = ("publisher:a", "publisher:b", "publisher:c")
SOURCES = ("subscriber:x", "subscriber:y")
KEYS = ("k", "l")

numbers = st.integers(0, 30)
values = st.dictionaries(
    st.sampled_from(("temp", "rh")), st.sampled_from((0, 1, 1.0, True, "1", 'a "b"\n', float("nan"), None, -2.5e-7))
)
flags = st.sampled_from(({}, {}, {}, {"temp": "doubted"}))
datas = st.builds(lambda i, s, v, f: Data(i, (T0 + s) * SECOND, v, f), st.sampled_from(IDENTS), numbers, values, flags)
notes = st.builds(lambda i, s, v: Note(i, (T0 + s) * SECOND, "stuck", "x", v), st.sampled_from(IDENTS), numbers,
                  st.sampled_from(({}, {"count": 2})))  # fmt: skip
telegrams = st.lists(st.one_of(datas, datas, datas, notes, st.sampled_from(IDENTS)), max_size=6)
changes = st.dictionaries(st.sampled_from(KEYS), st.sampled_from(("1", "2", None)))
fractions = st.floats(0, 1)


class JournalMachine(RuleBasedStateMachine):
    """What every back end can be asked."""

    journal: Journal
    steps = 0
    """How many were made so far."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock(T0)
        self.model = JournalModel()
        self.live: dict[str, Any] = {}
        self.tag = 0

    @initialize()
    def begin(self) -> None:
        self.journal = MemoryJournal(self.clock)

    def committed(self) -> None:
        """All that was done so far is on disk."""

    def acknowledged(self) -> None:
        """Something was done that may reach the disk a little later."""

    @rule(batch=telegrams, source=st.sampled_from(SOURCES), position=st.none() | st.text("0123", max_size=2), s=changes,
          refused=st.lists(datas, max_size=1))  # fmt: skip
    def append(
        self, batch: list[Telegram], source: str, position: str | None, s: dict[str, str | None], refused: list[Data]
    ) -> None:
        what = [("no telegram", replace_none(one)) for one in refused]
        last = self.journal.append(batch, source, position, s, what)
        self.model.append(batch, source, position, s, what)
        self.committed()
        assert last == self.model.last

    @rule(count=st.integers(300, 700), ident=st.sampled_from(IDENTS), begin=st.sampled_from((100, 400, 9000)))
    def append_many(self, count: int, ident: Ident, begin: int) -> None:
        batch = [data(n, ident) for n in range(begin, begin + count)]
        assert self.journal.append(batch) == self.model_append(batch)

    def model_append(self, batch: list[Data]) -> int:
        self.model.append(batch, "", None, {})
        self.committed()
        return self.model.last

    @rule(batch=telegrams)
    def a_source_that_breaks_off(self, batch: list[Telegram]) -> None:
        def broken() -> Any:
            yield from batch
            raise OSError("cable pulled")

        try:
            self.journal.append(broken(), SOURCES[0], "9")
        except OSError:
            return
        raise AssertionError("nothing was raised")

    @rule(name=st.sampled_from(NAMES), start=st.sampled_from(("oldest", "now")))
    def open_cursor(self, name: str, start: str) -> None:
        if name in self.live:
            return
        self.live[name] = self.journal.cursor(name, start)
        at = self.model.last if start == "now" else self.model.first - 1
        self.model.cursors.setdefault(name, CursorModel(at))
        self.committed()

    @rule(name=st.sampled_from(NAMES))
    def close_cursor(self, name: str) -> None:
        if name in self.live:
            self.live.pop(name).close()
            self.committed()

    @rule(name=st.sampled_from(NAMES), limit=st.integers(1, 40))
    def fetch(self, name: str, limit: int) -> None:
        if name in self.live:
            found = self.live[name].fetch(limit)
            assert plain(found) == plain(self.model.after(self.model.cursors[name].seq, limit))

    @rule(name=st.sampled_from(NAMES), how_far=fractions, lane=st.none() | st.sampled_from(NODES), at=fractions,
          forward=fractions, s=changes)  # fmt: skip
    def acknowledge(
        self, name: str, how_far: float, lane: str | None, at: float, forward: float, s: dict[str, str | None]
    ) -> None:
        """Go on; leave a lane behind, or one that is behind comes nearer, until it has caught up."""
        if name not in self.live:
            return
        cursor = self.model.cursors[name]
        seq = between(cursor.seq, self.model.last, how_far)
        lanes: dict[str, Parked] | None = None
        if lane:
            lanes = {n: replace(p, seq=between(p.seq, seq + 1, forward)) for n, p in cursor.lanes.items()}
            lanes = {n: p for n, p in lanes.items() if p.seq <= seq}
            if seq > cursor.seq:
                lanes[lane] = lanes.get(lane) or Parked(between(cursor.seq + 1, seq, at), frozenset({lane}), "no", True)
            cursor.lanes = lanes
        cursor.seq = seq
        change(cursor.state, s)
        self.live[name].ack(seq, lanes, s)
        self.acknowledged()
        assert max(self.live[name].seq, self.model.first - 1) == seq
        assert self.live[name].lag == self.model.last - self.model.waits(cursor)

    @rule(name=st.sampled_from(NAMES), limit=st.integers(1, 9))
    def fetch_parked(self, name: str, limit: int) -> None:
        for lane in self.model.cursors[name].lanes if name in self.live else ():
            found = self.live[name].fetch_parked(lane, limit)
            assert plain(found) == plain(self.model.parked(name, lane, limit))

    @rule(name=st.sampled_from(NAMES), what=datas)
    def reject(self, name: str, what: Data) -> None:
        if name in self.live:
            what = replace_none(what)
            self.live[name].reject(self.model.last, "not wanted", what)
            self.model.rejected.append((name, self.model.last, "not wanted", said(what)))
            self.committed()

    @rule(which=st.sampled_from((NAMES[0], SOURCES[0])))
    def drop_rejected(self, which: str) -> None:
        self.journal.drop_rejected([r.number for r in self.journal.rejected(which)])
        self.model.rejected = [r for r in self.model.rejected if r[0] != which]
        self.committed()

    @rule(name=st.sampled_from(NAMES), at=fractions)
    def rewind(self, name: str, at: float) -> None:
        if name in self.live:
            seq = between(self.model.first, self.model.last + 1, at)
            self.live[name].rewind(seq)
            self.model.cursors[name] = CursorModel(seq - 1)
            self.committed()

    @rule(name=st.sampled_from(NAMES))
    def forget(self, name: str) -> None:
        if name not in self.live:
            self.journal.forget(name)
            self.model.cursors.pop(name, None)
            self.model.rejected = [r for r in self.model.rejected if r[0] != name]
            self.committed()

    @rule()
    def trim(self) -> None:
        """Only what all have passed may go."""
        may_go = min((self.model.waits(c) for c in self.model.cursors.values()), default=self.model.last)
        before = self.model.first
        dropped = self.journal.trim()
        first = self.journal.status().first
        assert dropped == sum(entry.seq < first for entry in self.model.entries)  # damage may have left gaps
        assert first <= max(may_go + 1, before)
        self.model.drop(first - 1)
        self.committed()

    @rule(seconds=st.integers(1, 10_000))
    def time_passes(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @rule(seconds=st.integers(-(10**8), 10**8))
    def the_clock_is_set(self, seconds: int) -> None:
        self.clock.set(T0 + seconds)

    @rule()
    def compare(self) -> None:
        """Everything that can be asked."""
        self.journal.flush()
        self.committed()
        assert not (differs := self.model.differs(self.journal)), differs
        assert self.journal.status().repeated <= self.model.repeated
        for name, cursor in self.live.items():
            assert cursor.state() == self.model.cursors[name].state

    @invariant()
    def the_end_is_the_same(self) -> None:
        type(self).steps += 1
        if hasattr(self, "journal"):
            status = self.journal.status()
            assert (status.first, status.last) == (self.model.first, self.model.last)

    def teardown(self) -> None:
        if hasattr(self, "journal"):
            self.compare()
            self.journal.close()


class SqliteMachine(JournalMachine):
    """What can happen to a file besides: it is closed, left by a process that dies, cut off, on a full disk."""

    journal: SqliteJournal

    @initialize()
    def begin(self) -> None:
        self.place = memory()
        self.path = self.place.__enter__() / "0" / "journal.db"
        self.deaths = 0
        self.history: list[JournalModel] = []
        self.perhaps: list[JournalModel] = []
        self.possible: list[JournalModel] = []
        self.open()
        self.committed()

    def open(self) -> None:
        """Open it: as it was closed, and so without a log, if it was."""
        self.live = {}
        self.perhaps = []
        with DISK.used():
            self.journal = SqliteJournal(self.path, keep=0, forget=10**9, clock=self.clock)

    def committed(self) -> None:
        if not self.possible or self.model != self.possible[-1]:  # else nothing was written over what had failed
            self.perhaps = []
        self.possible = [*self.perhaps, self.model.copy()]
        self.history.append(self.possible[-1])

    def acknowledged(self) -> None:
        self.possible.append(self.model.copy())
        self.history.append(self.possible[-1])

    def failed(self, what: Callable[[JournalModel], None]) -> None:
        """Something failed: it is not done. When it was the sync that failed, it may be there after a kill.

        Then whoever brought it brings it again, and it is known as a repeat.
        """
        self.acknowledged()
        perhaps = self.model.copy()
        what(perhaps)
        self.perhaps.insert(0, perhaps)
        self.possible.insert(0, perhaps)
        self.history.insert(len(self.history) - 1, perhaps)

    @rule()
    def reopen(self) -> None:
        self.journal.close()
        if not self.path.with_name("journal.db-wal").exists():  # another process may keep it
            self.history = []
        self.open()
        self.committed()
        self.compare()

    def left_by_the_dead(self) -> Path:
        """A copy of the files as they are now: that is what a process leaves that is killed (-9)."""
        self.deaths += 1
        to = self.path.parent.parent / str(self.deaths)
        to.mkdir()
        with closing(sqlite3.connect(self.path, isolation_level=None)) as db:
            db.execute("BEGIN IMMEDIATE")  # not in the middle of a commit: test_power_cut.py tries that
            there = [p for p in (self.path, self.path.with_name("journal.db-wal")) if p.exists()]
            subprocess.run(["cp", *there, to], check=True)  # if we opened it ourselves, SQLite would lose its locks
        self.journal.close()
        self.path = to / "journal.db"
        return to / "journal.db-wal"

    def comes_back_as_one_of(self, states: list[JournalModel]) -> None:
        """Go on with what was left behind; it is what the journal was at some moment."""
        self.open()
        for back, state in enumerate(reversed(states)):
            if not state.differs(self.journal):
                self.model = state.copy()
                del self.history[len(self.history) - back :]
                break
        else:
            raise AssertionError(f"the last of {len(states)} states differs:\n{states[-1].differs(self.journal)}")
        self.committed()

    @rule()
    def is_killed(self) -> None:
        possible = self.possible
        self.left_by_the_dead()
        self.comes_back_as_one_of(possible)

    @rule(at=fractions)
    def is_killed_and_the_log_is_cut_off(self, at: float) -> None:
        history = self.history
        wal = self.left_by_the_dead()
        if wal.exists() and wal.stat().st_size < 2_000_000:  # a longer one was written back: then it is damage
            with wal.open("r+b") as file:
                file.truncate(int(wal.stat().st_size * at))
            self.comes_back_as_one_of(history)
        else:
            self.comes_back_as_one_of(self.possible)

    @rule(at=fractions)
    def is_cut_off(self, at: float) -> None:
        """The file ends too early: what can be read is carried over, and it goes on above all that was.

        SQLite does not see that the last page ends too early, and may take a telegram or an ident for whole
        that has lost its end. Where it is no JSON any more, it is published as it is.
        """
        self.left_by_the_dead()
        self.history = []
        SqliteJournal(self.path, keep=0, forget=10**9).close()
        size = self.path.stat().st_size
        with self.path.open("r+b") as file:
            file.truncate(int(size * at))
        before = self.model
        self.open()
        self.adopt()
        whole = [
            e for e in self.model.entries if not is_unreadable(e.telegram) and not is_unreadable(ident_of(e.telegram))
        ]
        assert len(whole) == len(self.model.entries) or int(size * at) % PAGE
        kept = dict(plain(whole))
        known = dict(plain(before.entries))
        assert kept == {seq: known[seq] for seq in kept}
        assert all(cursor.seq <= self.model.last for cursor in self.model.cursors.values())
        self.committed()
        if self.model.entries:
            news = [data(10**6 + self.deaths)]
            assert self.journal.append(news) > self.model.last
            self.model.append(news, "", None, {})
        self.committed()

    def adopt(self) -> None:
        """The model is from now on what the journal is."""
        status, entries = self.journal.status(), self.journal.read(0, 10**6)
        self.model = model = JournalModel()
        for entry in entries:  # it knows the repeats of what it still has
            if isinstance(entry.telegram, Data):
                model._take(entry.telegram)
        model.entries, model.last = list(entries), status.last
        idents = {node: self.journal.ident(node) for node in NODES}
        model.idents = {node: ident for node, ident in idents.items() if ident}
        newest = {node: self.journal.newest(node) for node in NODES}
        model.newest = {node: time for node, time in newest.items() if time is not None}
        model.positions = {source: self.journal.position(source) for source in SOURCES}
        model.states = {source: self.journal.state(source) for source in SOURCES}
        for c in status.cursors:
            model.cursors[c.name] = CursorModel(c.seq, dict(c.lanes), self.journal.state(f"cursor/{c.name}"))
        model.rejected = [(r.cursor, r.seq, r.reason, said(r.telegram)) for r in self.journal.rejected(None, 10**6)]
        model.repeated = 10**9

    @rule(batch=telegrams, after=st.integers(0, 12), error=st.sampled_from((FULL, BROKEN)))
    def appends_while_the_disk_fails(self, batch: list[Telegram], after: int, error: int) -> None:
        """It is stored, or nothing of it; on a full disk the oldest may go."""
        before = self.model.first
        try:
            with DISK.failing(after, error):
                self.journal.append(batch, SOURCES[1], "7", {"k": "7"})
        except OSError:
            done = False
        else:
            done = True
        first = self.journal.status().first
        assert error == FULL or first == before
        self.model.drop(first - 1)

        def stored(model: JournalModel) -> None:
            model.append(batch, SOURCES[1], "7", {"k": "7"})

        if done:
            stored(self.model)
            self.committed()
        else:
            self.failed(stored)

    @rule(name=st.sampled_from(NAMES), error=st.sampled_from((FULL, BROKEN)), after=st.integers(0, 2))
    def a_cursor_meets_a_failing_disk(self, name: str, error: int, after: int) -> None:
        """What could not be written is not done, and can be done again."""
        back = name in self.live

        def moved(model: JournalModel) -> None:
            there = CursorModel(model.first - 1)
            model.cursors[name] = there if back else model.cursors.get(name, there)

        with failing(after, error) as failed:
            if back:
                self.live[name].rewind(self.model.first)
            else:
                self.live[name] = self.journal.cursor(name)
            moved(self.model)
            self.committed()
        if failed:
            self.failed(moved)

    def teardown(self) -> None:
        super().teardown()
        if hasattr(self, "place"):
            self.place.__exit__(None, None, None)


class SharedMachine(SqliteMachine):
    """Another process writes into the same file, and is killed (-9) now and then."""

    other: "Other | None" = None

    @rule(batch=st.lists(st.tuples(st.integers(0, len(IDENTS) - 1), numbers, numbers), min_size=1, max_size=5))
    def another_appends(self, batch: list[tuple[int, int, int]]) -> None:
        last = self.another().ask(("append", batch))
        self.model.append(made(batch), "other", str(batch), {})
        self.committed()
        assert last == self.model.last

    @rule(batch=st.lists(st.tuples(st.integers(0, len(IDENTS) - 1), numbers, numbers), min_size=1, max_size=5))
    def another_is_killed_while_it_appends(self, batch: list[tuple[int, int, int]]) -> None:
        self.another().pipe.send(("append", batch))
        self.another().kill()
        if self.journal.position("other") == str(batch):
            self.model.append(made(batch), "other", str(batch), {})
        self.committed()

    def another(self) -> "Other":
        if SharedMachine.other is None or not SharedMachine.other.process.is_alive():
            SharedMachine.other = Other()
        SharedMachine.other.ask(("open", str(self.path)))
        return SharedMachine.other

    @precondition(lambda self: False)
    @rule()
    def is_cut_off(self) -> None:
        """Another process has it open: a damaged file is then left to a person."""

    def left_by_the_dead(self) -> Path:
        if SharedMachine.other:
            SharedMachine.other.close()
        return super().left_by_the_dead()

    @classmethod
    def done(cls) -> None:
        """No machine follows."""
        if cls.other:
            cls.other.kill()
            cls.other = None

    def teardown(self) -> None:
        if SharedMachine.other:
            SharedMachine.other.close()
        super().teardown()


class Other:
    """Another process with a journal open."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs,), daemon=True)
        self.process.start()
        theirs.close()

    def ask(self, what: tuple[Any, ...]) -> Any:
        self.pipe.send(what)
        return self.pipe.recv()

    def close(self) -> None:
        """It lets go of the journal."""
        if self.process.is_alive():
            self.ask(("open", ""))

    def kill(self) -> None:
        """It dies, in the middle of whatever it does."""
        self.process.kill()
        self.process.join()
        self.process.close = lambda: None  # type: ignore[method-assign]
        self.pipe.close()


def _serve(pipe: Connection) -> None:
    path, journal = "", None
    while True:
        try:
            what, said = pipe.recv()
        except EOFError:
            return
        if what == "open":
            if said != path:
                if journal:
                    journal.close()
                path, journal = said, SqliteJournal(said, keep=0) if said else None
            pipe.send(0)
        else:
            assert journal
            pipe.send(journal.append(made(said), "other", str(said)))


def made(batch: list[tuple[int, int, int]]) -> list[Data]:
    """Telegrams of numbers: an ident, a time, a value."""
    return [Data(IDENTS[ident], (T0 + time) * SECOND, {"temp": value}) for ident, time, value in batch]


def between(low: int, high: int, share: float) -> int:
    """A whole number from *low* to *high*."""
    return low + round(max(0, high - low) * share)


def replace_none(one: Data) -> Data:
    """Without what is no value: whoever sets something aside has it clean."""
    return Data(one.ident, one.time, {k: v for k, v in one.values.items() if v is not None and v == v}, one.flags)


@contextmanager
def failing(after: int, error: int) -> Any:
    """A disk that fails; what is given is filled when something was raised, and what is behind it not done."""
    failed: list[OSError] = []
    with DISK.failing(after, error):
        try:
            yield failed
        except OSError as raised:
            failed.append(raised)
