"""Telegrams as rows of a table: one number for an ident, one small JSON for the rest."""

import json
from typing import Any

from mysense import wire
from mysense.telegram import Data, Ident, Note, Telegram, clean

IDENT, DATA, NOTE = 0, 1, 2
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
_decode = json.JSONDecoder().decode


def body(telegram: Telegram) -> tuple[int, int, str | None]:
    """Kind, time and text of a telegram; text is None for data that says nothing."""
    if isinstance(telegram, Data):
        values = clean(telegram.values)
        if telegram.flags:
            return DATA, telegram.time, _encode([values, dict(telegram.flags)]) if values else None
        return DATA, telegram.time, _encode(values) if values else None
    if isinstance(telegram, Note):
        return NOTE, telegram.time, _encode([telegram.kind, telegram.text, clean(telegram.values)])
    return IDENT, telegram.since or 0, ""


def telegram(kind: int, ident: Ident, time: int, text: str) -> Telegram:
    """The telegram of a row."""
    if kind == DATA:
        said: Any = _decode(text)
        return Data(ident, time, said) if type(said) is dict else Data(ident, time, said[0], said[1])
    if kind == NOTE:
        word, told, values = _decode(text)
        return Note(ident, time, word, told, values)
    return ident


def one(telegram: Telegram) -> str:
    """A telegram with its ident in one text, for the rejected."""
    ident = telegram if isinstance(telegram, Ident) else telegram.ident
    return f"{wire.encode(ident)}\n{wire.encode(telegram)}"


def other(text: str) -> Telegram:
    """The telegram of ``one``."""
    return list(wire.decode(text.split("\n")))[-1]
