"""Where a reader begins in a database that it has never read."""

from datetime import UTC, datetime, timedelta

WORDS = ("info", "oldest", "now")
"""The newest ident, everything, nothing of what is there."""


def beginning(text: str) -> str:
    """*text* if it is one of the words or a time; ValueError for anything else."""
    if text.lower() in WORDS:
        return text.lower()
    try:
        moment(text)
    except ValueError:
        raise ValueError(f"{text!r}: write info, oldest, now, or a time such as 2026-05-31T12:00:00Z") from None
    return text


def moment(text: str) -> int:
    """A time in ISO 8601 as nanoseconds; without a zone it is UTC.

    >>> moment("2023-11-14T22:13:20Z")
    1700000000000000000
    """
    said = datetime.fromisoformat(text)
    said = said if said.tzinfo else said.replace(tzinfo=UTC)
    return (said - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000
