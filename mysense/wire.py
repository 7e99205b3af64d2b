"""Telegrams as JSON: the one text form that files, brokers and the journal share.

JSON Lines, one telegram a line, in the order of the journal::

    {"ident": {"project": "Demo", "serial": "k1", "fields": [{"name": "pm25", …}], "since": 1494777772}}
    {"project": "Demo", "serial": "k1", "data": {"time": 1494777772, "pm25": 3.5}}
    {"project": "Demo", "serial": "k1", "note": {"time": 1494777800, "kind": "stuck", …}}

Data with ``"raw": "bme280"`` behind it is a single reading of that sensor.

Data belongs to the ident of its node that was read last. The classic form of existing
kits, ``{"metadata": {…ident…}, "data": {…} or [{…}, …]}``, carries its ident along and may
stand between. Times are seconds since 1970 UTC, whole or decimal, and read exactly.
"""

import json
import math
from collections.abc import ItemsView, Iterable, Iterator, Mapping, MutableMapping
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from mysense.telegram import SECOND, Data, Field, Ident, Item, Location, Note, Telegram, Value, clean

_dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
_OWN = ("project", "serial", "label", "geolocation", "fields", "since")
_FARTHEST = 2**63 - 1
_LISTS = ("fields", "units", "types")  # the parallel lists of a legacy ident
_ROOM = 1_000_000
"""Characters of the names that are made for the members of the lists and objects of one record."""

UNREADABLE = "unreadable"
"""What the text of values is called that can no longer be read."""


class JsonValues(Mapping[str, Value]):
    """Values that are still JSON text: decoded when somebody looks, and not before.

    The text is compact, and all its numbers are finite: the journal takes it as it is. A
    journal of a hundred thousand telegrams goes to a far end that wants text again; most of
    the work would be to make numbers of text and text of numbers.
    """

    __slots__ = ("_values", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._values: dict[str, Value] | None = None

    def _decoded(self) -> dict[str, Value]:
        if self._values is None:
            try:
                self._values = json.loads(self.text)
            except ValueError:  # a bit has tipped on the disk: it must not stop what comes behind it
                self._values = {UNREADABLE: self.text}
        return self._values

    def __getitem__(self, name: str) -> Value:
        return self._decoded()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._decoded())

    def __len__(self) -> int:
        return len(self._decoded())

    def items(self) -> ItemsView[str, Value]:
        return self._decoded().items()

    def __repr__(self) -> str:
        return repr(self._decoded())


def seconds(time: int) -> str:
    """A time in nanoseconds as decimal seconds, without needless digits.

    >>> seconds(1494777772 * SECOND), seconds(1_500_000_000_123_000_000)
    ('1494777772', '1500000000.123')
    """
    whole, rest = divmod(time, SECOND)
    return f"{whole}.{rest:09}".rstrip("0") if rest else str(whole)


def nanoseconds(value: object) -> int:
    """Seconds, a whole or decimal number or its text, as nanoseconds; ValueError if it is none.

    Times that 64 bits cannot hold, further away than 292 years, are none: no journal could keep them.

    >>> nanoseconds("1500000000.123"), nanoseconds(7)
    (1500000000123000000, 7000000000)
    """
    if type(value) is int:
        time = value * SECOND
    elif isinstance(value, bool) or not isinstance(value, float | Decimal | str):
        raise ValueError(f"{value!r} is not a time in seconds since 1970")
    else:
        try:
            time = int((Decimal(str(value)) * SECOND).to_integral_value())
        except (InvalidOperation, OverflowError, ValueError):
            raise ValueError(f"{value!r} is not a time in seconds since 1970") from None
    if not -_FARTHEST <= time <= _FARTHEST:
        raise ValueError(f"{str(value)[:40]} is not a time in seconds since 1970")
    return time


def encode(telegram: Telegram) -> str:
    """The one line of JSON of a telegram."""
    if isinstance(telegram, Ident):
        return f'{{"ident":{encode_ident(telegram)}}}'
    ident = telegram.ident
    head = f'{{"project":{_dumps(ident.project)},"serial":{_dumps(ident.serial)}'
    if isinstance(telegram, Data):
        return f'{head},"data":{_timed(telegram.time, telegram.values)}{_behind(telegram)}}}'
    said = {"kind": telegram.kind, "text": telegram.text, "values": clean(telegram.values)}
    return f'{head},"note":{_timed(telegram.time, {k: v for k, v in said.items() if v})}}}'


def encode_classic(data: Data) -> str:
    """The one message of existing kits: ``{"metadata": {…}, "data": {…}}``."""
    return f'{{"metadata":{encode_ident(data.ident)},"data":{_timed(data.time, data.values)}{_behind(data)}}}'


@lru_cache(maxsize=1024)  # in classic messages it goes with all data
def encode_ident(ident: Ident) -> str:
    """An ident as a JSON object."""
    said: dict[str, Any] = {"project": ident.project, "serial": ident.serial}
    if ident.label:
        said["label"] = ident.label
    if ident.geolocation:
        said["geolocation"] = str(ident.geolocation)
    if ident.fields:
        said["fields"] = [_field(f) for f in ident.fields]
    said.update({k: v for k, v in ident.meta.items() if k not in said})
    text = _dumps(said)
    return text if ident.since is None else f'{text[:-1]},"since":{seconds(ident.since)}}}'


def encode_values(values: Mapping[str, Any]) -> str:
    """Values as a JSON object; ValueError where one is not finite."""
    return _dumps(values)


def _behind(data: Data) -> str:
    """What stands behind the record."""
    flags = f',"flags":{_dumps(dict(data.flags))}' if data.flags else ""
    return f'{flags},"raw":{_dumps(data.raw)}' if data.raw else flags


def _field(f: Field) -> dict[str, str]:
    return {"name": f.name} | ({"unit": f.unit} if f.unit else {}) | ({"device": f.device} if f.device else {})


def _timed(time: int, values: Mapping[str, Any]) -> str:
    rest = _dumps({k: v for k, v in clean(values).items() if k != "time"})
    return f'{{"time":{seconds(time)}{"," if len(rest) > 2 else ""}{rest[1:]}'


def decode_message(text: str | bytes, idents: MutableMapping[tuple[str, str], Ident]) -> list[Telegram]:
    """The telegrams of one JSON object, of whichever form; *idents* are those told before, and learns.

    Raises ValueError, in one sentence, if there are none in it.
    """
    try:
        return list(_decode(loads(text), idents))
    except KeyError as error:
        raise ValueError(f"{error.args[0]!r} is missing") from None
    except (TypeError, AttributeError) as error:
        raise ValueError(f"no telegram: {error}") from None
    except RecursionError:
        raise ValueError("too deeply nested") from None


def decode(lines: Iterable[str | bytes]) -> Iterator[Telegram]:
    """The telegrams of JSON Lines or classic messages.

    Raises ValueError with the number of the line that is no telegram.
    """
    idents: MutableMapping[tuple[str, str], Ident] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield from decode_message(line, idents)
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from None


def decode_classic(text: str | bytes) -> list[Data]:
    """The data of one classic message; ValueError if it is none."""
    message = loads(text)
    if not isinstance(message, dict) or "metadata" not in message:
        raise ValueError("no classic telegram: 'metadata' is missing")
    return [t for t in _decode(message, {}) if isinstance(t, Data)]


def loads(line: str | bytes) -> Any:
    """What a text of JSON says, if all of it can be stored; else ValueError."""
    try:
        text = line.decode("utf-8-sig") if isinstance(line, bytes) else line  # json would let surrogates through
        value = json.loads(text, parse_float=_float)
    except RecursionError:
        raise ValueError("too deeply nested") from None
    except UnicodeDecodeError:
        raise ValueError("not UTF-8 text") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error}") from None
    if "\\ud" in text.lower():
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:  # half a surrogate pair: nothing could store it
            raise ValueError("not Unicode text") from None
    return value


class _Exact(float):
    """A float that remembers its digits: a time must be read exactly."""

    __slots__ = ("text",)
    text: str


def _float(text: str) -> float:
    if len(text) < 17:  # a float holds 15 digits and a point exactly
        return float(text)
    number = _Exact(text)
    number.text = text
    return number


def _decode(message: Any, idents: MutableMapping[tuple[str, str], Ident]) -> Iterator[Telegram]:
    if not isinstance(message, dict):
        raise ValueError("no telegram: not a JSON object")
    if "ident" in message:
        ident = decode_ident(message["ident"])
        idents[ident.project, ident.serial] = ident
        yield ident
        return
    if "metadata" in message:
        ident = decode_ident(message["metadata"])
        known = idents.get((ident.project, ident.serial))
        ident = idents[ident.project, ident.serial] = known if known == ident else ident
    else:
        name = _name(message, "project"), _name(message, "serial")
        ident = idents.get(name) or idents.setdefault(name, Ident(*name))
    if "note" in message:
        note = dict(message["note"])
        if not (kind := str(note["kind"])):
            raise ValueError("a note without its 'kind'")
        yield Note(ident, _time(note), kind, str(note.get("text", "")), flat(note.get("values", {})))
        return
    records = message["data"] if isinstance(message["data"], list) else [message["data"]]
    raw = said if isinstance(said := message.get("raw"), str) else ""
    for record in records:
        if not isinstance(record, dict):
            raise ValueError("no telegram: 'data' is no object with time and values")
        values = dict(record)
        flags = {str(k): str(v) for k, v in message.get("flags", {}).items()}
        yield Data(ident, _time(values), flat(values), flags, raw)


def _time(record: dict[str, Any]) -> int:
    value = record.pop("time")
    return nanoseconds(value.text if isinstance(value, _Exact) else value)


def flat(values: Mapping[str, Any]) -> dict[str, Value]:
    """Values without what is missing; a list or an object gives one value for each member.

    ValueError where the names of all these members would fill the memory.

    >>> flat({"a": [1, {"b": None, "c": True}]})
    {'a_0': 1, 'a_1_c': True}
    """
    return _flat(values, [_ROOM])


def _flat(values: Mapping[str, Any], room: list[int]) -> dict[str, Value]:
    result: dict[str, Value] = {}
    for name, value in values.items():
        match value:
            case bool() | str() | int():
                result[name] = value
            case float():
                if math.isfinite(value):
                    result[name] = float(value)
            case list():
                result |= _members(name, dict(enumerate(value)), room)
            case dict():
                result |= _members(name, value, room)
    return result


def _members(name: str, value: Mapping[Any, Any], room: list[int]) -> dict[str, Value]:
    """The values of the members of a list or an object, by names for which there is *room*."""
    room[0] -= len(value) * (len(name) + 1) + sum(len(str(key)) for key in value)
    if room[0] < 0:
        raise ValueError("its lists and objects have more members than a telegram can hold")
    return _flat({f"{name}_{key}": member for key, member in value.items()}, room)


def decode_ident(said: str | bytes | Mapping[str, Any]) -> Ident:
    """An ident from a JSON object or its text, ours or a legacy one with parallel lists.

    Raises ValueError, KeyError or TypeError where it is none.
    """
    if isinstance(said, str | bytes):
        said = loads(said)
    if not isinstance(said, Mapping):
        raise ValueError("no ident: not a JSON object")
    place = said.get("geolocation")
    since = said.get("since")
    return Ident(
        project=_name(said, "project"),
        serial=_name(said, "serial"),
        label=str(said.get("label") or ""),
        geolocation=_place(place) if place else None,
        fields=_fields(said),
        meta={k: _item(v) for k, v in said.items() if k not in _OWN + _LISTS and _there(v)},
        since=None if since is None else nanoseconds(since.text if isinstance(since, _Exact) else since),
    )


def _name(said: Mapping[str, Any], item: str) -> str:
    name = said[item]
    if isinstance(name, bool) or not isinstance(name, str | int):
        raise ValueError(f"{item!r} is no name")
    return str(name)


def _there(value: Any) -> bool:
    """Whether an item says something: a number that is not finite does not."""
    if isinstance(value, list):
        return bool(value) and all(_there(member) for member in value)
    return value not in (None, "") and not (isinstance(value, float) and not math.isfinite(value))


def _place(said: object) -> Location | None:
    text = said if isinstance(said, str) else ",".join(map(str, said))  # type: ignore[call-overload]
    place = Location.parse(text)
    return None if tuple(place[:2]) == (0, 0) else place  # what kits without a place send


def _fields(said: Mapping[str, Any]) -> tuple[Field, ...]:
    names = _list(said.get("fields"))
    if names and isinstance(names[0], Mapping):
        return tuple(Field(str(f["name"]), str(f.get("unit", "")), str(f.get("device", ""))) for f in names)
    units, types = (_list(said.get(key)) + [""] * len(names) for key in ("units", "types"))
    rows = zip(names, units, types, strict=False)
    return tuple(Field(str(n), str(u or ""), str(t or "")) for n, u, t in rows if n != "time")


def _list(said: Any) -> list[Any]:
    return [part.strip() for part in said.split(",")] if isinstance(said, str) else list(said or ())


def _item(value: Any) -> Item:
    if isinstance(value, list | tuple):
        return tuple(_item(v) if not isinstance(v, list) else str(v) for v in value)  # type: ignore[misc]
    return float(value) if isinstance(value, _Exact) else value if isinstance(value, bool | int | float) else str(value)
