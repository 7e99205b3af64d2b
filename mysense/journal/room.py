"""A full disk: what goes, so that there is room for what must be written."""

import logging
import time
from collections.abc import Callable
from math import inf

from mysense.journal.reader import Reader
from mysense.journal.reserve import PAGE, Reserve

TOLD = 3600.0
"""Seconds between two full disks of which one speaks: it is the same one until then."""
STEP = 500
"""Entries that go at once: each step is written before it makes room."""

log = logging.getLogger("mysense")


class Room:
    """Room in the journal's own file. *drop* lets so many entries go, if need be unsent ones; *flush* commits."""

    def __init__(
        self, reserve: Reserve, reader: Reader, drop: Callable[[int, bool], int], flush: Callable[[], None]
    ) -> None:
        self._reserve, self._reader, self._drop, self._flush = reserve, reader, drop, flush
        self._told = -inf

    def make(self) -> None:
        """What all have passed goes, and if that is nothing, the oldest that is unsent."""
        now = time.monotonic()
        log.log(
            logging.WARNING if now - self._told > TOLD else logging.DEBUG,
            "journal: the disk is full; the oldest entries go",
        )
        self._told = now
        self._reserve.give()  # to delete needs room, too
        self._reader.write_wal_back()
        self._flush()  # acknowledgements that wait
        force = self._reader.free() < self._enough() and not self._drop(STEP, False)
        for _ in range(100):
            if self._reader.free() >= self._enough():
                break
            self._drop(STEP, force)
            self._reader.write_wal_back()

    def _enough(self) -> int:
        """Bytes that must be free in the file itself, so that it does not grow again at once."""
        return min(self._reserve.pages * PAGE, self._reader.size() // 10)
