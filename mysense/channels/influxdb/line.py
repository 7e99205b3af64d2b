"""Telegrams as line protocol (https://docs.influxdata.com/influxdb/v1/write_protocols/line_protocol_reference/).

Measurement ``data`` has the tags label, geolocation and new and a field for each value;
``info`` the tag label and the items of an ident; ``station`` the tags label and kind of a
note. Numbers are always floats and text is always text: a field that changes its type is
refused by the server for ever.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from math import isfinite

from mysense import wire
from mysense.errors import RejectedError
from mysense.telegram import SECOND, Data, Field, Ident, Note, Value

STEPS = {"s": SECOND, "ms": 1_000_000, "u": 1000, "ns": 1}
"""The precisions of a request, and how many nanoseconds each is."""

_SIGNS = ",= "
_CONTROL = re.compile(r"[\x00-\x1f]")
_LOOSE = re.compile(r"\\+(?=[,= ]|\Z)")

Point = tuple[str, int]
"""A line without its time, and the time (ns)."""


def tag(text: str) -> str:
    """*text* as a tag value or a key.

    A line break or another control character cannot be written (RejectedError). A backslash at the end, or before a
    sign that is escaped itself, would be read as that sign's escape: it is left out.
    """
    if _CONTROL.search(text):
        raise RejectedError(f"{text!r} has a line break or a control character: InfluxDB cannot write that in a name")
    if "\\" in text:
        text = _LOOSE.sub("", text)
    for sign in _SIGNS:
        if sign in text:
            text = text.replace(sign, f"\\{sign}")
    return text


def text(value: str) -> str:
    """*value* as a text field."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def field_value(value: Value | None) -> str | None:
    """A value as a field, None for one that is missing or not finite."""
    match value:
        case str():
            return text(value)
        case bool():
            return "true" if value else "false"
        case int():
            return int.__repr__(value)
        case float():
            return float.__repr__(value) if isfinite(value) else None
        case _:
            return None


class _Keys(dict[str, str]):
    """Field keys, escaped once each."""

    def __missing__(self, name: str) -> str:
        key = tag(name)
        if not key or key == "time":  # InfluxDB drops a field of that name and says nothing
            raise RejectedError(f"a value cannot be called {name!r} in InfluxDB")
        if len(self) > 10_000:  # names of strangers must not fill the memory
            self.clear()
        self[name] = f"{key}="
        return self[name]


class Encoder:
    """Makes points; remembers what the telegrams of a node have in common."""

    def __init__(self) -> None:
        self._keys = _Keys()
        self._tags: dict[int, tuple[Ident, tuple[str, str]]] = {}

    def data(self, data: Data, new: bool = False) -> Point | None:
        """The point of a data telegram, or None when it holds nothing to write."""
        values = data.values
        if values.__class__ is wire.JsonValues and (fields := plain(values.text)):
            return self._head(data.ident)[new] + fields, data.time
        if "geolocation" in values or "label" in values:
            place, values = self._moved(data)
            head = place[new]
        else:
            head = self._head(data.ident)[new]
        keys, other = self._keys, self._other
        # Most values are finite floats; for infinities and NaN the difference is NaN.
        parts = [
            keys[name] + repr(value) if value.__class__ is float and value - value == 0.0 else other(name, value)
            for name, value in values.items()
        ]
        try:
            return (head + ",".join(parts), data.time) if parts else None  # type: ignore[arg-type]
        except TypeError:  # some could not be written
            there = [part for part in parts if part]
            return (head + ",".join(there), data.time) if there else None

    def _other(self, name: str, value: Value) -> str | None:
        said = field_value(value)
        return None if said is None else self._keys[name] + said

    def _head(self, ident: Ident) -> tuple[str, str]:
        """What a line of this ident begins with, for new=0 and new=1."""
        known = self._tags.get(id(ident))
        if known and known[0] is ident:
            return known[1]
        if len(self._tags) > 4096:
            self._tags.clear()
        heads = _heads(ident.label, str(ident.geolocation or ""))
        self._tags[id(ident)] = ident, heads  # with the ident itself: its id stays its own
        return heads

    def _moved(self, data: Data) -> tuple[tuple[str, str], dict[str, Value]]:
        """A label or place among the values replaces that of the ident."""
        values = dict(data.values)
        label = str(values.pop("label", data.ident.label))
        place = str(values.pop("geolocation", data.ident.geolocation or ""))
        return _heads(label, place), values

    def info(self, ident: Ident, time: int, without: Collection[str] = ()) -> Point:
        """The point of an ident: its items as text and numbers, less those *without*, and the whole of it as JSON.

        An item whose name cannot be written is only in the whole.
        """
        items: dict[str, Value] = {"project": ident.project, "serial": ident.serial}
        if ident.geolocation:
            items["geolocation"] = str(ident.geolocation)
        items |= {
            k: ",".join(map(str, v)) if isinstance(v, tuple) else v for k, v in ident.meta.items() if k != "label"
        }
        if ident.fields:
            items |= lists(ident.fields)
        items["ident"] = wire.encode_ident(ident)
        there = {name: value for name, value in items.items() if name not in without and self._writable(name)}
        return self._point("info", {"label": ident.label}, there, time)

    def _writable(self, name: str) -> bool:
        try:
            return bool(self._keys[name])
        except RejectedError:
            return False

    def note(self, note: Note) -> Point:
        """The point of a note."""
        tags = {"label": note.ident.label, "kind": note.kind}
        return self._point("station", tags, {"text": note.text, **note.values}, note.time)

    def _point(self, measurement: str, tags: Mapping[str, str], values: Mapping[str, Value], time: int) -> Point:
        head = "".join(f",{key}={said}" for key, value in tags.items() if (said := tag(value)))
        fields = (self._keys[k] + v for k, value in values.items() if (v := field_value(value)) is not None)
        return f"{measurement}{head} {','.join(fields)}", time

    def lines(self, telegrams: Iterable[Data]) -> list[str]:
        """Data telegrams as lines, in the coarsest precision that keeps their times."""
        points = [point for data in telegrams if (point := self.data(data))]
        return timed(points, STEPS[precision(points)])


def plain(text: str) -> str:
    """The fields of compact JSON that holds only numbers under plain names; empty for any other.

    >>> plain('{"temp":20.5,"rh":50}'), plain('{"state":"up"}')
    ('temp=20.5,rh=50', '')
    """
    if ':"' in text or "\\" in text or " " in text or "=" in text:
        return ""
    if '"geolocation"' in text or '"label"' in text or '"time"' in text:
        return ""
    count = text.count(":")
    if text.count('"') != 2 * count or text.count(",") != count - 1 or '"":' in text:
        return ""
    return text[1:-1].replace('"', "").replace(":", "=")


def _heads(label: str, place: str) -> tuple[str, str]:
    """What a data line begins with, for new=0 and new=1; empty tags cannot be written."""
    first = f",label={said}" if (said := tag(label)) else ""
    first = f",geolocation={said}{first}" if (said := tag(place)) else first
    return f"data{first},new=0 ", f"data{first},new=1 "


def lists(fields: Sequence[Field]) -> dict[str, str]:
    """Fields as the three parallel lists that readers of old know, the time first."""
    return {
        "fields": ",".join(["time", *(f.name for f in fields)]),
        "units": ",".join(["s", *(f.unit for f in fields)]),
        "types": ",".join(["time", *(f.device for f in fields)]),
    }


def precision(points: Iterable[Point]) -> str:
    """The coarsest precision that keeps all times exactly."""
    times = [time for _, time in points]
    return next(name for name, step in STEPS.items() if not any(time % step for time in times))


def timed(points: Iterable[Point], step: int) -> list[str]:
    """Whole lines, their times in units of *step* nanoseconds."""
    return [f"{line} {time // step}" for line, time in points]
