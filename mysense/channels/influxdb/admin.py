"""Administration and queries of an InfluxDB 1.x, by the package influxdb (extra ``influxdb``).

The package is imported when it is first needed, and never waits longer than the time-out.
"""

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Self
from urllib.parse import urlencode

from mysense.channels.influxdb.api import RefusedError, words
from mysense.channels.influxdb.server import Server
from mysense.channels.influxdb.v1 import creation, quoted
from mysense.errors import UnavailableError
from mysense.extras import library

_FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}


class Policy(NamedTuple):
    """A retention policy of a database: how many seconds it keeps data, 0 for ever."""

    name: str
    seconds: int
    default: bool


class Admin:
    """One server, seen as administrator. Raises UnavailableError with the server's words."""

    def __init__(self, **options: Any) -> None:
        self._place = f"{options.get('host', 'localhost')}:{options.get('port', 8086)}"
        with warnings.catch_warnings():  # the package uses what Python 3.12 calls deprecated
            warnings.simplefilter("ignore")
            package = library("influxdb", "influxdb")
            self._client = package.InfluxDBClient(retries=1, **options)
            self._refused: type[Exception] = package.exceptions.InfluxDBClientError
            self._broken: type[Exception] = package.exceptions.InfluxDBServerError

    @classmethod
    def at(cls, server: Server) -> Self:
        """The administrator whose name and password the options of *server* hold."""
        access = server.access()
        host, port, secure, prefix = server.parts
        tls: dict[str, Any] = {}
        if secure:
            authority = str(server.ca_file) if server.ca_file else True
            certificate = (str(server.cert_file), str(server.key_file)) if server.key_file else server.cert_file
            tls = {"ssl": True, "verify_ssl": authority if server.verify else False, "cert": certificate}
        return cls(
            host=host, port=port, path=prefix, timeout=server.timeout,
            username=access.user or None, password=access.secret or None, **tls,
        )  # fmt: skip

    def create_database(self, name: str) -> None:
        """Make a database; one that is there stays as it is."""
        self.change(creation(name))

    def databases(self) -> list[str]:
        """The databases there are, without the server's own."""
        return [row["name"] for row in self.query("SHOW DATABASES") if not row["name"].startswith("_")]

    def series(self, database: str) -> list[str]:
        """The series of a database."""
        return [row["key"] for row in self.query("SHOW SERIES", database)]

    def users(self) -> list[str]:
        """The users there are."""
        return [row["user"] for row in self.query("SHOW USERS")]

    def grants(self, user: str) -> dict[str, str]:
        """What a user may do in which database."""
        return {row["database"]: row["privilege"] for row in self.query(f"SHOW GRANTS FOR {quoted(user)}")}

    def policies(self, database: str) -> dict[str, Policy]:
        """The retention policies of a database, by name."""
        rows = self.query(f"SHOW RETENTION POLICIES ON {quoted(database)}")
        return {row["name"]: Policy(row["name"], _seconds(row["duration"]), row["default"]) for row in rows}

    def continuous_queries(self) -> dict[str, dict[str, str]]:
        """The continuous queries by database and name, as the server writes them."""
        with self._words():
            found = self._client.query("SHOW CONTINUOUS QUERIES").raw
        return {series["name"]: dict(series.get("values", ())) for series in found.get("series", ())}

    def query(self, query: str, database: str | None = None) -> list[dict[str, Any]]:
        """The rows of a query, times in nanoseconds; a statement that changes something has none."""
        if not query.startswith(("SELECT", "SHOW")):
            self.change(query)
            return []
        with self._words():
            return list(self._client.query(query, database=database, epoch="ns").get_points())

    def change(self, statement: str) -> None:
        """Have the server carry out a statement. It goes in the body: a proxy keeps the address of a request."""
        with self._words():
            body = urlencode({"q": statement}).encode()
            answer = self._client.request("query", "POST", data=body, headers=dict(_FORM))
        if error := words(answer.text):
            raise UnavailableError(error)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    @contextmanager
    def _words(self) -> Iterator[None]:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield
        except (self._refused, self._broken) as error:
            refused = getattr(error, "code", None) in (401, 403)
            raise (RefusedError if refused else UnavailableError)(_said(error)) from None
        except OSError as error:
            raise UnavailableError(f"{self._place} does not answer ({type(error).__name__})") from error


def _said(error: Exception) -> str:
    """The server's own words."""
    content = getattr(error, "content", None) or str(error)
    text = content.decode(errors="replace") if isinstance(content, bytes) else str(content)
    return words(text) or text


def _seconds(duration: str) -> int:
    """A duration as the server writes it.

    >>> _seconds("17520h0m0s"), _seconds("0s")
    (63072000, 0)
    """
    units = {"h": 3600, "m": 60, "s": 1}
    return sum(int(count) * units[unit] for count, unit in re.findall(r"(\d+)([hms])", duration))
