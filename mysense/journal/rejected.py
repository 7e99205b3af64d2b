"""What was set aside: telegrams that a far end refused, and what came in and is none."""

import sqlite3
from collections.abc import Iterable

from mysense.journal import Rejected, codec
from mysense.journal.reader import Reader
from mysense.telegram import Telegram

KEPT = 10_000
"""The newest of each section that are kept; all are counted."""


def keep(db: sqlite3.Connection, section: str, time: int, found: Iterable[tuple[int, str, Telegram]]) -> None:
    """Keep telegrams, each with the number of its entry and the reason; *time* is now."""
    rows = [(section, seq, time, reason, codec.one(telegram)) for seq, reason, telegram in found]
    db.executemany("INSERT INTO rejected (cursor, seq, time, reason, body) VALUES (?, ?, ?, ?, ?)", rows)
    db.execute("UPDATE cursor SET rejected = rejected + ? WHERE name = ?", (len(rows), section))
    db.execute(
        "DELETE FROM rejected WHERE cursor = ? AND number <="
        " (SELECT number FROM rejected WHERE cursor = ? ORDER BY number DESC LIMIT 1 OFFSET ?)",
        (section, section, KEPT),
    )


def kept(reader: Reader, section: str | None, limit: int) -> list[Rejected]:
    """What was set aside for one *section*, or for all, oldest first."""
    rows = reader.query(
        "SELECT number, cursor, seq, time, reason, body FROM rejected WHERE cursor = ifnull(?, cursor)"
        " ORDER BY number LIMIT ?", section, limit,
    )  # fmt: skip
    return [Rejected(n, c, s, t, r, codec.other(body)) for n, c, s, t, r, body in rows]


def drop(db: sqlite3.Connection, numbers: Iterable[int]) -> None:
    """Forget some of it, and that it was refused."""
    rows = [(number,) for number in numbers]
    db.executemany(
        "UPDATE cursor SET rejected = rejected - 1"
        " WHERE rejected > 0 AND name = (SELECT cursor FROM rejected WHERE number = ?)", rows,
    )  # fmt: skip
    db.executemany("DELETE FROM rejected WHERE number = ?", rows)
