"""Telegrams as rows of a table: one number for an ident, one small JSON for the rest."""

import json
from collections.abc import Iterator, Mapping, Sequence
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


def telegrams(rows: Sequence[tuple[Any, ...]], idents: Mapping[int, Ident]) -> Iterator[Telegram]:
    """The telegrams of rows (seq, kind, ident, time, body).

    Many bodies are decoded as one text: that is a third faster, and equal names become one
    object. Not too many, since the decoder lets no other thread run meanwhile.
    """
    for begin in range(0, len(rows), 200):
        part = rows[begin : begin + 200]
        said = _decode(f"[{','.join([row[4] or '0' for row in part])}]")
        for (_, kind, ident, time, _), values in zip(part, said, strict=True):
            if kind == DATA and values.__class__ is dict:
                yield Data(idents[ident], time, values)
            else:
                yield _other(kind, idents[ident], time, values)


def _other(kind: int, ident: Ident, time: int, said: Any) -> Telegram:
    if kind == DATA:
        return Data(ident, time, said[0], said[1])
    if kind == NOTE:
        return Note(ident, time, *said)
    return ident


def one(telegram: Telegram) -> str:
    """A telegram with its ident in one text, for the rejected."""
    ident = telegram if isinstance(telegram, Ident) else telegram.ident
    return f"{wire.encode(ident)}\n{wire.encode(telegram)}"


def other(text: str) -> Telegram:
    """The telegram of ``one``."""
    return list(wire.decode(text.split("\n")))[-1]
