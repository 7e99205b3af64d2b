"""InfluxDB 1.x, and what speaks like it: ``/write`` and ``/query``, a user and a password."""

import json
import time
from base64 import b64encode
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from mysense.channels.influxdb.api import LARGEST, WEEK, AnswerError, Api, Question, RefusedError, Table, shard


def quoted(name: str) -> str:
    """*name* as an identifier of InfluxQL."""
    escaped = name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def literal(text: str) -> str:
    """*text* as a string of InfluxQL."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    return f"'{escaped}'"


def creation(database: str, retention: float = 0.0) -> str:
    """The statement that makes a database whose data is kept so many seconds, or for ever."""
    kept, shards = durations(retention)
    return f'CREATE DATABASE {quoted(database)} WITH DURATION {kept} SHARD DURATION {shards} NAME "autogen"'


def durations(retention: float) -> tuple[str, str]:
    """How long data is kept and how long a shard is, as InfluxQL writes both."""
    if not retention:
        return "INF", f"{shard(0) // WEEK}w"
    return f"{int(retention)}s", f"{shard(retention)}s"


def granting(database: str, user: str, privilege: str) -> str:
    """The statement that lets a user WRITE one database, or READ it, or both (ALL)."""
    return f"GRANT {privilege} ON {quoted(database)} TO {quoted(user)}"


class V1(Api):
    """InfluxDB 1.x."""

    version = "1"
    steps = {"s": "s", "ms": "ms", "u": "u", "ns": "ns"}  # noqa: RUF012

    @property
    def headers(self) -> dict[str, str]:
        if self.access.token:
            return {"Authorization": f"Token {self.access.token}"}
        if not self.access.user:
            return {}
        pair = b64encode(f"{self.access.user}:{self.access.secret}".encode()).decode()
        return {"Authorization": f"Basic {pair}"}

    def writing(self, database: str, precision: str) -> str:
        return f"/write?{urlencode({'db': database} | ({'precision': precision} if precision else {}))}"

    def create(self, database: str, retention: float = 0.0) -> bool:
        self._results(self.ask("POST", f"/query?{urlencode({'q': creation(database, retention)})}"))
        return True

    def databases(self) -> list[str]:
        names = (row[0] for _, rows in self._series("SHOW DATABASES") for row in rows)
        return [name for name in names if name != "_internal"]

    def tag_values(self, database: str, measurement: str, tags: Sequence[str]) -> list[dict[str, str]]:
        found: list[dict[str, str]] = []
        keys = self._series(f"SHOW TAG KEYS FROM {quoted(measurement)}", database)
        if not any(key in tags for _, rows in keys for [key] in rows):
            return []
        for _, rows in self._series(f"SHOW SERIES FROM {quoted(measurement)}", database):
            for [key] in rows:
                some = {name: value for name, value in _tags(key).items() if name in tags}
                if some not in found:
                    found.append(some)
        return found

    def rows(self, question: Question) -> Table:
        if self._ahead and self._ahead[0] == question:
            self._ahead = None
            text = self.accepted(self.server.receive(LARGEST))
        else:
            text = self.ask("GET", _asked(_selection(question), question.database))
        for columns, rows in self._told(text):
            return Table(columns, rows)
        return Table(("time",), ())

    def ahead(self, question: Question) -> None:
        if self._ahead is None:
            self.server.send("GET", _asked(_selection(question), question.database), None, self.headers)
            self._ahead = question, time.monotonic()

    def _series(self, statement: str, database: str = "") -> list[tuple[list[str], list[list[Any]]]]:
        return self._told(self.ask("GET", _asked(statement, database)))

    def _told(self, text: str) -> list[tuple[list[str], list[list[Any]]]]:
        """The columns and rows of each series in the answer to a query."""
        return [(series["columns"], series.get("values", [])) for series in self._results(text).get("series", ())]

    def _results(self, text: str) -> dict[str, Any]:
        """The result of the one statement of a query; its error is raised."""
        try:
            answer = json.loads(text)
            error = answer.get("error") or answer["results"][0].get("error")
        except (ValueError, LookupError, TypeError, AttributeError):
            raise AnswerError(f"{self.access.place} answers what is no result of a query") from None
        if error:
            raise AnswerError(f"{self.access.place}: {error}")
        result: dict[str, Any] = answer["results"][0]
        return result

    def asking(self, database: str, reading: bool = False) -> str:
        user = self.access.user
        if reading:
            return f"an administrator types: {granting(database, user or '<user>', 'READ')}"
        grant = f"; {granting(database, user, 'WRITE')}" if user else ""
        return f"an administrator types: {creation(database)}{grant}"

    def may_create(self) -> bool:
        try:
            self._series("SHOW USERS")  # which only an administrator may
        except RefusedError:
            return False
        return True


def _asked(statement: str, database: str) -> str:
    """The path of a query."""
    return f"/query?{urlencode({'q': statement, 'epoch': 'ns'} | ({'db': database} if database else {}))}"


def _selection(question: Question) -> str:
    """The statement of a question."""
    _, measurement, since, limit, tags, newest = question
    same = "".join(f" AND {quoted(tag)} = {literal(value)}" for tag, value in tags.items())
    return (
        f"SELECT * FROM {quoted(measurement)} WHERE time >= {since} AND time < now() + 10m{same}"
        f" ORDER BY time {'DESC' if newest else 'ASC'} LIMIT {limit}"
    )


def _tags(key: str) -> dict[str, str]:
    """The tags of a series' key, as SHOW SERIES gives it."""
    parts, part, escaped = [], "", False
    for sign in key:
        if escaped:
            part += sign if sign in ",= " else f"\\{sign}"
            escaped = False
        elif sign == "\\":
            escaped = True
        elif sign in ",=":
            parts.append(part)
            part = ""
        else:
            part += sign
    parts.append(part)
    return dict(zip(parts[1::2], parts[2::2], strict=False))
