"""Annotated CSV, in which InfluxDB 2 answers a query (https://docs.influxdata.com/influxdb/v2/reference/syntax/annotated-csv/)."""

import csv
from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any

from mysense.channels.influxdb.api import LARGEST
from mysense.channels.influxdb.moments import nanoseconds
from mysense.errors import UnavailableError

csv.field_size_limit(LARGEST)  # else a long text could never be read, and all that is behind it
ANNOTATIONS = ("datatype", "default")
"""What must be asked for: without it an answer holds no types."""
_HEAD = 3  # the annotation, the result, the table: what stands before the columns of a query
_READERS: dict[str, Callable[[str], Any]] = {
    "double": float,
    "long": int,
    "unsignedLong": int,
    "boolean": lambda cell: cell == "true",
    "dateTime:RFC3339": nanoseconds,
    "dateTime:RFC3339Nano": nanoseconds,
}


def records(text: str) -> Iterator[dict[str, Any]]:
    """The records of all tables, times in nanoseconds. What is empty is not there: a text cannot be told from nothing.

    ValueError where it is no annotated CSV; UnavailableError holds what the server says went wrong half-way.
    """
    kinds: list[str] = []
    defaults: list[str] = []
    columns: list[str] = []
    for cells in csv.reader(StringIO(text, newline=""), strict=True):
        if not cells or cells[0].startswith("#"):  # the next table begins
            columns = []
            if cells[:1] == ["#datatype"]:
                kinds = cells
            elif cells[:1] == ["#default"]:
                defaults = cells
        elif not columns:
            columns = cells
        elif columns[1:3] == ["error", "reference"]:
            raise UnavailableError(cells[1])
        else:
            yield dict(_read(columns[_HEAD:], kinds[_HEAD:], defaults[_HEAD:], cells[_HEAD:]))


def _read(columns: list[str], kinds: list[str], defaults: list[str], cells: list[str]) -> Iterator[tuple[str, Any]]:
    for column, kind, default, cell in zip(columns, kinds, defaults, cells, strict=True):
        if said := cell or default:
            yield column, _READERS.get(kind, str)(said)
