"""Files that are appended to line by line, whole lines or none, and are safe on the disk."""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

NEWLINE = ord("\n")


def stamp(path: Path) -> tuple[int, int, int] | None:
    """What changes when somebody changes the file; None when there is none."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def append(path: Path, lines: Sequence[bytes]) -> None:
    """Put *lines* at the end of a file and on the disk, all or none of them.

    What a crash has left of the first of them is cut off before. Without lines, what is
    there already goes to the disk: nobody knows whether those who wrote it came that far.
    """
    with path.open("a+b", buffering=0) as file:
        size = file.seek(0, os.SEEK_END)
        end = _intact(file, size, lines[0]) if lines else size
        try:
            if end < size:
                file.truncate(end)
            file.seek(max(0, end - 1))
            left = memoryview((b"" if file.read(1) in (b"", b"\n") else b"\r\n") + b"".join(lines) if lines else b"")
            while left:
                left = left[file.write(left) :]
            os.fsync(file.fileno())
        except OSError:
            with suppress(OSError):
                file.truncate(end)
                if end == 0:
                    path.unlink()
            raise
    if size == 0:
        _sync(path.parent)


def _intact(file: IO[bytes], size: int, line: bytes) -> int:
    """How many bytes of a file come before what a crash has left of *line* at its end."""
    begin = max(0, size - len(line))
    file.seek(begin)
    tail = file.read(size - begin)
    if tail.endswith(b"\0"):  # a loss of power: the file grew, what belongs there was not written
        file.seek(begin := 0)
        tail = file.read(size).rstrip(b"\0")
    starts = [0] if begin == 0 else []
    starts += (at + 1 for at, byte in enumerate(tail) if byte == NEWLINE)
    torn = (at for at in starts if at < len(tail) and line.startswith(tail[at:]))
    return begin + next(torn, len(tail))


def _sync(folder: Path) -> None:
    """Put the names of new files on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
