"""What a journal promises, as a list: the model that every back end is compared with."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from mysense.journal import REPEATS, Entry, Journal, Parked
from mysense.telegram import Data, Ident, Note, Telegram, clean, ident_of
from mysense.wire import UNREADABLE

Said = tuple[object, ...]


def said(telegram: Telegram) -> Said:
    """All that a telegram says, to be compared: 1, 1.0 and True are different values."""
    match telegram:
        case Ident():
            return ("ident", telegram.node, telegram.digest, telegram.since)
        case Data():
            return ("data", *_under(telegram.ident), telegram.time, _values(telegram.values), dict(telegram.flags))
        case Note():
            return ("note", *_under(telegram.ident), telegram.time, telegram.kind, telegram.text,
                    _values(telegram.values))  # fmt: skip


def _under(ident: Ident) -> Said:
    return ident.node, ident.digest, ident.since


def _values(values: Mapping[str, object]) -> list[tuple[str, str]]:
    return [(name, repr(value)) for name, value in values.items()]


@dataclass
class CursorModel:
    """Where a publisher stands."""

    seq: int
    lanes: dict[str, Parked] = field(default_factory=dict)
    state: dict[str, str] = field(default_factory=dict)


@dataclass
class JournalModel:
    """Telegrams in a list, with their numbers."""

    entries: list[Entry] = field(default_factory=list)
    last: int = 0
    idents: dict[str, Ident] = field(default_factory=dict)
    newest: dict[str, int] = field(default_factory=dict)
    seen: dict[str, deque[str]] = field(default_factory=dict)
    repeated: int = 0
    positions: dict[str, str] = field(default_factory=dict)
    states: dict[str, dict[str, str]] = field(default_factory=dict)
    cursors: dict[str, CursorModel] = field(default_factory=dict)
    rejected: list[tuple[str, int, str, Said]] = field(default_factory=list)

    def copy(self) -> JournalModel:
        """The same, on its own from now on."""
        return copy.deepcopy(self)

    def __deepcopy__(self, memo: dict[int, object]) -> JournalModel:
        return JournalModel(
            list(self.entries), self.last, dict(self.idents), dict(self.newest),
            {node: deque(seen, REPEATS) for node, seen in self.seen.items()}, self.repeated, dict(self.positions),
            {name: dict(state) for name, state in self.states.items()},
            {n: CursorModel(c.seq, dict(c.lanes), dict(c.state)) for n, c in self.cursors.items()},
            list(self.rejected),
        )  # fmt: skip

    @property
    def first(self) -> int:
        """The number of the oldest entry, or of the next one."""
        return self.entries[0].seq if self.entries else self.last + 1

    # Appending

    def append(
        self,
        telegrams: Iterable[Telegram],
        source: str,
        position: str | None,
        state: Mapping[str, str | None],
        refused: Iterable[tuple[str, Telegram]] = (),
    ) -> None:
        for telegram in telegrams:
            self._take(telegram)
        if position is not None:
            self.positions[source] = position
        change(self.states.setdefault(source, {}), state)
        self.rejected += [(source, 0, reason, said(what)) for reason, what in refused]

    def _take(self, telegram: Telegram) -> None:
        ident = ident_of(telegram)
        if isinstance(telegram, Data):
            telegram = replace_values(telegram)
            if not telegram.values:
                return
            seen = self.seen.setdefault(ident.node, deque(maxlen=REPEATS))
            mark = repr((telegram.time, _values(telegram.values), dict(telegram.flags)))
            if mark in seen:
                self.repeated += 1
                return
            seen.append(mark)
            self.newest[ident.node] = max(telegram.time, self.newest.get(ident.node, telegram.time))
        time = telegram.time if isinstance(telegram, Data) else None  # only data says since when
        last = self.idents.get(ident.node)
        if last and (last.digest == ident.digest or ident.bare):
            if last.since is None and time is not None:
                last = self.idents[ident.node] = replace(last, since=time)
            if not isinstance(telegram, Ident):
                self._add(replace_ident(telegram, last))
            return
        late = last and last.since is not None and not isinstance(telegram, Ident) and telegram.time < last.since
        if not late:
            if ident.since is None and time is not None:
                ident = replace(ident, since=time)
            self.idents[ident.node] = ident
            self._add(ident)
        if not isinstance(telegram, Ident):
            self._add(replace_ident(telegram, ident))

    def _add(self, telegram: Telegram) -> None:
        self.last += 1
        self.entries.append(Entry(self.last, telegram))

    # Reading

    def after(self, seq: int, limit: int) -> list[Entry]:
        begin = max(0, seq + 1 - self.first)
        return self.entries[begin : begin + limit]

    def parked(self, name: str, lane: str, limit: int) -> list[Entry]:
        cursor = self.cursors[name]
        parked = cursor.lanes[lane]
        found = [e for e in self.entries if parked.seq <= e.seq <= cursor.seq]
        return [e for e in found if ident_of(e.telegram).node in parked.nodes][:limit]

    def waits(self, cursor: CursorModel) -> int:
        """The number behind which everything is still to be delivered."""
        return max(min([cursor.seq, *(p.seq - 1 for p in cursor.lanes.values())]), self.first - 1)

    # Dropping

    def drop(self, upto: int) -> None:
        """Entries up to a number are gone; who had not passed them goes on behind them."""
        self.entries = [e for e in self.entries if e.seq > upto]
        for cursor in self.cursors.values():
            cursor.seq = max(cursor.seq, upto)
            cursor.lanes = {n: replace(p, seq=max(p.seq, upto + 1)) for n, p in cursor.lanes.items()}

    def differs(self, journal: Journal) -> str:
        """Where a journal says something else than this; empty if nowhere."""
        status = journal.status()
        held = {c.name: (self._at(c.seq), self._there(c.lanes), c.lag) for c in status.cursors}
        rejected = [(r.cursor, r.seq, r.reason, said(r.telegram)) for r in journal.rejected(None, 10**6)]
        compared = {
            "bounds": ((status.first, status.last), (self.first, self.last)),
            "entries": (plain(journal.read(0, 10**6)), plain(self.entries)),
            "positions": ({s: journal.position(s) for s in self.positions}, self.positions),
            "states": ({s: journal.state(s) for s in self.states}, self.states),
            "idents": ({n: journal.ident(n) for n in self.idents}, self.idents),
            "newest": ({n: journal.newest(n) for n in self.idents}, {n: self.newest.get(n) for n in self.idents}),
            "cursors": (
                held,
                {
                    n: (self._at(c.seq), self._there(c.lanes), self.last - self.waits(c))
                    for n, c in self.cursors.items()
                },
            ),
            "rejected": (rejected, self.rejected),
            "check": (journal.check(), self.check()),
        }
        return "\n".join(f"{what}: {one!r}\n is to be {two!r}" for what, (one, two) in compared.items() if one != two)

    def check(self) -> list[str]:
        """What is to be said of entries that were damaged so that SQLite does not see it."""
        count = sum(is_unreadable(t) for _, t in self.entries if not isinstance(t, Ident))
        text = f"{count} entries can no longer be read; they are published as text called 'unreadable'"
        return [text] if count else []

    def _at(self, seq: int) -> int:
        """A number that a cursor has passed; behind a gap that damage left it may be any within."""
        return max(seq, self.first - 1)

    def _there(self, lanes: Mapping[str, Parked]) -> dict[str, Parked]:
        """Lanes, from the first entry on that is still there."""
        return {name: replace(parked, seq=max(parked.seq, self.first)) for name, parked in lanes.items()}


def is_unreadable(telegram: Telegram) -> bool:
    """Whether it stands for one that was damaged."""
    match telegram:
        case Data():
            return UNREADABLE in telegram.values
        case Note():
            return telegram.kind == UNREADABLE
        case Ident():
            return telegram.label == UNREADABLE


def plain(entries: Iterable[Entry]) -> list[tuple[int, Said]]:
    """Entries as something that can be compared."""
    return [(seq, said(telegram)) for seq, telegram in entries]


def replace_values(data: Data) -> Data:
    return Data(data.ident, data.time, clean(data.values), data.flags)


def replace_ident(telegram: Data | Note, ident: Ident) -> Data | Note:
    if isinstance(telegram, Data):
        return Data(ident, telegram.time, telegram.values, telegram.flags)
    return Note(ident, telegram.time, telegram.kind, telegram.text, telegram.values)


def change(state: dict[str, str], changes: Mapping[str, str | None]) -> None:
    """Apply changes to a state."""
    for key, value in changes.items():
        if value is None:
            state.pop(key, None)
        else:
            state[key] = value
