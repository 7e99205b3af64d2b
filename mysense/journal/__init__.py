"""The journal: telegrams in at one end, one cursor for each publisher at the other.

What every back end promises, and ``mysense.testing.JournalContract`` tests:

* ``append`` returns when the telegrams, the position of their source and the state of its
  processors are on disk: all of them, or, when it raises, none.
* Entries are numbered from 1 in the order of their commit; a number is never used again,
  also after a trim and in a file that replaced a damaged one.
* A cursor moves only by ``ack`` and ``reject``. What was not acknowledged comes again.
  It is keyed by the name of its section and never by options.
* Each distinct ident is stored once. An ident entry is appended, before the data that
  brings it, only when it differs from the last of its node; data that is older than that
  keeps the ident it came with and brings no entry. An ident that says no more than a name
  never differs.
* A data telegram that equals, in time, values and flags, one of the last 1,000 of its node is a
  repeat: it is confirmed and counted, and not appended.
* What was measured before the time of day was known is kept with the time since the machine
  was started (``Boot``), and is read with the time of day as soon as that is known. Entries
  are never rewritten and never change their order.
* Several processes may use one file at the same time.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import NamedTuple, Protocol

from mysense.telegram import Data, Ident, Telegram

Changes = Mapping[str, str | None]
"""State to store by key; None deletes the key."""

REPEATS = 1000
"""How many data telegrams of a node are remembered, to know a repeat."""


class Entry(NamedTuple):
    """One telegram in the journal and its number."""

    seq: int
    telegram: Telegram


class Undated(Entry):
    """An entry with an estimate for a time, because the clock is not set yet; read later, it has the right one."""


NOT_SET = "the clock was not set; the time is an estimate"
"""Why the time of data is doubted."""


class Dating(IntEnum):
    """What is known of the time of day at which a machine was started."""

    OPEN = 0
    """An estimate, until the clock is set."""
    SET = 1
    """The clock was set: all that was measured before has its right time."""
    OVER = 2
    """The machine was switched off before that: the estimate stays."""


class Boot(NamedTuple):
    """One start of a machine whose clock was not set then; *start* is when (ns, whole seconds) that was."""

    id: str
    start: int
    dating: Dating = Dating.OPEN


def entry_of(seq: int, telegram: Telegram, dating: int) -> Entry:
    """The entry of a telegram of a start at which the clock was not set; where its time is an estimate, it says so."""
    if dating == Dating.SET:
        return Entry(seq, telegram)
    if isinstance(telegram, Data):
        telegram = replace(telegram, flags={**telegram.flags, "time": NOT_SET})
    return (Undated if dating == Dating.OPEN else Entry)(seq, telegram)


class Rejected(NamedTuple):
    """A telegram that was set aside: by which cursor, why, and when (ns).

    Or, by a subscriber's section, a note of something that is no telegram; *seq* is 0 then.
    """

    number: int
    cursor: str
    seq: int
    time: int
    reason: str
    telegram: Telegram


@dataclass(frozen=True)
class Parked:
    """A lane that a cursor left behind.

    Everything of the lane from *seq* on (inclusive) is still to be delivered. A *blocked*
    lane waits for an operator. *nodes* are the nodes whose telegrams went to the lane.
    """

    seq: int
    nodes: frozenset[str]
    reason: str
    blocked: bool = False


@dataclass(frozen=True)
class CursorStatus:
    """Where one cursor stands. *seen* is when (ns) a worker last held it."""

    name: str
    seq: int
    lag: int
    lanes: Mapping[str, Parked]
    rejected: int
    lost: int
    seen: int
    orphan: bool


@dataclass(frozen=True)
class JournalStatus:
    """The journal in numbers; *written* is bytes written to disk by this process since *since* (ns)."""

    id: str
    path: str
    first: int
    last: int
    bytes: int
    oldest: int | None
    newest: int | None
    repeated: int
    written: int
    since: int
    cursors: tuple[CursorStatus, ...] = ()
    notes: tuple[str, ...] = field(default=())


class Cursor(Protocol):
    """How far one publisher has come. Survives a restart."""

    name: str

    @property
    def seq(self) -> int:
        """The number up to which everything is delivered, set aside or parked."""

    @property
    def lanes(self) -> Mapping[str, Parked]:
        """The lanes left behind, by name."""

    @property
    def lag(self) -> int:
        """How many numbers are still to be passed, the parked lanes counted from their start."""

    def state(self) -> dict[str, str]:
        """The state last committed with this cursor."""

    def fetch(self, limit: int, timeout: float = 0.0) -> list[Entry]:
        """The next entries not yet passed, *limit* at most; waits *timeout* seconds for the first.

        Raises JournalError when the cursor stands beyond the end of the journal.
        """

    def fetch_parked(self, lane: str, limit: int) -> list[Entry]:
        """The next entries of the nodes of a parked lane, from its seq up to this cursor's.

        Entries of those nodes that went to another lane are among them; the caller leaves
        them out.
        """

    def ack(self, seq: int, lanes: Mapping[str, Parked] | None = None, state: Changes | None = None) -> None:
        """Pass everything up to *seq*; store *lanes* (all that are parked now) and *state* with it.

        A *seq* below the cursor's own moves nothing back. May be written a little later,
        together with other commits: after a crash a few entries may come again.
        """

    def reject(self, seq: int, reason: str, telegram: Telegram) -> None:
        """Set *telegram*, as it was after the processors, aside with the reason; moves nothing."""

    def rewind(self, seq: int) -> None:
        """Go back so that *seq* is the next entry; forgets lanes and state."""

    def close(self) -> None:
        """Give the section free for another worker."""


class Journal(Protocol):
    """The durable log. Safe to use from several threads."""

    def append(
        self,
        telegrams: Iterable[Telegram],
        source: str = "",
        position: str | None = None,
        state: Changes | None = None,
        refused: Sequence[tuple[str, Telegram]] = (),
        boot: Boot | None = None,
    ) -> int:
        """Store all, or none, and return the number of the last entry there is.

        *source* is the section that the telegrams came from; its *position* and *state*
        are stored with them. Also without telegrams. What the source *refused* to take for
        telegrams, each with the reason, goes to the rejected.

        *boot* is stored in the same way. While it is open, times from its start on are kept as
        times since that start: they move with it when the next append brings a better one.
        """

    def boots(self) -> list[Boot]:
        """The starts of this machine at which the clock was not set, oldest first."""

    def position(self, source: str) -> str:
        """The position last stored for *source*, empty if none was."""

    def state(self, source: str) -> dict[str, str]:
        """The state last stored for *source*."""

    def ident(self, node: str) -> Ident | None:
        """The newest ident of *node*."""

    def newest(self, node: str) -> int | None:
        """The latest time (ns) of any data of *node*."""

    def hold(self, section: str) -> None:
        """Keep other workers, here and in other processes, off a section; JournalError when one has it."""

    def release(self, section: str) -> None:
        """Give a section free that ``hold`` took; a cursor does so when it is closed."""

    def cursor(self, name: str, start: str = "oldest") -> Cursor:
        """The cursor of a section; a new one stands before the oldest entry, or at the end (``now``).

        Raises JournalError when another worker holds it.
        """

    def read(self, after: int, limit: int) -> list[Entry]:
        """Entries numbered above *after*, for whoever only looks."""

    def wait(self, after: int, timeout: float) -> bool:
        """Wait until there is an entry above *after*, *timeout* seconds at most; whether there is."""

    def rejected(self, cursor: str | None = None, limit: int = 1000) -> list[Rejected]:
        """What was set aside, oldest first."""

    def drop_rejected(self, numbers: Iterable[int]) -> None:
        """Forget telegrams that were set aside (they were delivered after all, or given up)."""

    def forget(self, cursor: str) -> None:
        """Forget a cursor that no section uses any more."""

    def trim(self) -> int:
        """Drop what retention no longer keeps; the number of entries dropped."""

    def status(self) -> JournalStatus:
        """The journal and all cursors in numbers."""

    @property
    def damaged(self) -> bool:
        """Whether it was found to be damaged while in use; opened again, it goes on with what can be read of it."""

    def check(self) -> list[str]:
        """Everything that is wrong with the journal, in sentences; takes its time."""

    def flush(self) -> None:
        """Write what waits to be written."""

    def stalled(self) -> float:
        """For how many seconds the write that is under way has not come to an end; 0 when none is."""

    def close(self) -> None:
        """Flush and let go."""
