"""Points in memory, as the stand-ins keep them; lines are read by the package line-protocol-parser."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from line_protocol_parser import LineFormatError, parse_line

SECOND = 1_000_000_000
AHEAD = 600 * SECOND
"""How far ahead of now rows are asked for."""


class Line(NamedTuple):
    """A line as it was read; *error* says why it could not be."""

    number: int
    text: str
    measurement: str = ""
    tags: Mapping[str, str] = {}
    fields: Mapping[str, object] = {}
    time: int = 0
    error: str = ""


def read(text: str, step: int, now: int) -> list[Line]:
    """The lines of a request, their times in nanoseconds; *step* is that of its precision."""
    lines = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            point = parse_line(line)
        except LineFormatError as error:
            lines.append(Line(number, line, error=str(error)))
            continue
        time = now if point["time"] is None else point["time"] * step
        lines.append(Line(number, line, point["measurement"], point["tags"], point["fields"], time))
    return lines


class Points:
    """The points of one bucket or database."""

    def __init__(self):
        self.types: dict[tuple[str, str], str] = {}
        self._points: dict[tuple[str, tuple[tuple[str, str], ...], int], dict[str, object]] = {}

    def add(self, line: Line) -> None:
        """Keep a point; the same series at the same time is the same point."""
        key = (line.measurement, tuple(sorted(line.tags.items())), line.time)
        self._points.setdefault(key, {}).update(line.fields)

    def rows(self, measurement: str, since: int, until: int, tags: dict[str, str]) -> list[dict[str, object]]:
        """The points of a measurement that have these tags, and those that are empty not, oldest first."""
        found = [
            (time, dict(series), fields)
            for (name, series, time), fields in self._points.items()
            if name == measurement
            and since <= time < until
            and all(dict(series).get(tag, "") == text for tag, text in tags.items())
        ]
        found.sort(key=lambda point: point[0])
        return [{"time": time, **series, **fields} for time, series, fields in found]

    def series(self, measurement: str) -> list[dict[str, str]]:
        """The tags of the series of a measurement."""
        return [dict(tags) for tags in dict.fromkeys(tags for name, tags, _ in self._points if name == measurement)]

    def __len__(self):
        return len(self._points)


def kind(value: object) -> str:
    """What a value is called in a conflict of types."""
    return {bool: "boolean", int: "integer", float: "float", str: "string"}[type(value)]


def moment(time: int) -> str:
    """A time as RFC 3339 without a zone, and no more digits than it has."""
    seconds, rest = divmod(time, SECOND)
    fraction = f".{rest:09}".rstrip("0") if rest else ""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}{fraction}"
