"""Telegrams to try a journal with, and what is asked of those that come back."""

from typing import Any

from mysense.journal import Entry
from mysense.telegram import SECOND, Data, Field, Ident, Note

T0 = 1_700_000_000
IDENT = Ident("Demo", "1", "shed", fields=(Field("temp", "C"),))
OTHER = Ident("Demo", "2")


def data(seconds: float, ident: Ident = IDENT, **values: Any) -> Data:
    """A data telegram some seconds after a fixed time."""
    return Data(ident, T0 * SECOND + round(seconds * SECOND), values or {"temp": float(seconds)})


def times(telegrams: Any) -> list[float]:
    """The times of the data among entries, in seconds after that time."""
    found = [entry.telegram for entry in telegrams if isinstance(entry.telegram, Data)]
    return [(telegram.time - T0 * SECOND) / SECOND for telegram in found]


def flags(entry: Entry) -> Any:
    """What is doubted in an entry."""
    return entry.telegram.flags if isinstance(entry.telegram, Data) else {}


def refusal(text: str) -> Note:
    """What came in and is no telegram, as a journal keeps it."""
    return Note(Ident("", ""), T0 * SECOND, "refused", text, {"from": "a/b", "bytes": len(text)})
