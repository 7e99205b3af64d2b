"""The journal in memory: for tests and tryouts, with the same manners as the one on disk."""

import threading
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from mysense.clock import Clock
from mysense.errors import JournalError
from mysense.journal import REPEATS, Boot, Changes, CursorStatus, Dating, Entry, JournalStatus, Parked, Rejected
from mysense.journal import entry_of as entry_of
from mysense.journal.rejected import KEPT
from mysense.telegram import Data, Ident, Note, Telegram, clean, ident_of


class MemoryJournal:
    """Telegrams in a list."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or Clock()
        self._entries: list[Entry] = []
        self._boots: dict[str, Boot] = {}
        self._open: Boot | None = None
        self._boot_of: dict[int, str] = {}  # the entries whose times count from the start of a boot
        self._last = 0
        self._grown = threading.Condition()
        self._cursors: dict[str, MemoryCursor] = {}
        self._held: set[str] = set()
        self._idents: dict[str, Ident] = {}
        self._newest: dict[str, int] = {}
        self._seen: dict[str, deque[tuple[int, str, str, str]]] = {}
        self._states: dict[str, dict[str, str]] = {}
        self._positions: dict[str, str] = {}
        self._rejected: list[Rejected] = []
        self._repeated = 0

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
        with self._grown:
            if boot:
                self._place(boot)
            self._open = boot if boot and boot.dating == Dating.OPEN else None
            for telegram in batch:
                self._take(telegram)
            if position is not None:
                self._positions[source] = position
            change(self._states.setdefault(source, {}), state)
            for reason, what in refused:
                self.set_aside(source, 0, reason, what)
            self._grown.notify_all()
            return self._last

    def _take(self, telegram: Telegram) -> None:
        if isinstance(telegram, Data):
            values = clean(telegram.values)
            if not values:
                return
            seen = self._seen.setdefault(telegram.ident.node, deque(maxlen=REPEATS))
            if (mark := (telegram.time, repr(values), repr(dict(telegram.flags)), telegram.raw)) in seen:
                self._repeated += 1
                return
            seen.append(mark)
            ident = self._announce(telegram.ident, telegram.time, telegram.time)
            node = ident.node
            self._newest[node] = max(telegram.time, self._newest.get(node, telegram.time))
            self._add(replace(telegram, ident=ident, values=values), telegram.time)
        elif isinstance(telegram, Note):
            self._add(replace(telegram, ident=self._announce(telegram.ident, telegram.time, None)), telegram.time)
        else:
            self._announce(telegram, None, None)

    def _announce(self, ident: Ident, time: int | None, since: int | None) -> Ident:
        """The ident to keep with a telegram of this time; an entry for it where it is news. Data says since when."""
        last = self._idents.get(ident.node)
        if last and ident.bare:
            ident = last
        same = last is not None and last.digest == ident.digest
        if last and not same and time is not None and last.since is not None and time < last.since and not self._open:
            return ident  # late data keeps the ident it came with
        kept = last if last and same else ident
        if kept.since is None and since is not None and not self._open:
            kept = replace(kept, since=since)
        self._idents[ident.node] = kept
        if not same:
            self._add(kept, time)
        return kept

    def _add(self, telegram: Telegram, time: int | None) -> None:
        self._last += 1
        self._entries.append(Entry(self._last, telegram))
        if self._open and time is not None and time >= self._open.start:
            self._boot_of[self._last] = self._open.id

    def _place(self, boot: Boot) -> None:
        """Store a start of this machine; what counts from it moves with it."""
        known, self._boots[boot.id] = self._boots.get(boot.id, boot), boot
        by = boot.start - known.start
        for index, (seq, telegram) in enumerate(self._entries):
            if self._boot_of.get(seq) == boot.id and not isinstance(telegram, Ident):
                self._entries[index] = Entry(seq, replace(telegram, time=telegram.time + by))
        for node, seen in self._seen.items() if by else ():
            data = [t for _, t in self._entries if isinstance(t, Data) and t.ident.node == node]
            seen.clear()
            seen.extend((t.time, repr(t.values), repr(dict(t.flags)), t.raw) for t in data)
            self._newest[node] = max((t.time for t in data), default=self._newest[node])

    def _read(self, entry: Entry) -> Entry:
        boot = self._boot_of.get(entry.seq)
        return entry_of(*entry, self._boots[boot].dating) if boot else entry

    def boots(self) -> list[Boot]:
        return list(self._boots.values())

    def position(self, source: str) -> str:
        return self._positions.get(source, "")

    def state(self, source: str) -> dict[str, str]:
        return dict(self._states.get(source, {}))

    def ident(self, node: str) -> Ident | None:
        return self._idents.get(node)

    def newest(self, node: str) -> int | None:
        return self._newest.get(node)

    def hold(self, section: str) -> None:
        if section in self._held:
            raise JournalError(f"another worker holds [{section}]")
        self._held.add(section)

    def release(self, section: str) -> None:
        self._held.discard(section)

    def cursor(self, name: str, start: str = "oldest") -> "MemoryCursor":
        self.hold(name)
        if name not in self._cursors:
            self._cursors[name] = MemoryCursor(self, name, self._last if start == "now" else self._first() - 1)
        return self._cursors[name]

    def _first(self) -> int:
        return self._entries[0].seq if self._entries else self._last + 1

    def read(self, after: int, limit: int) -> list[Entry]:
        with self._grown:
            begin = max(0, after + 1 - self._first())
            return [self._read(entry) for entry in self._entries[begin : begin + limit]]

    def wait(self, after: int, timeout: float) -> bool:
        with self._grown:
            return self._grown.wait_for(lambda: self._last > after, timeout)

    def set_aside(self, section: str, seq: int, reason: str, telegram: Telegram) -> None:
        """Keep what was refused."""
        kept = self._rejected
        number = kept[-1].number + 1 if kept else 1
        kept.append(Rejected(number, section, seq, self._clock.now(), reason, telegram))
        mine = [each.number for each in kept if each.cursor == section] if len(kept) > KEPT else []
        if len(mine) > KEPT:
            self._rejected = [r for r in kept if r.cursor != section or r.number > mine[-KEPT - 1]]

    def rejected(self, cursor: str | None = None, limit: int = 1000) -> list[Rejected]:
        return [r for r in self._rejected if cursor in (None, r.cursor)][:limit]

    def drop_rejected(self, numbers: Iterable[int]) -> None:
        gone = set(numbers)
        self._rejected = [r for r in self._rejected if r.number not in gone]

    def forget(self, cursor: str) -> None:
        self.hold(cursor)
        self._cursors.pop(cursor, None)
        self._rejected = [r for r in self._rejected if r.cursor != cursor]
        self._held.discard(cursor)

    def trim(self) -> int:
        low = min((min([c.seq, *(p.seq - 1 for p in c.lanes.values())]) for c in self._cursors.values()), default=0)
        before = len(self._entries)
        self._entries = [entry for entry in self._entries if entry.seq > low]
        return before - len(self._entries)

    def status(self) -> JournalStatus:
        cursors = tuple(
            CursorStatus(c.name, c.seq, c.lag, c.lanes, len(self.rejected(c.name)), 0, 0, c.name not in self._held)
            for c in self._cursors.values()
        )
        return JournalStatus(
            "memory", "", self._first(), self._last, 0, None, None, self._repeated, 0, self._clock.now(), cursors
        )

    damaged = False

    def check(self) -> list[str]:
        return []

    def stalled(self) -> float:
        return 0.0

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self._held.clear()


class MemoryCursor:
    """A cursor of a journal in memory."""

    def __init__(self, journal: MemoryJournal, name: str, seq: int) -> None:
        self._journal, self.name, self._seq = journal, name, seq
        self._lanes: dict[str, Parked] = {}
        self._state: dict[str, str] = {}

    @property
    def seq(self) -> int:
        return self._seq

    @property
    def lanes(self) -> Mapping[str, Parked]:
        return dict(self._lanes)

    @property
    def lag(self) -> int:
        behind = [self._seq, *(parked.seq - 1 for parked in self._lanes.values())]
        return self._journal._last - max(min(behind), self._journal._first() - 1)

    def state(self) -> dict[str, str]:
        return dict(self._state)

    def fetch(self, limit: int, timeout: float = 0.0) -> list[Entry]:
        if self._seq > self._journal._last:
            raise JournalError(f"cursor {self.name} stands at {self._seq}, beyond the journal's end")
        self._journal.wait(self._seq, timeout)
        return self._journal.read(self._seq, limit)

    def fetch_parked(self, lane: str, limit: int) -> list[Entry]:
        parked = self._lanes[lane]
        found = [e for e in self._journal._entries if parked.seq <= e.seq <= self._seq]
        return [self._journal._read(e) for e in found if ident_of(e.telegram).node in parked.nodes][:limit]

    def ack(self, seq: int, lanes: Mapping[str, Parked] | None = None, state: Changes | None = None) -> None:
        self._seq = max(self._seq, seq)
        if lanes is not None:
            self._lanes = dict(lanes)
        change(self._state, state)

    def reject(self, seq: int, reason: str, telegram: Telegram) -> None:
        self._journal.set_aside(self.name, seq, reason, telegram)

    def rewind(self, seq: int) -> None:
        self._seq, self._lanes, self._state = seq - 1, {}, {}

    def close(self) -> None:
        self._journal._held.discard(self.name)


def change(state: dict[str, str], changes: Changes | None) -> None:
    """Apply changes to a state."""
    for key, value in (changes or {}).items():
        if value is None:
            state.pop(key, None)
        else:
            state[key] = value
