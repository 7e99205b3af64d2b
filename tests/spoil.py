"""A journal in which bits have tipped, pages are gone or the end is missing; and what it must still do then."""

import random
from contextlib import suppress
from pathlib import Path
from typing import Any

from mysense.errors import UnavailableError
from mysense.journal import Entry, Parked
from mysense.journal.sqlite import SqliteJournal
from mysense.telegram import SECOND, Data, Ident, Note
from mysense.testing.journal.telegrams import IDENT, OTHER, T0, data

PAGE = 4096


def sound(path: Path) -> bytes:
    """The file of a journal that has something of everything, and is closed."""
    journal = SqliteJournal(path)
    for begin in range(0, 4000, 100):
        batch: list[Any] = [data(n, (IDENT, OTHER)[n % 2], text="x" * 50) for n in range(begin, begin + 100)]
        doubted = Data(IDENT, (T0 + begin) * SECOND, {"temp": 1.0}, {"temp": "doubted"})
        journal.append(
            [*batch, doubted, Note(IDENT, T0 * SECOND, "stuck", "x")], "subscriber:x", str(begin), {"k": "v"}
        )
    cursor = journal.cursor("publisher:a")
    cursor.ack(2000, {"two": Parked(1500, frozenset({OTHER.node}), "no grant", True)}, {"k": "v"})
    cursor.reject(7, "no", data(1))
    journal.close()
    return path.read_bytes()


def spoilt(body: bytes, dice: random.Random) -> bytes:
    """A file that was damaged somehow."""
    bad, page = bytearray(body), dice.randrange(len(body) // PAGE) * PAGE
    match dice.choice(("bits", "bytes", "page", "zeros", "burst", "cut")):
        case "bits":
            bad[dice.randrange(len(bad))] ^= 1 << dice.randrange(8)
        case "bytes":
            for _ in range(dice.choice((1, 5, 50))):
                bad[dice.randrange(len(bad))] = dice.randrange(256)
        case "page":
            bad[page : page + PAGE] = dice.randbytes(PAGE)
        case "zeros":
            bad[page : page + PAGE] = bytes(PAGE)
        case "burst":
            begin, size = dice.randrange(len(bad)), dice.randrange(300)
            bad[begin : begin + size] = dice.randbytes(len(bad[begin : begin + size]))
        case "cut":
            del bad[dice.randrange(len(bad)) :]
    return bytes(bad)


def goes_on(path: Path, body: bytes) -> tuple[str, list[Entry]]:
    """Whether a journal with such a file measures and publishes on, opened once more if it asks for it.

    Says how it went, and gives what it still has; AssertionError, or whatever it raises, if it does not.
    """
    for old in path.parent.iterdir():
        old.unlink()
    path.write_bytes(body)
    journal = SqliteJournal(path)
    how = "set aside at the start" if journal.status().notes else "not noticed, or harmless"
    try:
        return how, _works(journal)
    except UnavailableError:
        if not journal.damaged:
            raise
    journal = SqliteJournal(path)
    assert journal.status().notes
    return "noticed later, and set aside at the next start", _works(journal)


def _works(journal: SqliteJournal) -> list[Entry]:
    try:
        first = journal.append([data(99_999)])
        cursor = journal.cursor("publisher:a")
        entries, after = [], 0
        while page := journal.read(after, 500):
            entries += page
            assert page[-1].seq > after
            after = page[-1].seq
        for _, telegram in entries:
            if not isinstance(telegram, Ident):
                assert isinstance(telegram.time, int)
                assert all(isinstance(name, str) for name in telegram.values)
        assert entries[-1].seq == first
        for lane in cursor.lanes:
            cursor.fetch_parked(lane, 99)
        cursor.fetch(99)
        cursor.ack(first, {})
        journal.rejected()
        assert journal.append([data(99_999.5, OTHER)]) > first
        journal.trim()
        journal.flush()
        if journal.status().notes:
            assert journal.check() in ([], [m for m in journal.check() if "can no longer be read" in m])
        return entries
    finally:
        with suppress(UnavailableError):
            journal.close()
