"""InfluxDB 3 Core and Enterprise: ``/api/v3``, a token; a measurement is called a table, a query is SQL."""

import json
import re
import shlex
from collections.abc import Sequence
from math import ceil
from typing import Any
from urllib.parse import urlencode

from mysense.channels._http import Answer
from mysense.channels.influxdb.api import AnswerError, Api, Question, Table, words
from mysense.channels.influxdb.moments import nanoseconds, text
from mysense.errors import UnavailableError

_NOT_YET = re.compile(r"table '.*' not found|No field named")
_MISTYPED = re.compile(r"invalid column type for column '(.+)', expected")
_DATA = re.compile(r'"data"\s*:\s*\[?\s*(?=\{)')
_LIMIT = "new database would exceed limit"
_TAG = "Dictionary(Int32, Utf8)"  # the type of a column that is a tag


def quoted(name: str) -> str:
    """*name* as an identifier of SQL."""
    escaped = name.replace('"', '""')
    return f'"{escaped}"'


def literal(value: str) -> str:
    """*value* as a string of SQL."""
    escaped = value.replace("'", "''")
    return f"'{escaped}'"


class V3(Api):
    """InfluxDB 3 Core and Enterprise."""

    version = "3"
    steps = {"s": "second", "ms": "millisecond", "u": "microsecond", "ns": "nanosecond"}  # noqa: RUF012
    makes_itself = True

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.access.token}"} if self.access.token else {}

    def writing(self, database: str, precision: str) -> str:
        said = {"db": database} | ({"precision": self.steps[precision]} if precision else {})
        return f"/api/v3/write_lp?{urlencode(said | {'accept_partial': 'true'})}"

    def create(self, database: str, retention: float = 0.0) -> bool:
        kept = {"retention_period": f"{ceil(retention / 3600)}h"} if retention else {}  # it knows no shorter unit
        said, kind = json.dumps({"db": database} | kept).encode(), {"Content-Type": "application/json"}
        answer = self.request("POST", "/api/v3/configure/database", said, kind)
        if answer.status != 409:  # which says that it is there
            self.accepted(answer)
        return answer.status != 409

    def databases(self) -> list[str]:
        found = self._rows(self.ask("GET", f"/api/v3/configure/database?{urlencode({'format': 'json'})}"))
        names = (str(row.get("iox::database", "")) for row in found if not row.get("deleted"))
        return [name for name in names if name and not name.startswith("_")]

    def tag_values(self, database: str, measurement: str, tags: Sequence[str]) -> list[dict[str, str]]:
        columns = self._select(
            database,
            "SELECT column_name FROM information_schema.columns WHERE table_schema = 'iox'"
            f" AND table_name = {literal(measurement)} AND data_type = {literal(_TAG)}",
        )
        there = [tag for tag in tags if {"column_name": tag} in columns]
        if not there:
            return []
        rows = self._select(database, f"SELECT DISTINCT {', '.join(map(quoted, there))} FROM {quoted(measurement)}")
        return [{tag: str(value) for tag, value in row.items() if value} for row in rows]

    def rows(self, question: Question) -> Table:
        database, measurement, since, limit, tags, newest = question
        same = "".join(
            f" AND {quoted(tag)} = {literal(value)}" if value else f" AND {quoted(tag)} IS NULL"
            for tag, value in tags.items()
        )
        rows = self._select(
            database,
            f"SELECT * FROM {quoted(measurement)}"
            f" WHERE time >= {literal(text(since))} AND time < now() + INTERVAL '10 minutes'{same}"
            f" ORDER BY time {'DESC' if newest else 'ASC'} LIMIT {limit}",
        )
        others = dict.fromkeys(name for row in rows for name in row if name != "time")
        try:
            return Table(
                ("time", *others), [[nanoseconds(row["time"]), *(row.get(name) for name in others)] for row in rows]
            )
        except (LookupError, TypeError, ValueError):
            raise self._no_result() from None

    def _select(self, database: str, query: str) -> list[dict[str, Any]]:
        """The rows of a query; of what was never written there are none."""
        try:
            return self._rows(self.ask("POST", "/api/v3/query_sql", {"db": database, "q": query, "format": "json"}))
        except AnswerError as error:
            if _NOT_YET.search(str(error)):
                return []
            raise

    def _rows(self, answer: str) -> list[dict[str, Any]]:
        try:
            rows = json.loads(answer)
        except ValueError:
            rows = None
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise self._no_result()
        return rows

    def _no_result(self) -> UnavailableError:
        return AnswerError(f"{self.access.place} answers what is no result of a query")

    def mistyped(self, answer: Answer) -> str | None:
        for line in _refused(answer):
            found = _MISTYPED.search(str(line.get("error_message")))
            if found and re.match("info[, ]", str(line.get("original_line"))):
                return found[1]
        return None

    def verdict(self, answer: Answer, database: str) -> Exception | None:
        said = words(answer.text)
        if answer.status in (400, 422) and (_LIMIT in said or not _refused(answer)):
            # Nothing is wrong with the lines: each of them that is has a line of its own in the answer.
            advice = "; give the nodes of a project one database: database = {project}" if _LIMIT in said else ""
            return UnavailableError(f"{self.access.place} does not take {database}: {said}{advice}")
        return super().verdict(answer, database)

    def asking(self, database: str, reading: bool = False) -> str:
        rights = shlex.quote(f"db:{database}:{'read' if reading else 'read,write'}")
        name = shlex.quote(database)
        made = "" if reading else f"influxdb3 create database {name}; "
        return f"an administrator types: {made}influxdb3 create token --permission {rights} --name {name}"


def _refused(answer: Answer) -> list[dict[str, Any]]:
    """What a write says about lines that it did not take; the answer may have been cut off."""
    lines: list[dict[str, Any]] = []
    begin = _DATA.search(answer.text)
    rest = answer.text[begin.end() :] if begin else ""
    while rest.startswith("{"):
        try:
            line, end = json.JSONDecoder().raw_decode(rest)
        except ValueError:
            break
        lines.append(line)
        rest = rest[end:].lstrip(", \r\n\t")
    return lines
