"""What ``mysense check`` tells of an InfluxDB. Nothing is written."""

from collections.abc import Sequence

from mysense.channels.influxdb.api import Api, Question, RefusedError, UnknownError, words
from mysense.errors import UnavailableError

MANY = 100
"""Databases of one server up to which one for each node is good advice."""
FEW = 10
"""Databases that are tried, one by one."""
_ADVICE = (
    f": with more than {MANY}, database = {{project}} is kinder to the server. Each of ours costs it 0.5 to"
    " 0.9 MB and 9 open files: an open-files limit of 1024 holds about 110, Debian's 65536 about 7,000"
)


def greeting(api: Api) -> str:
    """The server and its version, as it says itself."""
    place = api.access.place
    answer = api.request("GET", "/ping")
    if answer.status not in (200, 204, 401):
        raise UnavailableError(f"{place} answers {answer.status} {words(answer.text)}".rstrip())
    return f"InfluxDB {answer.headers.get('x-influxdb-version', api.version).lstrip('v')} at {place}"


def listed(names: Sequence[str]) -> str:
    """A few databases by name, many by their number.

    >>> listed(["a", "b"]), listed([]), listed(["a"] * 9)
    ('a, b', 'no database', '9 databases')
    """
    return ", ".join(names) if 0 < len(names) < 5 else f"{len(names) or 'no'} database{'s' * (len(names) > 1)}"


def usable(api: Api, one_for_each: bool) -> str:
    """Which databases the server shows this user; with *one_for_each* node there may be too many."""
    try:
        names = api.databases()
    except RefusedError:
        raise
    except UnavailableError:
        return ""
    who = f"user {api.access.user!r} may use" if api.access.user else "it has"
    return f"; {who} {listed(names)}{_advice(api, names) if one_for_each else ''}"


def crowded(api: Api) -> str:
    """What to do before there are too many databases."""
    try:
        names = api.databases()
    except UnavailableError:
        return ""
    return f"; {listed(names)}{_advice(api, names)}" if _advice(api, names) else ""


def _advice(api: Api, names: Sequence[str]) -> str:
    return _ADVICE if len(names) > MANY and api.version != "3" else ""


def readable(api: Api, measurement: str, databases: Sequence[str]) -> str:
    """Whether the first of some databases may be read, and hold what is wanted; UnavailableError says what to do."""
    some = False
    for database in databases[:FEW]:
        try:
            some = bool(api.rows(Question(database, measurement, 0, 1)).rows) or some
        except UnknownError:
            raise
        except RefusedError as error:
            raise UnavailableError(f"may not read {database}: {error}; {api.asking(database, True)}") from None
    return f"; reads {listed(databases)}{'' if some else f', where there is no {measurement!r} yet'}"


def writable(api: Api, database: str, create: bool) -> str:
    """Whether a database may be written, by a request without a point."""
    answer = api.request("POST", api.writing(database, "s"), b"")
    if answer.status == 404 and create:
        if api.may_create():
            return f"; {database} is not there yet"
        raise UnavailableError(
            f"there is no database {database}, and this user may not make it; {api.asking(database)}"
        )
    if error := api.verdict(answer, database):
        raise error
    return f"; may write {database}"
