"""A disk under SQLite that remembers each write and each sync, and that can be full or broken.

SQLite reaches files through a table of functions, its VFS. Here the usual one is used, with
five functions of it replaced by ours, which note what is asked, and then ask the original.
So the writes are those of Python's own sqlite3 and not those of a stand-in.
"""

import _sqlite3
import ctypes
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import CFUNCTYPE, POINTER, Structure, c_char_p, c_int, c_int64, c_void_p, cast, string_at
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

FULL = 13
"""SQLite's word for a disk that is full."""
BROKEN = 10 | 3 << 8
"""And for a write that failed otherwise, as when a stick is pulled out."""


class Event(NamedTuple):
    """What was done to a file: write, truncate (to *offset*), sync, delete, rename; or a *mark* of the test's own."""

    kind: str
    path: str = ""
    offset: int = 0
    data: Any = b""


@contextmanager
def memory() -> Iterator[Path]:
    """A folder in memory, where a sync costs nothing, if this machine has such a place."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as name:
        yield Path(name)


_Open = CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_int, c_void_p)
_Delete = CFUNCTYPE(c_int, c_void_p, c_char_p, c_int)
_Close = CFUNCTYPE(c_int, c_void_p)
_Write = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int, c_int64)
_Truncate = CFUNCTYPE(c_int, c_void_p, c_int64)
_Sync = CFUNCTYPE(c_int, c_void_p, c_int)


class _Vfs(Structure):
    """``sqlite3_vfs`` of sqlite3.h, as far as it is used."""

    _fields_: ClassVar = [
        ("version", c_int),
        ("size", c_int),
        ("longest", c_int),
        ("next", c_void_p),
        ("name", c_char_p),
        ("data", c_void_p),
        ("open", _Open),
        ("delete", _Delete),
        ("rest", c_void_p * 14),
    ]


class _Methods(Structure):
    """``sqlite3_io_methods`` of sqlite3.h."""

    _fields_: ClassVar = [
        ("version", c_int),
        ("close", _Close),
        ("read", c_void_p),
        ("write", _Write),
        ("truncate", _Truncate),
        ("sync", _Sync),
        ("rest", c_void_p * 13),
    ]


class Disk:
    """What happened to files, in order. There is one in a process, for SQLite has one."""

    def __init__(self) -> None:
        self._sqlite = ctypes.CDLL(getattr(_sqlite3, "__file__", None))
        self._sqlite.sqlite3_vfs_find.restype = POINTER(_Vfs)
        self.events: list[Event] = []
        self.recording = False
        self._left: int | None = None
        self._error = 0
        self._lock = threading.Lock()
        self._paths: dict[int, tuple[str, _Methods]] = {}
        self._tables: dict[int, tuple[_Methods, _Methods]] = {}
        self._usual = self._sqlite.sqlite3_vfs_find(None)
        usual = self._usual.contents
        self._ours = _Vfs.from_buffer_copy(usual)
        self._ours.name = b"looked-at"
        self._ours.open, self._ours.delete = _Open(self._open), _Delete(self._delete)
        self._calls = _Close(self._close), _Write(self._write), _Truncate(self._truncate), _Sync(self._sync)
        sys.addaudithook(self._renamed)

    @contextmanager
    def used(self) -> Iterator["Disk"]:
        """Connections that are opened inside are looked at, also after this has ended."""
        self._sqlite.sqlite3_vfs_register(ctypes.byref(self._ours), 1)
        try:
            yield self
        finally:
            self._sqlite.sqlite3_vfs_register(self._usual, 1)

    @contextmanager
    def recorded(self) -> Iterator[list[Event]]:
        """The events of the time inside."""
        self.events, self.recording = [], True
        try:
            with self.used():
                yield self.events
        finally:
            self.recording = False

    @contextmanager
    def failing(self, after: int = 0, error: int = FULL) -> Iterator[None]:
        """Every write, truncation and sync fails, from the one after *after* more on, until this has ended."""
        with self._lock:
            self._left, self._error = after, error
        try:
            yield
        finally:
            with self._lock:
                self._left = None

    def mark(self, what: object) -> None:
        """Remember, between the events, what the test knows now."""
        self._note(Event("mark", "", 0, what))

    def _note(self, event: Event) -> None:
        with self._lock:
            if self.recording:
                self.events.append(event)

    def _fails(self) -> int:
        with self._lock:
            if self._left is None:
                return 0
            self._left -= 1
            return self._error if self._left < 0 else 0

    def _renamed(self, event: str, said: tuple[Any, ...]) -> None:
        if self.recording and event == "os.rename":
            self._note(Event("rename", str(said[0]), 0, str(said[1])))
        elif self.recording and event == "os.remove":
            self._note(Event("delete", str(said[0])))

    # What SQLite calls

    def _open(self, vfs: int, name: int, file: int, flags: int, out: int) -> int:
        result = self._usual.contents.open(cast(self._usual, c_void_p), name, file, flags, out)
        table = c_void_p.from_address(file)
        if result or not name or not table.value:
            return int(result)
        if table.value not in self._tables:
            usual = _Methods.from_address(table.value)
            ours = _Methods.from_buffer_copy(usual)
            ours.close, ours.write, ours.truncate, ours.sync = self._calls
            self._tables[table.value] = usual, ours
        usual, ours = self._tables[table.value]
        self._paths[file] = string_at(name).decode(), usual
        table.value = ctypes.addressof(ours)
        return 0

    def _delete(self, vfs: int, name: bytes, durable: int) -> int:
        self._note(Event("delete", name.decode()))
        return int(self._usual.contents.delete(cast(self._usual, c_void_p), name, durable))

    def _close(self, file: int) -> int:
        return int(self._paths.pop(file)[1].close(file))

    def _write(self, file: int, data: int, size: int, offset: int) -> int:
        path, usual = self._paths[file]
        if error := self._fails():
            return error
        self._note(Event("write", path, offset, string_at(data, size) if self.recording else b""))
        return int(usual.write(file, data, size, offset))

    def _truncate(self, file: int, size: int) -> int:
        path, usual = self._paths[file]
        if error := self._fails():
            return error
        self._note(Event("truncate", path, size))
        return int(usual.truncate(file, size))

    def _sync(self, file: int, flags: int) -> int:
        path, usual = self._paths[file]
        if error := self._fails():
            return error
        result = int(usual.sync(file, flags))
        self._note(Event("sync", path))
        return result


DISK = Disk()
