"""Telegrams as rows of a table: one number for an ident, one small JSON for the rest."""

import json

from mysense import wire
from mysense.telegram import Data, Ident, Note, Telegram, clean

IDENT, DATA, NOTE = 0, 1, 2
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
_decode = json.JSONDecoder().decode


def body(telegram: Telegram) -> tuple[int, int, str | None]:
    """Kind, time and text of a telegram; text is None for data that says nothing."""
    if isinstance(telegram, Data):
        if telegram.values.__class__ is wire.JsonValues and not (telegram.flags or telegram.raw):
            text = telegram.values.text
            return DATA, telegram.time, text if text != "{}" else None
        values = clean(telegram.values)
        if telegram.flags or telegram.raw:
            raw = [telegram.raw] if telegram.raw else []
            return DATA, telegram.time, _encode([values, dict(telegram.flags), *raw]) if values else None
        return DATA, telegram.time, _encode(values) if values else None
    if isinstance(telegram, Note):
        return NOTE, telegram.time, _encode([telegram.kind, telegram.text, clean(telegram.values)])
    return IDENT, telegram.since or 0, ""


def telegram(kind: int, ident: Ident, time: int, text: str) -> Telegram:
    """The telegram of a row; the values of data stay text until somebody looks at them."""
    if kind == DATA and text.__class__ is str and text[:1] == "{" and time.__class__ is int:
        return Data(ident, time, wire.JsonValues(text))
    if kind == IDENT:
        return ident
    try:
        if kind == DATA:
            values, flags, *raw = _decode(text)
            return Data(ident, time + 0, dict(values), dict(flags), *map(str, raw[:1]))
        word, said, values = _decode(text)
        return Note(ident, time + 0, str(word), str(said), dict(values))
    except (ValueError, TypeError):  # bits have tipped on the disk: it must not stop what comes behind it
        when = time if isinstance(time, int) else 0
        return Data(ident, when, {wire.UNREADABLE: str(text)}) if kind == DATA else _unreadable(ident, when, text)


def _unreadable(ident: Ident, time: int, text: object) -> Note:
    return Note(ident, time, wire.UNREADABLE, str(text))


def ident(node: str, text: str) -> Ident:
    """The ident of a row."""
    try:
        return wire.decode_ident(text)
    except (ValueError, TypeError, KeyError, AttributeError):
        project, _, serial = str(node).partition("_")
        return Ident(project, serial, wire.UNREADABLE)


def one(telegram: Telegram) -> str:
    """A telegram with its ident in one text, for the rejected."""
    ident = telegram if isinstance(telegram, Ident) else telegram.ident
    return f"{wire.encode(ident)}\n{wire.encode(telegram)}"


def other(text: str) -> Telegram:
    """The telegram of ``one``."""
    try:
        return list(wire.decode(text.split("\n")))[-1]
    except (ValueError, TypeError, KeyError, AttributeError, IndexError):
        return _unreadable(Ident("unknown", "unknown"), 0, text)
