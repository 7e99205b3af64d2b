"""Times as text (RFC 3339), to the nanosecond: so InfluxDB 2 and 3 say them."""

from datetime import UTC, datetime, timedelta

from mysense.telegram import SECOND

_BEGIN = datetime(1970, 1, 1, tzinfo=UTC)


def nanoseconds(text: str) -> int:
    """A time as nanoseconds since 1970; ValueError if it is none.

    >>> nanoseconds("2023-11-14T22:13:20.000000001Z"), nanoseconds("2023-11-14T22:13:20.5")
    (1700000000000000001, 1700000000500000000)
    """
    whole, _, fraction = text.removesuffix("Z").partition(".")
    moment = datetime.fromisoformat(whole).replace(tzinfo=UTC)
    return (moment - _BEGIN) // timedelta(seconds=1) * SECOND + int(fraction.ljust(9, "0")[:9])


def text(time: int) -> str:
    """Nanoseconds since 1970 as a time.

    >>> text(1700000000000000001)
    '2023-11-14T22:13:20.000000001Z'
    """
    seconds, rest = divmod(time, SECOND)
    return f"{_BEGIN + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S}.{rest:09}Z"
