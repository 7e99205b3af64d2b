"""JSON read exactly: times to the nanosecond, text that can be stored, values without what is missing."""

import json
import math
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from mysense.telegram import SECOND, Value

_FARTHEST = 2**63 - 1
_ROOM = 1_000_000
"""Characters of the names that are made for the members of the lists and objects of one record."""


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


class Exact(float):
    """A float that remembers its digits: a time must be read exactly."""

    __slots__ = ("text",)
    text: str


def _float(text: str) -> float:
    if len(text) < 17:  # a float holds 15 digits and a point exactly
        return float(text)
    number = Exact(text)
    number.text = text
    return number


def exact(value: object) -> object:
    """The digits of a float that remembers them; any other value as it is."""
    return value.text if isinstance(value, Exact) else value


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
