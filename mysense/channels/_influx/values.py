"""What a line of line protocol holds behind its measurement and tags: fields, and a time."""

import re
from math import isfinite

from mysense.telegram import Value

STEPS = {
    name: step
    for names, step in (
        ("n ns nanosecond", 1),
        ("u us µ µs microsecond", 1000),
        ("ms millisecond", 1_000_000),
        ("s second", 1_000_000_000),
        ("m", 60_000_000_000),
        ("h", 3_600_000_000_000),
        ("auto", 0),
    )
    for name in names.split()
}
"""The precisions that the versions of InfluxDB know, in nanoseconds; 0: told by how large a time is (version 3)."""
FARTHEST = 2**63 - 2
"""The last nanosecond that InfluxDB knows, and with a minus the first."""
_LONGEST = 1000  # signs of a number

_field = re.compile(
    r"""((?>(?:[^ ,=\\]|\\.|\\\Z)*))  # its name, up to an equal sign without a backslash
    =(?:"([^"\\]*+(?>(?:\\.[^"\\]*+)*))"|([^ ,]*+))""",  # text, or what stands there without quotes
    re.DOTALL | re.VERBOSE,
).match
_float = re.compile(r"-?(?:[0-9]++\.?[0-9]*+|\.[0-9]++)(?:[eE][-+]?[0-9]++)?").fullmatch  # in one go: never quadratic
_whole = re.compile(r"(-?[0-9]+)i|([0-9]+)u").fullmatch
_BOOLEANS = dict.fromkeys(("t", "T", "true", "True", "TRUE"), True) | dict.fromkeys(
    ("f", "F", "false", "False", "FALSE"), False
)


class Wrong(Exception):
    """Why a line is none."""


def name(text: str) -> str:
    """The name of a measurement or of a field, without its escapes."""
    return re.sub(r"\\([,= \"])", r"\1", text) if "\\" in text else text


def tag(text: str) -> str:
    """A tag or its value, without its escapes."""
    return re.sub(r"\\([,= ])", r"\1", text) if "\\" in text else text


def fields_of(line: str, begin: int) -> tuple[dict[str, Value], int]:
    """The fields that begin there, and where they end."""
    fields: dict[str, Value] = {}
    while found := _field(line, begin):
        key, text, bare = found.groups()
        if not key:
            raise Wrong("missing field key")
        if text is None:
            fields[name(key)] = _value(bare)
        else:
            fields[name(key)] = re.sub(r'\\(["\\])', r"\1", text) if "\\" in text else text
        begin = found.end()
        match line[begin : begin + 1]:
            case ",":
                begin += 1
            case "" | " ":
                return fields, begin
            case _:
                raise Wrong("invalid text: something follows its closing quote")
    raise Wrong("invalid field format")


def _value(said: str) -> Value:
    """A number or a boolean."""
    if len(said) <= _LONGEST:
        if _float(said):
            if isfinite(number := float(said)):
                return number
            raise Wrong("invalid float")
        if whole := _whole(said):
            number = int(whole[1] or whole[2])
            if -(2**63) <= number < (2**63 if whole[1] else 2**64):
                return number
            raise Wrong(f"unable to parse integer {number}: value out of range")
        if (truth := _BOOLEANS.get(said)) is not None:
            return truth
    if not said:
        raise Wrong("missing field value")
    if said[0] == '"':
        raise Wrong("unbalanced quotes")
    raise Wrong("invalid number" if said[0] in "0123456789-.Nn" else "invalid boolean")


def time_of(stamp: str, step: int) -> int:
    """A time that counts *step* nanoseconds."""
    if not re.fullmatch(r"-?[0-9]{1,30}", stamp):
        raise Wrong("bad timestamp")
    count = int(stamp)
    time = count * (step or guessed(count))
    if not -FARTHEST <= time <= FARTHEST:
        raise Wrong(f"time outside range {-FARTHEST} - {FARTHEST}")
    return time


def guessed(count: int) -> int:
    """What a time must count in to lie in our days, as InfluxDB 3 guesses it."""
    return next((step for most, step in ((5e9, 10**9), (5e12, 10**6), (5e15, 1000)) if abs(count) < most), 1)
