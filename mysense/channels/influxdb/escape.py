"""Names and values as line protocol has them: escaped, left out, or refused."""

import re
from collections.abc import Iterable
from math import isfinite

from mysense.channels.influxdb.layout import RESERVED
from mysense.errors import RejectedError
from mysense.telegram import Value

LARGEST = 10**308
"""Whole numbers from here on are refused: a float ends a little above."""

LONGEST = 4000
"""Bytes of a name or tag: VictoriaMetrics cuts off what is longer, and says nothing."""

_SIGNS = ",= "
_CONTROL = re.compile(r"[\x00-\x1f]")
_LOOSE = re.compile(r"\\+(?=[,= ]|\Z)")
_QUOTED = re.compile(r'\\+(?=[,= "]|\Z)')
_HUGE = re.compile(r"\d{309}")
_SYSTEM = ("_fieldKeys", "_measurements", "_series", "_tagKeys", "_tags")


def tag(text: str) -> str:
    """*text* as a tag value or a key.

    A line break or another control character cannot be written, nor what is too long (RejectedError). A backslash at
    the end, or before a sign that is escaped itself, would be read as that sign's escape: it is left out.
    """
    if len(text) > LONGEST // 4 and len(text.encode()) > LONGEST:
        raise RejectedError(f"{text[:20]!r}… is too long for a name or a tag: the most are {LONGEST} bytes")
    if _CONTROL.search(text):
        raise RejectedError(f"{text!r} has a line break or a control character: InfluxDB cannot write that in a name")
    if "\\" in text:
        text = _LOOSE.sub("", text)
    for sign in _SIGNS:
        if sign in text:
            text = text.replace(sign, f"\\{sign}")
    return text


def shorn(name: str) -> str:
    """The name of a measurement or a value without backslashes that would escape; here also one before a quote."""
    return _QUOTED.sub("", name) if "\\" in name else name


def measurement(text: str) -> str:
    """*text* as a measurement; RejectedError where the server would take it for a comment, or never show it."""
    name = tag(shorn(text)).replace("\\=", "=")
    if not name or name.startswith("#") or text in _SYSTEM:
        raise RejectedError(f"a measurement cannot be called {text!r} in InfluxDB")
    return name


def key(name: str) -> str:
    """The name of a value as a field has it; RejectedError where InfluxDB would drop it, perhaps without a word."""
    said = tag(shorn(name))
    if not said or said in RESERVED:
        raise RejectedError(f"a value cannot be called {name!r} in InfluxDB")
    return said


def whole(value: int) -> str:
    """A whole number; RejectedError where no float holds it."""
    if not -LARGEST < value < LARGEST:
        raise RejectedError("a whole number of more than 308 digits is more than InfluxDB can hold")
    return int.__repr__(value)


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
            return whole(value)
        case float():
            return float.__repr__(value) if isfinite(value) else None
        case _:
            return None


class Keys(dict[str, str]):
    """Field keys, escaped once each."""

    shortened = False
    """Whether one was met that is written without a backslash, and so may be another's."""

    def __missing__(self, name: str) -> str:
        said = f"{key(name)}="
        self.shortened = self.shortened or shorn(name) != name
        if len(self) > 10_000:  # names of strangers must not fill the memory
            self.clear()
        self[name] = said
        return said


def plain(text: str, special: Iterable[str] = ()) -> str:
    """The fields of compact JSON that holds only numbers under plain names; empty for any other.

    *special* are names in their quotes that are not plain.

    >>> plain('{"temp":20.5,"rh":50}'), plain('{"state":"up"}')
    ('temp=20.5,rh=50', '')
    """
    if ':"' in text or "\\" in text or " " in text or "=" in text:
        return ""
    if '"time"' in text or ("_" in text and '"_' in text):
        return ""
    for name in special:
        if name in text:
            return ""
    count = text.count(":")
    if text.count('"') != 2 * count or text.count(",") != count - 1 or '"":' in text:
        return ""
    if len(text) > 300 + 6 * count and _HUGE.search(text):  # there is room for one, beside shortest others
        return ""
    return text[1:-1].replace('"', "").replace(":", "=")
