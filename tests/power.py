"""The power is cut while a journal works: every moment of it, and what may be on the disk then.

What the journal writes is recorded. Each prefix of that is a moment at which the power can go.
What was synced before is on the disk; of each sector (512 bytes) written since, the disk has the
version of that moment or any earlier one back to the sync. Files are made, renamed and deleted in
order, as a journalled file system (ext4, xfs, f2fs) does it.
"""

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from mysense.journal.sqlite import SqliteJournal
from mysense.testing.journal.telegrams import IDENT, OTHER, data
from tests.disk import DISK, Event
from tests.journal_model import said

SECTOR = 512
KEPT, LOST = "all that was written is there", "nothing that was not synced is there"
"""Two ends of what may be on the disk: as after a kill -9, and the worst."""


class Known(NamedTuple):
    """What whoever works with the journal knows at a moment: it was acknowledged."""

    last: int
    """The last entry that was appended."""
    passed: int
    """How far the cursor was when it was last flushed."""


class Cut(NamedTuple):
    """The disk after a power cut, and what was acknowledged before it: at all, and before the last sync of the log."""

    moment: int
    how: str
    files: dict[str, bytes]
    known: Known
    synced: Known


@dataclass
class File:
    """What is on the disk for sure, and what was written since."""

    durable: bytes = b""
    pending: list[Event] = field(default_factory=list)

    def now(self) -> bytes:
        """The file as programmes see it."""
        return self._after(self.pending)

    def torn(self, dice: random.Random) -> bytes:
        """The file with some sectors of an earlier moment."""
        share, moments = dice.choice((0.02, 0.5, 0.95)), len(self.pending)
        until: dict[int, int] = {}
        chosen = []
        for moment, event in enumerate(self.pending):
            first = event.offset // SECTOR if event.kind == "write" else -1
            for sector in range(first, max(first, (event.offset + len(event.data) - 1) // SECTOR) + 1):
                if sector not in until:
                    until[sector] = dice.randrange(moments) if dice.random() < share else moments
                if moment < until[sector]:
                    chosen.append(_piece(event, sector))
        return self._after(chosen)

    def _after(self, events: Iterable[Event]) -> bytes:
        body = bytearray(self.durable)
        for event in events:
            if event.kind == "truncate":
                del body[event.offset :]
                continue
            body.extend(bytes(max(0, event.offset - len(body))))
            body[event.offset : event.offset + len(event.data)] = event.data
        return bytes(body)


def _piece(event: Event, sector: int) -> Event:
    if event.kind != "write":
        return event
    begin = max(event.offset, sector * SECTOR)
    end = min(event.offset + len(event.data), (sector + 1) * SECTOR)
    return Event("write", event.path, begin, event.data[begin - event.offset : end - event.offset])


def cuts(events: Iterable[Event], torn: int, seed: int, share: float = 1.0) -> Iterator[Cut]:
    """A cut before each event, or a *share* of them: with all, with nothing unsynced, *torn* times with some of it."""
    files: dict[str, File] = {}
    known = synced = Known(0, 0)
    dice = random.Random(seed)
    for moment, event in enumerate(events):
        if event.kind == "mark":
            known = event.data
            continue
        if share == 1.0 or dice.random() < share:
            yield Cut(moment, KEPT, {path: file.now() for path, file in files.items()}, known, synced)
            yield Cut(moment, LOST, {path: file.durable for path, file in files.items()}, known, synced)
            for number in range(torn if any(file.pending for file in files.values()) else 0):
                how = f"some sectors are older, {number}"
                yield Cut(moment, how, {path: file.torn(dice) for path, file in files.items()}, known, synced)
        if event.kind == "sync":
            file = files.setdefault(event.path, File())
            file.durable, file.pending = file.now(), []
            synced = known if event.path.endswith("-wal") else synced
        elif event.kind == "delete":
            files.pop(event.path, None)
        elif event.kind == "rename":
            files[event.data] = files.pop(event.path, File())
        else:
            files.setdefault(event.path, File()).pending.append(event)


@dataclass
class Work:
    """A journal at work, recorded: entries come, are fetched, acknowledged and dropped; it is closed and opened."""

    durability: str
    events: list[Event] = field(default_factory=list)
    entries: dict[int, tuple[object, ...]] = field(default_factory=dict)
    ends: dict[int, str] = field(default_factory=lambda: {0: ""})
    """After which entries there was a commit, and the position of the source in it."""

    def do(self, path: Path, commits: int, seed: int) -> None:
        """Work with a new journal."""
        dice, known = random.Random(seed), Known(0, 0)
        with DISK.recorded() as self.events:
            journal = self.open(path)
            cursor = journal.cursor("publisher:a")
            for number in range(commits):
                count = dice.choice((1, 1, 1, 2, 20))
                batch = [
                    data(number + n / 100, (IDENT, OTHER)[n % 2], text="x" * dice.randrange(900)) for n in range(count)
                ]
                last = journal.append(batch, "subscriber:b", str(number))
                self.ends[last] = str(number)
                self.entries |= {e.seq: said(e.telegram) for e in journal.read(known.last, 99)}
                DISK.mark(known := known._replace(last=last))
                cursor.ack(dice.randrange(cursor.seq, last + 1), None, {"seq": str(last)})
                if dice.random() < 0.3:
                    journal.flush()
                    DISK.mark(known := known._replace(passed=cursor.seq))
                if dice.random() < 0.1:
                    journal.trim()
                    DISK.mark(known := known._replace(passed=cursor.seq))  # it flushes
                if dice.random() < 0.05:
                    cursor.close()
                    journal.close()
                    journal = self.open(path)
                    cursor = journal.cursor("publisher:a")
            journal.close()

    def open(self, path: Path) -> SqliteJournal:
        """A journal that writes its log back often."""
        journal = SqliteJournal(path, durability=self.durability, keep=0)
        journal._write.execute("PRAGMA wal_autocheckpoint = 30")
        return journal

    def survives(self, cut: Cut, folder: Path) -> None:
        """Whether what is on the disk is a journal, and has what it must have; AssertionError if not."""
        for path, body in cut.files.items():
            (folder / Path(path).name).write_bytes(body)
        sure = cut.known if self.durability == "full" else cut.synced
        journal = SqliteJournal(folder / "journal.db")
        try:
            entries = journal.read(0, 10**6)
            first, last = journal.bounds()
            assert not journal.status().notes, "set aside as damaged"
            assert {e.seq: said(e.telegram) for e in entries} == {
                seq: self.entries[seq] for seq in range(first, last + 1)
            }
            assert last >= sure.last, f"ends at {last}, though {sure.last} was acknowledged"
            assert last in self.ends, f"half a commit: it ends at {last}"
            assert last == 0 or journal.position("subscriber:b") == self.ends[last]
            cursor = journal.cursor("publisher:a")
            assert sure.passed <= cursor.seq <= last
            assert first <= cursor.seq + 1
            if last > first:
                assert journal.append([e.telegram for e in entries[-1:]]) == last, "a repeat was appended"
            assert journal.append([data(10**6)]) > last
            assert journal.check() == []
        finally:
            journal.close()
