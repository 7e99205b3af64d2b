"""Room on the disk that is kept for bad days: SQLite cannot even delete on a full one."""

import os
from pathlib import Path

SIZE = 1_000_000
"""Bytes of the reserve, or a fiftieth of what the journal may take if that is less."""


class Reserve:
    """A file of zeros beside the journal."""

    def __init__(self, journal: Path, max_size: int) -> None:
        self._path = journal.with_name(f"{journal.name}.reserve")
        self._size = min(SIZE, max_size // 50)
        self.take()

    def take(self) -> None:
        """Take the room, if it is there."""
        if self._path.exists():
            return
        room = os.statvfs(self._path.parent)
        if room.f_bavail * room.f_frsize < self._size:
            return
        try:
            with self._path.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, self._size)
        except OSError:  # not on this file system: then there is none
            self._path.unlink(missing_ok=True)

    def give(self) -> bool:
        """Give the room back; whether there was any."""
        if not self._path.exists():
            return False
        self._path.unlink(missing_ok=True)
        return True
