"""A cursor on the SQLite journal."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from mysense.errors import JournalError
from mysense.journal import Changes, Entry, Parked
from mysense.telegram import Telegram

if TYPE_CHECKING:
    from mysense.journal.sqlite import SqliteJournal


class SqliteCursor:
    """How far one publisher has come. Its acknowledgements are written a little later."""

    def __init__(self, journal: "SqliteJournal", name: str, seq: int, lanes: Mapping[str, Parked]) -> None:
        self._journal, self.name = journal, name
        self._seq, self._lanes = seq, dict(lanes)

    @property
    def seq(self) -> int:
        return self._seq

    @property
    def lanes(self) -> Mapping[str, Parked]:
        return self._lanes

    @property
    def lag(self) -> int:
        first, last = self._journal.bounds()
        waits = [self._seq, *(parked.seq - 1 for parked in self._lanes.values())]
        return max(0, last - max(min(waits), first - 1))

    def state(self) -> dict[str, str]:
        return self._journal.state(f"cursor/{self.name}")

    def fetch(self, limit: int, timeout: float = 0.0) -> list[Entry]:
        if not self._journal.wait(self._seq, timeout):
            if self._seq > self._journal.bounds()[1]:
                raise JournalError(
                    f"[{self.name}] stands at {self._seq}, beyond the end of the journal {self._journal.path}: "
                    "it is not the journal it was; 'mysense journal forget' lets the section begin anew"
                )
            return []
        return self._journal.read(self._seq, limit)

    def fetch_parked(self, lane: str, limit: int) -> list[Entry]:
        parked = self._lanes[lane]
        return self._journal.read_nodes(parked.seq - 1, self._seq, parked.nodes, limit)

    def ack(self, seq: int, lanes: Mapping[str, Parked] | None = None, state: Changes | None = None) -> None:
        self._seq = max(self._seq, seq)
        if lanes is not None:
            self._lanes = dict(lanes)
        self._journal.later(self.name, self._seq, None if lanes is None else self._lanes, state)

    def reject(self, seq: int, reason: str, telegram: Telegram) -> None:
        self._journal.set_aside(self.name, seq, reason, telegram)

    def rewind(self, seq: int) -> None:
        self._journal.rewound(self.name, seq - 1)
        self._seq, self._lanes = seq - 1, {}

    def close(self) -> None:
        try:
            self._journal.flush()
        finally:
            self._journal.locks.release(self.name)


def lane_row(cursor: str, name: str, parked: Parked) -> tuple[object, ...]:
    """A parked lane as a row."""
    return cursor, name, parked.seq, json.dumps(sorted(parked.nodes)), parked.reason, parked.blocked


def lane_of(seq: int, nodes: str, reason: str, blocked: int) -> Parked:
    """The lane of a row."""
    return Parked(seq, frozenset(json.loads(nodes)), reason, bool(blocked))
