"""One worker for each section: locks on bytes of a file beside the journal.

They are the kernel's (fcntl), so they vanish with the process, however it ends.
"""

import fcntl
import os
import struct
import threading
from hashlib import blake2b
from pathlib import Path

from mysense.errors import JournalError

_ALL: dict[str, set[str]] = {}
"""What this process holds, by file: the kernel's locks are between processes only."""


_PRESENT = 2**33
"""The byte that every process locks that has the journal open."""


class Locks:
    """The sections that this process holds."""

    def __init__(self, journal: Path) -> None:
        self._path = journal.with_name(journal.name + ".locks")
        self._held: set[str] = set()
        self._file: int | None = None
        self._mutex = threading.Lock()

    def enter(self) -> None:
        """Tell others that this process has the journal open."""
        with self._mutex:
            fcntl.lockf(self._open(), fcntl.LOCK_SH, 1, _PRESENT)

    def alone(self) -> bool:
        """Whether no other process has the journal open."""
        try:
            fcntl.lockf(self._open(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _PRESENT)
        except OSError:
            return False
        fcntl.lockf(self._open(), fcntl.LOCK_SH, 1, _PRESENT)
        return True

    def _open(self) -> int:
        if self._file is None:
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660)
        return self._file

    def hold(self, section: str) -> None:
        """Take a section, or raise JournalError saying who has it."""
        with self._mutex:
            if section in _ALL.setdefault(str(self._path.absolute()), set()):
                raise JournalError(f"[{section}] is already at work in this process")
            try:
                fcntl.lockf(self._open(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _byte(section))
            except OSError:
                pid = self._owner(section)
                raise JournalError(f"[{section}] is already at work in process {pid}; stop that first") from None
            self._held.add(section)
            _ALL[str(self._path.absolute())].add(section)

    def release(self, section: str) -> None:
        """Give a section free."""
        with self._mutex:
            if section in self._held and self._file is not None:
                fcntl.lockf(self._file, fcntl.LOCK_UN, 1, _byte(section))
                self._held.discard(section)
                _ALL[str(self._path.absolute())].discard(section)

    def held(self, section: str) -> bool:
        """Whether any process holds a section."""
        if section in _ALL.get(str(self._path.absolute()), ()):
            return True
        try:
            return self._owner(section) != 0
        except OSError:
            return False

    def close(self) -> None:
        """Give everything free."""
        with self._mutex:
            if self._file is not None:
                os.close(self._file)
            self._file = None
            _ALL.get(str(self._path.absolute()), set()).difference_update(self._held)
            self._held.clear()

    def _owner(self, section: str) -> int:
        """The process that holds a section, 0 for none."""
        file = os.open(self._path, os.O_RDWR | os.O_CLOEXEC) if self._file is None else self._file
        try:
            asked = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, _byte(section), 1, 0)
            kind, _, _, _, pid = struct.unpack("hhqqi4x", fcntl.fcntl(file, fcntl.F_GETLK, asked))
            return 0 if kind == fcntl.F_UNLCK else int(pid)
        finally:
            if file != self._file:
                os.close(file)


def _byte(section: str) -> int:
    return int.from_bytes(blake2b(section.encode(), digest_size=4).digest(), "big")
