"""A journal and its cursors in numbers, as its file has them."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from mysense.journal import CursorStatus, JournalStatus
from mysense.journal.locks import Locks
from mysense.journal.reader import Reader


def status(
    reader: Reader, locks: Locks, *, path: Path, repeated: int, written: int, since: int, notes: Iterable[str]
) -> JournalStatus:
    """All of it; what the file does not tell is given."""
    first, last = reader.bounds()
    [(number,)] = reader.query("SELECT value FROM meta WHERE key = 'id'")
    oldest = reader.query("SELECT time FROM dated WHERE kind > 0 ORDER BY seq LIMIT 1")
    newest = reader.query("SELECT time FROM dated WHERE kind > 0 ORDER BY seq DESC LIMIT 1")
    return JournalStatus(
        str(number), str(path), first, last, reader.size(), oldest[0][0] if oldest else None,
        newest[0][0] if newest else None, repeated, written, since, tuple(_cursors(reader, locks)), tuple(notes),
    )  # fmt: skip


def _cursors(reader: Reader, locks: Locks) -> Iterator[CursorStatus]:
    first, last = reader.bounds()
    for name, seq, rejected, lost, seen in reader.query("SELECT name, seq, rejected, lost, seen FROM cursor"):
        lanes = reader.lanes(name)
        waits = max(min([seq, *(parked.seq - 1 for parked in lanes.values())]), first - 1)
        yield CursorStatus(name, seq, max(0, last - waits), lanes, rejected, lost, seen, not locks.held(name))
