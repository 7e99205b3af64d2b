"""Where the targets of the fuzzer leave things: a journal, and a log that nobody reads."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from mysense import wire
from mysense.journal.sqlite import SqliteJournal
from mysense.telegram import SECOND, Telegram

NOW = 1_700_000_000 * SECOND


@contextmanager
def journal(folder: Path) -> Iterator[Callable[[Sequence[Telegram]], None]]:
    """What takes telegrams: a journal, which must give them back, and whose lines others can read."""
    kept = SqliteJournal(folder / "journal.db", durability="normal", max_size=10**8)
    try:

        def take(telegrams: Sequence[Telegram]) -> None:
            last = kept.status().last
            kept.append(list(telegrams), "fuzz")
            lines = [wire.encode(each.telegram) for each in kept.read(last, 10_000)]
            assert all(line.isascii() or line.encode() for line in lines)
            list(wire.decode(lines))

        yield take
    finally:
        kept.close()


@contextmanager
def quiet(name: str) -> Iterator[list[str]]:
    """No log of what is passed over; what is told as an error is in the list."""
    log, bugs = logging.getLogger(name), []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.levelno >= logging.ERROR:
                bugs.append(self.format(record))

    handler = Handler()
    log.addHandler(handler)
    before, log.propagate = log.propagate, False
    try:
        yield bugs
    finally:
        log.removeHandler(handler)
        log.propagate = before
