"""Records of data as kits send them day in, day out: read by a pattern, faster than as JSON.

Such a record is ``{"time": 1494777772, "pm25": 3.5, "rh": 25}``: a whole time, first, and then
only numbers under plain names. What these patterns take is a part of what JSON is, and means the
same; the rest (text, a time with decimals, huge numbers, a name that comes twice) is for who reads JSON.
"""

import re
from collections.abc import Iterable

from mysense.telegram import SECOND
from mysense.wire import JsonValues

LONGEST = 4096
"""Bytes of a record that is worth a pattern."""

# What matched is never given up again: what is no record is left at once, however long it is. (That of a group is
# written with ``?>``, since Python 3.11.2 repeats groups wrongly with ``*+``.)
_TIME = r'\{"time": ?+([1-8][0-9]{0,9}+)'  # fits into 64 bits of nanoseconds
_NAME = r"[A-Za-z_][A-Za-z0-9_.-]*+"
_NUMBER = r"-?+(?:0|[1-9][0-9]{0,14}+)(?:\.[0-9]++)?"


def _pattern(values: str) -> re.Pattern[bytes]:
    return re.compile(f"{_TIME}, ?+({values}\\}})".encode())


ANY = _pattern(rf'"{_NAME}": ?+{_NUMBER}(?>(?:, ?+"{_NAME}": ?+{_NUMBER})*)')
"""The pattern of all these records."""


def names(record: bytes) -> tuple[str, ...]:
    """The names in a record that was read, but for that of its time."""
    return tuple(record.decode().split('"')[3::2])


def alike(names: Iterable[str]) -> re.Pattern[bytes]:
    """The pattern of records with just these names in this order: it takes half the time."""
    return _pattern(", ?+".join(f'"{re.escape(name)}": ?+{_NUMBER}' for name in names))


def read(message: bytes, begin: int, end: int, pattern: re.Pattern[bytes] = ANY) -> tuple[int, JsonValues] | None:
    """Time (ns) and values of the record between *begin* and *end*; None for every other, right or wrong.

    >>> time, values = read(b'{"time": 1494777772, "pm25": 3.5, "rh": 25}', 0, 43)
    >>> time, values.text
    (1494777772000000000, '{"pm25":3.5,"rh":25}')
    """
    found = pattern.fullmatch(message, begin, end)
    if not found:
        return None
    time, values = found.groups()
    if pattern is ANY:
        said = values.split(b'"')[1::2]
        if len({b"time", *said}) <= len(said):
            return None
    return int(time) * SECOND, JsonValues("{" + str(values, "ascii").replace(" ", ""))
