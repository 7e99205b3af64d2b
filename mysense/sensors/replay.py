"""Readings out of a captured file, at any speed: to try a kit, or to show one, without its sensors.

By its content the file is one of

* telegrams: JSON Lines or classic messages, one a line, as ``console``, ``tap`` and
  ``journal export`` write them;
* CSV as the channel ``csv`` writes it: columns ``time``, ``unix(s)``, ``name(unit)``, …;
* what a Dylos has said: ``small,large`` in particles per 0.01 cubic foot, a line a minute.
"""

import csv
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import field
from itertools import chain
from math import inf
from pathlib import Path
from typing import NamedTuple

from mysense import exact, plugin, wire
from mysense.errors import ConfigError
from mysense.plugin import option, seconds
from mysense.telegram import SECOND, Data, Field, Ident, Value, clean

MINUTE = 60 * SECOND
PATIENCE = 0.5
"""The most seconds that a read waits."""
DYLOS = (Field("pm_25", "pcs/0.01ft3", "Dylos DC1100"), Field("pm_10", "pcs/0.01ft3", "Dylos DC1100"))
_COUNTS = re.compile(r"\s*(\d+)\s*,\s*(\d+)\s*", re.ASCII)
_HEAD = re.compile(r"\ufeff?\"?time\"?([,;|\t])\"?unix\(s\)")
_COLUMN = re.compile(r"(.+?)(?:\((.*)\))?", re.DOTALL)
_NUMBER = re.compile(r"[+-]?\d+", re.ASCII)


class Reading(NamedTuple):
    """What was read at one time (ns since 1970, or since the beginning of the file)."""

    time: int
    values: Mapping[str, Value]


Line = tuple[int, Reading | Field | str]
"""The number of a line, and a reading, a field that the file declares, or why the line is neither."""


def telegrams(lines: Iterable[str]) -> Iterator[Line]:
    """What JSON Lines hold."""
    for number, line in enumerate(lines, 1):
        try:
            for telegram in wire.decode([line]):  # each line alone: a bad one spoils no other
                ident = telegram if isinstance(telegram, Ident) else telegram.ident
                yield from ((number, field) for field in ident.fields)
                if isinstance(telegram, Data):
                    yield number, Reading(telegram.time, telegram.values)
        except ValueError as error:
            yield number, str(error).removeprefix("line 1: ")


def table(lines: Iterable[str]) -> Iterator[Line]:
    """What a CSV file holds."""
    lines = iter(lines)
    head = next(lines)
    match = _HEAD.match(head)
    rows = csv.reader(chain([head], lines), delimiter=match[1] if match else ",")
    fields = [_field(column) for column in next(rows)[2:]]
    yield from ((1, field) for field in fields)
    try:
        for row in rows:
            try:
                cells = zip(fields, row[2:], strict=True)
                values = {field.name: _value(text) for field, text in cells if text}
                yield rows.line_num, Reading(exact.nanoseconds(row[1]), values)
            except (ValueError, IndexError):
                yield rows.line_num, f"not a time and {len(fields)} values"
    except csv.Error as error:
        yield rows.line_num, str(error)


def counts(lines: Iterable[str]) -> Iterator[Line]:
    """What a Dylos has said."""
    yield from ((1, field) for field in DYLOS)
    minute = 0
    for number, line in enumerate(lines, 1):
        if match := _COUNTS.fullmatch(line):
            yield number, Reading(minute * MINUTE, {"pm_25": int(match[1]), "pm_10": int(match[2])})
            minute += 1
        elif line.strip():
            yield number, "not two numbers"


def recognize(line: str) -> Callable[[Iterable[str]], Iterator[Line]] | None:
    """What reads a file that begins like this; None when nothing does.

    >>> recognize("511,21").__name__, recognize('{"ident": {}}').__name__, recognize("hello")
    ('counts', 'telegrams', None)
    """
    if _COUNTS.fullmatch(line):
        return counts
    if line.lstrip().startswith("{"):
        return telegrams
    return table if _HEAD.match(line) else None


def _field(column: str) -> Field:
    match = _COLUMN.fullmatch(_plain(column))
    return Field(match[1], match[2] or "") if match else Field(column)


def _value(text: str) -> Value:
    """The value of a cell.

    >>> [_value(text) for text in ("3", "0.5", "true", "'=1", "51.4,6.1")]
    [3, 0.5, True, '=1', '51.4,6.1']
    """
    if text in ("true", "false"):
        return text == "true"
    try:
        return int(text) if _NUMBER.fullmatch(text) else float(text)
    except ValueError:
        return _plain(text)


def _plain(text: str) -> str:
    """Text without the apostrophe that keeps spreadsheets from taking it for a formula."""
    return text[1:] if re.match(r"'[=+\-@\t\r]", text) else text


class Sensor(plugin.Sensor):
    """Readings out of a captured file: telegrams, CSV, or the lines of a Dylos."""

    interval: float = option(0.0, "seconds between two readings; 0: as the file and the speed say", parse=seconds)
    file: Path = option(help="the file: JSON Lines, CSV of this program, or lines of a Dylos (small,large)")
    speed: float = option(1.0, "1: as fast as it was captured; 60: an hour in a minute; 0: as fast as asked", least=0)
    loop: bool = option(False, "yes: begin again at the end")

    _fields: tuple[Field, ...] = field(init=False, repr=False, default=())
    _readings: Iterator[tuple[float, Reading]] = field(init=False, repr=False, default=iter(()))
    _next: tuple[float, Reading] | None = field(init=False, repr=False, default=None)

    @property
    def measures(self) -> tuple[Field, ...]:  # type: ignore[override]
        """What the file says is in it; nothing before ``open``."""
        return self._fields

    def open(self) -> None:
        fields: dict[str, Field] = {}
        readings, bad, first = 0, 0, "there is nothing in it"
        for number, said in self._lines():
            if isinstance(said, Field):
                fields[said.name] = said
            elif isinstance(said, Reading):
                readings += 1
                for name in said.values:
                    fields.setdefault(name, Field(name))
            else:
                bad += 1
                first = first if bad > 1 else f"line {number}: {said}"
        if not readings:
            raise ConfigError(f"{self.file}: {first}")
        if bad:
            self.log.warning("%s: passed over %s%s", self.file, first, f", and {bad - 1} more" if bad > 1 else "")
        self._fields = tuple(fields.values())
        self._readings = self._paced()

    def read(self) -> Mapping[str, Value] | None:
        coming = self._next = self._next or next(self._readings, None)
        left = coming[0] - time.monotonic() if coming else inf
        if left > 0:
            threading.Event().wait(min(left, PATIENCE))
        if not coming or left > PATIENCE:
            return None
        self._next = None
        return clean(coming[1].values)

    def close(self) -> None:
        self._next = None
        self._readings = iter(())

    def _lines(self) -> Iterator[Line]:
        with self.file.open(newline="", encoding="utf-8", errors="backslashreplace") as file:
            first = next((line for line in file if line.strip()), "")
            read = recognize(first)
            if not read:
                raise ConfigError(f"{self.file}: begins with neither a telegram, nor CSV, nor two numbers of a Dylos")
            file.seek(0)
            yield from read(file)

    def _paced(self) -> Iterator[tuple[float, Reading]]:
        """The readings, each with the time on the monotonic clock when it is due."""
        due, gap, count = time.monotonic(), 0, 0
        while True:
            before = None
            for _, reading in self._lines():
                if isinstance(reading, Reading):
                    gap = gap if before is None else max(0, reading.time - before)
                    due += gap / SECOND / self.speed if self.speed else 0
                    yield due, reading
                    before, count = reading.time, count + 1
            if not self.loop:
                self.log.info("%s: at its end after %d readings", self.file, count)
                return


if __name__ == "__main__":
    from mysense import tryout

    tryout.sensor("replay")
