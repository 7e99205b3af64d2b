"""Administration and queries of an InfluxDB 1.x, by the package influxdb (extra ``influxdb``).

The package is imported when it is first needed, and never waits longer than the time-out.
"""

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mysense.channels.influxdb.v1 import creation, quoted
from mysense.errors import UnavailableError
from mysense.extras import library


class Admin:
    """One server, seen as administrator. Raises UnavailableError with the server's words."""

    def __init__(self, **options: Any) -> None:
        with warnings.catch_warnings():  # the package uses what Python 3.12 calls deprecated
            warnings.simplefilter("ignore")
            package = library("influxdb", "influxdb")
            self._client = package.InfluxDBClient(retries=1, **options)
            self._refused: type[Exception] = package.exceptions.InfluxDBClientError
            self._broken: type[Exception] = package.exceptions.InfluxDBServerError

    def create_database(self, name: str) -> None:
        """Make a database; one that is there stays as it is."""
        self._do(creation(name))

    def databases(self) -> list[str]:
        """The databases there are, without the server's own."""
        return [row["name"] for row in self._do("SHOW DATABASES") if not row["name"].startswith("_")]

    def series(self, database: str) -> list[str]:
        """The series of a database."""
        return [row["key"] for row in self._do("SHOW SERIES", database)]

    def grants(self, user: str) -> dict[str, str]:
        """What a user may do in which database."""
        return {row["database"]: row["privilege"] for row in self._do(f"SHOW GRANTS FOR {quoted(user)}")}

    def query(self, query: str, database: str | None = None) -> list[dict[str, Any]]:
        """The rows of a query, times in nanoseconds."""
        return self._do(query, database)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _do(self, query: str, database: str | None = None) -> list[dict[str, Any]]:
        method = "GET" if query.startswith(("SELECT", "SHOW")) else "POST"
        with self._words():
            found = self._client.query(query, database=database, method=method, epoch="ns")
            return list(found.get_points()) if method == "GET" else []

    @contextmanager
    def _words(self) -> Iterator[None]:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield
        except (self._refused, self._broken) as error:
            raise UnavailableError(_said(error)) from None


def _said(error: Exception) -> str:
    """The server's own words."""
    text = str(getattr(error, "content", "") or error)
    try:
        return str(json.loads(text)["error"])
    except (ValueError, KeyError, TypeError):
        return text
