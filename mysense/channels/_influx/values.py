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

_key = re.compile(r"((?:[^ ,=\\]|\\.|\\\Z)*+)(=?)", re.DOTALL).match
_text = re.compile(r'"([^"\\]*+(?:\\.[^"\\]*+)*+)"', re.DOTALL).match
_bare = re.compile(r"[^ ,]*").match
_float = re.compile(r"-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?").fullmatch
_whole = re.compile(r"(-?[0-9]+)i|([0-9]+)u").fullmatch
_BOOLEANS = dict.fromkeys(("t", "T", "true", "True", "TRUE"), True) | dict.fromkeys(
    ("f", "F", "false", "False", "FALSE"), False
)


class Wrong(Exception):
    """Why a line is none."""


def name(text: str) -> str:
    """A tag, its value or the name of a field without its escapes."""
    return re.sub(r"\\([,= ])", r"\1", text) if "\\" in text else text


def fields_of(line: str, begin: int) -> tuple[dict[str, Value], int]:
    """The fields that begin there, and where they end."""
    fields: dict[str, Value] = {}
    while True:
        found = _key(line, begin)
        if not found or not found[2]:
            raise Wrong("invalid field format")
        if not found[1]:
            raise Wrong("missing field key")
        key, begin = name(found[1]), found.end()
        value: Value
        if line[begin : begin + 1] == '"':
            text = _text(line, begin)
            if not text:
                raise Wrong("unbalanced quotes")
            value, begin = re.sub(r'\\(["\\])', r"\1", text[1]), text.end()
        else:
            bare = _bare(line, begin)
            assert bare
            value, begin = _value(bare[0]), bare.end()
        fields[key] = value
        if line[begin : begin + 1] != ",":
            if line[begin : begin + 1] not in ("", " "):
                raise Wrong("invalid text: something follows its closing quote")
            return fields, begin
        begin += 1


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
