"""Data as CSV (RFC 4180) for spreadsheets and scripts: a file a day for every node.

The columns are the time (ISO-8601, UTC), ``unix(s)``, what the ident says is measured as
``name(unit)``, then what only the data knew. A row that needs other columns than a file has
begins another file, ``…-2.csv``. Idents and notes go to ``<project>_<serial>_info.jsonl``, single
readings of a sensor to files of its own, ``<project>_<serial>_raw_<sensor>_<day>.csv``.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from shutil import disk_usage

from mysense import exact, plugin, wire
from mysense.channels.csv.disk import append, stamp
from mysense.channels.csv.sheet import Row, Sheet
from mysense.errors import RejectedError
from mysense.plugin import option
from mysense.telegram import SECOND, Data, Telegram, Value, check_name, clean, ident_of

TIME, UNIX = "time", "unix(s)"
FILES = 1024
"""The most files of which something is remembered between two publishes."""


def _delimiter(text: str) -> str:
    """What stands between two cells.

    >>> _delimiter("tab"), _delimiter(";")
    ('\\t', ';')
    """
    text = {"tab": "\t", "\\t": "\t"}.get(text, text)
    if len(text) != 1 or text.isalnum() or text in "\"'\r\n .+-":
        raise ValueError(f"{text!r} cannot stand between two cells: write one of , ; | or tab")
    return text


class Publisher(plugin.Publisher):
    """Write data to CSV files: a file a day for every node, for spreadsheets and scripts."""

    accepts_raw = True

    directory: Path = option(help="folder for the files; it is made where there is none")
    delimiter: str = option(",", "what stands between two cells: , ; | or tab", parse=_delimiter)

    _sheets: dict[Path, Sheet] = field(init=False, repr=False, default_factory=dict)

    def open(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)

    def check(self) -> str:
        there = next(folder for folder in (self.directory, *self.directory.absolute().parents) if folder.exists())
        if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
            raise PermissionError(f"cannot write in {there}: give this user the right to, or set another directory")
        made = "" if there == self.directory else " (the folder will be made)"
        return f"{self.directory}: {disk_usage(there).free / 1e9:.1f} GB free{made}"

    def publish(self, batch: Sequence[Telegram]) -> None:
        told: dict[Path, dict[bytes, None]] = {}
        rows: list[tuple[str, Data, str]] = []
        for telegram in batch:
            node = _node(telegram)
            if isinstance(telegram, Data):
                rows.append((node, telegram, _moment(telegram.time)))
            else:
                line = f"{wire.encode(telegram)}\n".encode("utf-8", "backslashreplace")
                told.setdefault(self.directory / f"{node}_info.jsonl", {})[line] = None
        try:
            for path, lines in told.items():
                known = set(path.read_bytes().splitlines(keepends=True)) if path.exists() else set()
                append(path, [line for line in lines if line not in known])
            for node, data, moment in rows:
                cells = _cells(data, moment)
                whose = f"{node}_raw_{re.sub(r'[^A-Za-z0-9.-]+', '-', data.raw)}" if data.raw else node
                self._sheet(f"{whose}_{moment[:10]}", tuple(cells)).add(Row(data.time, cells))
            for sheet in self._sheets.values():
                sheet.write()
        except BaseException:
            self._sheets.clear()
            raise
        while len(self._sheets) > FILES:
            del self._sheets[next(iter(self._sheets))]

    def _sheet(self, name: str, columns: tuple[str, ...]) -> Sheet:
        """The first file of a node and day that has room for these columns."""
        for number in count(1):
            path = self.directory / (f"{name}.csv" if number == 1 else f"{name}-{number}.csv")
            sheet = self._sheets.get(path)
            if sheet is None or sheet.stamp != stamp(path):
                sheet = Sheet(path, columns, self.delimiter)
            self._sheets[path] = sheet
            if sheet.takes(columns):
                return sheet
        raise AssertionError("count never ends")

    def close(self) -> None:
        self._sheets.clear()


def _node(telegram: Telegram) -> str:
    ident = ident_of(telegram)
    try:
        return f"{check_name(ident.project)}_{check_name(ident.serial)}"
    except ValueError as error:
        raise RejectedError(str(error)) from None


def _moment(time: int) -> str:
    """A time as ISO-8601 in UTC."""
    whole, rest = divmod(time, SECOND)
    try:
        moment = datetime.fromtimestamp(whole, UTC)
    except (OverflowError, ValueError, OSError):
        raise RejectedError(f"{exact.seconds(time)} s is a time that no calendar has") from None
    part = f".{rest:09}".rstrip("0") if rest else ""
    return f"{moment.replace(tzinfo=None).isoformat()}{part}Z"


def _cells(data: Data, moment: str) -> dict[str, str]:
    """The cells of a row by column."""
    units = {f.name: f.unit for f in reversed(data.ident.fields)}
    values = clean(data.values)
    cells = {TIME: moment, UNIX: exact.seconds(data.time)}
    there = [f.name for f in data.ident.fields if f.name in values or not data.raw]
    for name in dict.fromkeys([*there, *values]):
        unit = units.get(name)
        column = _text(f"{name}({unit})" if unit else name)
        if column not in (TIME, UNIX):
            cells[column] = _cell(values.get(name))
    return cells


def _cell(value: Value | None) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return _text(value) if isinstance(value, str) else repr(value)


def _text(text: str) -> str:
    """Text that no spreadsheet takes for a formula, not even a stranger's."""
    text = text.encode("utf-8", "backslashreplace").decode()
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
