"""Telegrams as line protocol (https://docs.influxdata.com/influxdb/v1/write_protocols/line_protocol_reference/).

Measurement ``data`` has the tags that a layout says and a field for each value; ``info`` the
items of an ident, ``station`` a note, both with the tags that tell nodes apart; ``raw`` a single
reading, with the sensor as the tag ``type`` and the node's names where its database is not its own. Numbers are
always floats and text is always text: a field that changes its type is refused by the
server for ever.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from mysense import wire
from mysense.channels.influxdb.escape import Keys, field_value, measurement, plain, tag
from mysense.channels.influxdb.layout import Layout, Template, item_text, lacking
from mysense.errors import RejectedError
from mysense.telegram import SECOND, Data, Field, Ident, Note, Value

STEPS = {"s": SECOND, "ms": 1_000_000, "u": 1000, "ns": 1}
"""The precisions of a request, and how many nanoseconds each is."""

LONGEST_HEAD = 50_000
"""Bytes of measurement and tags: InfluxDB takes 65,535 with the name of a field, and its escapes."""

Point = tuple[str, int]
"""A line without its time, and the time (ns)."""


class Encoder:
    """Makes points; remembers what the telegrams of a node have in common."""

    def __init__(self, layout: Layout | None = None) -> None:
        self._layout = layout or Layout()
        self._special = self._layout.used + self._layout.taken
        self._quoted = [f'"{name}"' for name in self._special]
        self._keys = Keys()
        self._tags: dict[int, tuple[Ident, tuple[str, str]]] = {}

    def data(self, data: Data, new: bool = False) -> Point | None:
        """The point of a data telegram, or None when it holds nothing to write."""
        values = data.values
        if values.__class__ is wire.JsonValues and (fields := plain(values.text, self._quoted)):
            return self._head(data.ident)[new] + fields, data.time
        for name in self._special:
            if name in values:
                head, values = self._moved(data, new)
                break
        else:
            head = self._head(data.ident)[new]
        keys, other = self._keys, self._other
        # Most values are finite floats, for infinities and NaN the difference is NaN; or plain text.
        parts = [
            keys[name] + repr(value)
            if value.__class__ is float and value - value == 0.0
            else f'{keys[name]}"{value}"'
            if value.__class__ is str and '"' not in value and "\\" not in value
            else other(name, value)
            for name, value in values.items()
        ]
        if keys.shortened:
            self._apart(values)
        try:
            return (head + ",".join(parts), data.time) if parts else None  # type: ignore[arg-type]
        except TypeError:  # some could not be written
            there = [part for part in parts if part]
            return (head + ",".join(there), data.time) if there else None

    def _apart(self, values: Mapping[str, Value]) -> None:
        """No two names may be one without their backslashes: the server would keep one value of the two."""
        names = [self._keys[name] for name, value in values.items() if field_value(value) is not None]
        if len(set(names)) < len(names):
            raise RejectedError(
                "two values would have one name: InfluxDB takes no backslash at the end or before a sign"
            )

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
        heads = self._begun(ident, {}, False), self._begun(ident, {}, True)
        self._tags[id(ident)] = ident, heads  # with the ident itself: its id stays its own
        return heads

    def _moved(self, data: Data, new: bool) -> tuple[str, dict[str, Value]]:
        """What a line begins with where values are part of that, and the values that are left."""
        for name in self._layout.taken:
            if name in data.values:
                raise RejectedError(f"a value cannot be called {name!r}: a tag is")
        rest = {name: value for name, value in data.values.items() if name not in self._layout.used}
        return self._begun(data.ident, data.values, new), rest

    def _begun(self, ident: Ident, values: Mapping[str, Value], new: bool) -> str:
        layout = self._layout
        name = layout.measurement.fill(partial(item_text, ident, values))
        if not name:
            raise lacking(layout.measurement, ident, values)
        head = f"{measurement(name)}{_tags(layout.tags, ident, values, new)}"
        if len(head.encode()) > LONGEST_HEAD:
            raise RejectedError(f"measurement and tags are too long together: the most are {LONGEST_HEAD} bytes")
        return f"{head} "

    def info(self, ident: Ident, time: int, without: Collection[str] = ()) -> Point:
        """The point of an ident: its items as text and numbers, less those *without*, and the whole of it as JSON.

        An item whose name or value cannot be written is only in the whole.
        """
        items: dict[str, Value] = {"project": ident.project, "serial": ident.serial}
        if ident.geolocation:
            items["geolocation"] = str(ident.geolocation)
        items |= {
            k: ",".join(map(str, v)) if isinstance(v, tuple) else v for k, v in ident.meta.items() if k != "label"
        }
        if ident.fields:
            items |= lists(ident.fields)
        items["ident"] = wire.encode_ident(ident if ident.since is not None else replace(ident, since=time))
        tags = self._layout.beside
        left = {name: value for name, value in items.items() if name not in without and name not in tags}
        there = {name: value for name, value in left.items() if self._writable(name, value)}
        return self._point(f"info{_tags(tags, ident)}", there, time)

    def _writable(self, name: str, value: Value) -> bool:
        try:
            return bool(self._keys[name] and field_value(value))
        except RejectedError:
            return False

    def note(self, note: Note) -> Point:
        """The point of a note."""
        kind = f",kind={word}" if (word := tag(note.kind)) else ""
        return self._point(
            f"station{_tags(self._layout.beside, note.ident)}{kind}", {"text": note.text, **note.values}, note.time
        )

    def raw(self, data: Data) -> Point | None:
        """The point of a single reading, or None when it holds nothing to write."""
        names = {key: template for key, template in self._layout.beside.items() if key != "label"}
        if clash := data.values.keys() & {"type", *names}:
            raise RejectedError(f"a value cannot be called {min(clash)!r}: a tag is")
        point = self._point(f"raw{_tags(names, data.ident)},type={tag(data.raw)}", data.values, data.time)
        return None if point[0].endswith(" ") else point

    def _point(self, head: str, values: Mapping[str, Value], time: int) -> Point:
        fields = (self._keys[k] + v for k, value in values.items() if (v := field_value(value)) is not None)
        return f"{head} {','.join(fields)}", time

    def lines(self, telegrams: Iterable[Data]) -> list[str]:
        """Data telegrams as lines, in the coarsest precision that keeps their times."""
        points = [point for data in telegrams if (point := self.data(data))]
        return timed(points, STEPS[precision(points)])


def _tags(tags: Mapping[str, Template], ident: Ident, values: Mapping[str, Value] = {}, new: bool = False) -> str:
    """Tags as a line has them; empty ones cannot be written."""
    say = partial(item_text, ident, values, new=new)
    texts = ((key, tag(template.fill(say))) for key, template in sorted(tags.items()))
    return "".join(f",{tag(key)}={text}" for key, text in texts if text)


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
