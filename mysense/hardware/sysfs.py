"""Values that the kernel keeps in files: one in each, read anew every time."""

import math
from collections.abc import Iterator
from pathlib import Path

from mysense.errors import UnavailableError

ROOT = Path("/")
"""Where /sys and /proc are."""


def text(path: Path) -> str:
    """What a file says, without what is around it; OSError as the kernel gives it."""
    return path.read_bytes().decode("utf-8", "replace").strip("\0 \t\r\n")


def number(path: Path) -> float:
    """The number in a file; UnavailableError when there is something else in it."""
    return _finite(path, text(path))


def first(path: Path) -> float:
    """The first of the numbers in a file; UnavailableError when it begins with something else."""
    return _finite(path, text(path).partition(" ")[0])


def _finite(path: Path, said: str) -> float:
    try:
        value = float(said)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UnavailableError(f"{path}: {said[:40]!r} is not a number")
    return value


def words(path: Path) -> str:
    """What a file says, and nothing where it cannot be read."""
    try:
        return text(path)
    except OSError:
        return ""


def below(folder: Path, pattern: str) -> Iterator[Path]:
    """The files like *pattern* in a folder, in order of their names; none where there is no folder."""
    try:
        yield from sorted(folder.glob(pattern))
    except OSError:
        return
