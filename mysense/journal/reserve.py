"""Room on the disk that is kept for bad days: SQLite cannot even delete on a full one."""

import os
from pathlib import Path

SIZE = 4_000_000
"""Bytes of the reserve, or a 25th of what the journal may take if that is less."""
PAGE = 4096
"""Bytes of a page of SQLite."""


class Reserve:
    """A file of zeros beside the journal."""

    def __init__(self, journal: Path, max_size: int) -> None:
        self._path = journal.with_name(f"{journal.name}.reserve")
        self.size = min(SIZE, max_size // 25)
        """Bytes that it has where the disk has them."""
        self.pages = max(25, self.size // 2 // PAGE)
        """How many pages may wait in the write-ahead log: the reserve must hold them, and a commit beside,
        since on a full disk nothing can be deleted before they are in the file, which may grow by all of them."""
        self.take()

    def take(self, part: bool = False) -> None:
        """Take the room, if it is there; with *part*, three quarters of what there is, if that is less."""
        if self._path.exists():
            return
        size, room = self.size, self.room()
        if part:
            size = min(size, room // 4 * 3)
        if size > room or not size:
            return
        try:
            with self._path.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, size)
        except OSError:  # not on this file system: then there is none
            self._path.unlink(missing_ok=True)

    def room(self) -> int:
        """Bytes that are left on the disk."""
        disk = os.statvfs(self._path.parent)
        return disk.f_bavail * disk.f_frsize

    def short(self) -> bool:
        """Whether less is left than there would be in the reserve."""
        return self.room() < self.size

    def give(self) -> bool:
        """Give the room back; whether there was any."""
        if not self._path.exists():
            return False
        self._path.unlink(missing_ok=True)
        return True
