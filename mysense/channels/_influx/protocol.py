"""Line protocol as points: quick where a line holds plain numbers, exact everywhere, with a reason for what is no line.

The form is that of https://docs.influxdata.com/influxdb/v1/write_protocols/line_protocol_reference/,
the reasons are those that InfluxDB 1.x gives. More is taken than there: unsigned numbers
(``5u``) and lines that end with a carriage return. Less is taken in one case: what follows
a closing quote is refused, where InfluxDB 1.x stores another text than was sent.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from mysense.channels._influx.lines import gap, lines
from mysense.channels._influx.values import FARTHEST, Wrong, fields_of, guessed, name, tag, time_of
from mysense.telegram import Value
from mysense.wire import JsonValues

SLICE = 5000
"""Lines of a body that are read at a time: as points they take up many times the room."""
_KEY = 65_535
"""Bytes that a measurement, its tags and the name of a field may have, as in InfluxDB 1.x."""
_CACHED = 10_000
_SHORT = 1000  # signs of a beginning that is remembered
_SURE = 16_000  # signs that are never more bytes than _KEY

# Fields as the journal would write them: plain names, numbers of up to 15 digits in their shortest form, truths. They
# can stay text. What is written in another way is read and written anew, so that a repeat is known as one.
# A group that gives nothing back is (?>(?:…)*), never (?:…)*+: that matches wrongly in Python 3.11.0 to 3.11.4.
_FLOAT = r"(?=[0-9.]{1,15}+(?:,|\Z))(?!0\.0000)(?:0|[1-9][0-9]*+)(?>(?:\.(?:[0-9]*[1-9]|0))?)"
_FIELD = rf"[A-Za-z0-9_:%/-]++=(?:-?{_FLOAT}|-?[1-9][0-9]{{0,17}}+i|0i|true|false)"
_plain = re.compile(rf"{_FIELD}(?>(?:,{_FIELD})*)").fullmatch
_without_point = re.compile(r"(=-?+[0-9]++)(?![0-9.i])").sub
_whole = re.compile(r"([0-9])i(?=,|\Z)").sub
_stamp = re.compile(r"-?[0-9]{1,19}").fullmatch
_commas = re.compile(r"(?<!\\),").split
_equals = re.compile(r"(?<!\\)=").split


class Series:
    """What a line begins with: a measurement and its tags.

    Lines that begin alike share one object, if it is *remembered*: one that is not too long.
    """

    __slots__ = ("measurement", "remembered", "tags")

    def __init__(self, measurement: str, tags: Mapping[str, str], remembered: bool) -> None:
        self.measurement, self.tags, self.remembered = measurement, tags, remembered


class Point(NamedTuple):
    """One line: its series, its fields (JSON text still, where all are plain numbers), and its time (ns)."""

    series: Series
    fields: Mapping[str, Value]
    time: int


class Mistake(NamedTuple):
    """A line that is none: the number of its first row in the body, and why."""

    number: int
    line: str
    reason: str

    def __str__(self) -> str:
        return f"unable to parse '{self.line}': {self.reason}"


class Reader:
    """Reads bodies; remembers the beginnings of lines, which come again and again. Threads may share one."""

    def __init__(self) -> None:
        self._series: dict[str, Series] = {}

    def read(self, text: str, step: int, now: int) -> Iterator[tuple[list[Point], list[Mistake]]]:
        """The points of a body and the lines that are none, slice by slice.

        Times count *step* nanoseconds; without one it is *now*.
        """
        points: list[Point] = []
        mistakes: list[Mistake] = []
        known = self._series.get
        for number, line in lines(text):
            if len(points) + len(mistakes) >= SLICE:
                yield points, mistakes
                points, mistakes = [], []
            head, _, rest = line.partition(" ")
            fields, _, stamp = rest.partition(" ")
            series = known(head)
            if (
                series
                and len(fields) < _SURE
                and _plain(fields)
                and _stamp(stamp)
                and "time=" not in fields
                and _once(fields)
            ):
                time = int(stamp) * (step or guessed(int(stamp)))
                if -FARTHEST <= time <= FARTHEST:
                    points.append(Point(series, _json(fields), time))
                    continue
            line = line.lstrip(" \t\0").rstrip(" \r")
            if line and line[0] != "#":
                try:
                    points.append(self._point(line, step, now))
                except Wrong as wrong:
                    mistakes.append(Mistake(number, line, str(wrong)))
        yield points, mistakes

    def _point(self, line: str, step: int, now: int) -> Point:
        space = gap(line)
        head = line[: space.start()] if space else line
        series = self._of(head)
        if not space:
            raise Wrong("missing fields")
        fields, end = fields_of(line, space.end())
        if len(line) > _SURE and (size := _size(head, fields)) > _KEY:
            raise Wrong(f"max key length exceeded: {size} > {_KEY}")
        stamp, _, more = line[end:].lstrip(" \t\0").rstrip(" ").partition(" ")
        if more:
            raise Wrong("point is invalid")
        if fields.pop("time", None) is not None and not fields:
            raise Wrong("invalid field name: a field cannot be called time")
        return Point(series, fields, time_of(stamp, step) if stamp else now)

    def _of(self, head: str) -> Series:
        if (series := self._series.get(head)) is None:
            series = _series(head)
            if series.remembered:
                if len(self._series) >= _CACHED:  # names of strangers must not fill the memory
                    self._series.clear()
                self._series[head] = series
        return series


def _once(fields: str) -> bool:
    """Whether no plain field stands there twice: text would keep both, and the last one is meant."""
    parts = fields.split(",")
    return len({part.partition("=")[0] for part in parts}) == len(parts)


def _json(fields: str) -> JsonValues:
    """Plain fields as JSON: a whole number without an ``i`` is a float all the same."""
    if fields.count(".") < fields.count("="):
        fields = _whole(r"\1", _without_point(r"\1.0", fields))
    return JsonValues('{"' + fields.replace("=", '":').replace(",", ',"') + "}")


def _series(head: str) -> Series:
    measurement, *parts = _commas(head)
    if not measurement:
        raise Wrong("missing measurement")
    tags: dict[str, str] = {}
    for part in parts:
        key, *values = _equals(part, 1)
        if not key:
            raise Wrong("missing tag key")
        if not values or not values[0]:
            raise Wrong("missing tag value")
        if len(_equals(values[0])) > 1 + values[0].startswith("="):  # it may begin with one
            raise Wrong("invalid tag format")
        key = tag(key)
        if key in tags:
            raise Wrong("duplicate tags")
        if key == "time":
            raise Wrong("invalid tag key: a tag cannot be called time")
        tags[key] = tag(values[0])
    return Series(name(measurement), tags, len(head) <= _SHORT)


def _size(head: str, fields: Iterable[str]) -> int:
    """Bytes of the longest key of a line, counted as InfluxDB does: its fields have four more between."""
    return len(head.encode()) + 4 + max(len(name.encode()) for name in fields)
