"""One CSV file (RFC 4180) and what is in it already."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from math import inf
from pathlib import Path
from typing import NamedTuple

from mysense import exact
from mysense.channels.csv.disk import append, stamp


class Row(NamedTuple):
    """One data telegram: its time in nanoseconds and its cells by column."""

    time: int
    cells: Mapping[str, str]


class Sheet:
    """One CSV file. It is never kept open: people move, edit and delete files.

    A row that is in the file already is not written again. Only one that is not newer than
    all others can be, so the file is read when somebody else left it (a run before this
    one, an editor) and for late data.
    """

    def __init__(self, path: Path, columns: Sequence[str], delimiter: str) -> None:
        """The file *path*; one that is not there yet begins with *columns*."""
        self.columns = tuple(columns)
        self.stamp = stamp(path)
        self._path, self._delimiter = path, delimiter
        self._rows: list[Row] = []
        self._there: set[tuple[str, ...]] | None = set()
        self._newest = -inf
        content = path.read_bytes().rstrip(b"\0") if self.stamp else b""
        head = self._line(self.columns)
        self._begun = content == head or not head.startswith(content)  # else a crash has left some of it, or nothing
        if self._begun:
            self._recognize(content)

    def _recognize(self, content: bytes) -> None:
        try:
            head, *records = self._records(content)
        except csv.Error:  # somebody left a quote open: nothing of ours fits in there any more
            head, records = (), []
        self.columns = head
        self._there = set(records)
        self._newest = max(map(_unix, records), default=-inf)

    def takes(self, columns: Iterable[str]) -> bool:
        """Whether the file has all of these columns."""
        return set(self.columns).issuperset(columns)

    def add(self, row: Row) -> None:
        """Keep a row for ``write``."""
        self._rows.append(row)

    def write(self) -> None:
        """Append the rows that are not there yet; when it returns they are on the disk."""
        if not self._rows:
            return
        added: dict[tuple[str, ...], None] = {}
        for time, cells in self._rows:
            record = tuple(cells.get(column, "") for column in self.columns)
            if time > self._newest or record not in self._known():
                added[record] = None
            self._newest = max(self._newest, time)
        lines = [self._line(record) for record in ([] if self._begun else [self.columns]) + list(added)]
        append(self._path, lines)
        self._begun, self._there = True, None
        self._rows.clear()
        self.stamp = stamp(self._path)

    def _known(self) -> set[tuple[str, ...]]:
        if self._there is None:
            self._there = set(self._records(self._path.read_bytes()))
        return self._there

    def _records(self, content: bytes) -> list[tuple[str, ...]]:
        """What the file holds, but for a last line that a crash may have cut short."""
        text = content.decode("utf-8-sig", "backslashreplace")
        records = [*map(tuple, csv.reader(io.StringIO(text, newline=""), delimiter=self._delimiter))]
        if len(records) > 1:
            last = self._line(records[-1])
            if not content.endswith((last, last.replace(b"\r\n", b"\n"))):
                records.pop()
        return records

    def _line(self, record: Iterable[str]) -> bytes:
        out = io.StringIO(newline="")
        csv.writer(out, delimiter=self._delimiter).writerow(record)
        return out.getvalue().encode()


def _unix(record: Sequence[str]) -> float:
    """The time of a record in nanoseconds; before all others where somebody has edited it away."""
    try:
        return exact.nanoseconds(record[1])
    except (IndexError, ValueError):
        return -inf
