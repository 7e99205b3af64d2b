"""Queries: a database is made by naming it, and anything else is no question for a listener."""

import re
from collections.abc import Iterator
from typing import Any

from mysense.channels.influxlisten.answers import Refusal

LONGEST = 255
"""Bytes of a database's name, as in InfluxDB: there it is a folder."""
_NAME = r'(?:"((?:[^"\\]|\\.)+)"|([\w.-]+))'
_create = re.compile(rf"create\s+database\s+{_NAME}(?:\s+with\s+.*)?", re.IGNORECASE | re.DOTALL).fullmatch
_policy = re.compile(r"create\s+retention\s+policy\s+.*", re.IGNORECASE | re.DOTALL).fullmatch
_show = re.compile(r"show\s+databases", re.IGNORECASE).fullmatch


def answer(query: str, databases: "Databases") -> dict[str, Any]:
    """The results of the statements of a query."""
    statements = [text for part in query.split(";") if (text := part.strip())]
    if not statements:
        raise Refusal(400, 'missing required parameter "q"')
    results: list[dict[str, Any]] = []
    for number, statement in enumerate(statements):
        result: dict[str, Any] = {"statement_id": number}
        if created := _create(statement):
            databases.add(re.sub(r"\\(.)", r"\1", created[1]) if created[1] else created[2])
        elif _show(statement):
            values = [[name] for name in databases]
            series = {"name": "databases", "columns": ["name"]} | ({"values": values} if values else {})
            result["series"] = [series]
        elif not _policy(statement):
            raise Refusal(400, "mysense takes writes and answers no questions: ask the InfluxDB that it publishes to")
        results.append(result)
    return {"results": results}


class Databases:
    """The databases that were seen since the listener opened, the first of them."""

    def __init__(self, most: int = 1000) -> None:
        self._names: dict[str, None] = {}
        self._most = most

    def add(self, name: str) -> None:
        """A database was named; Refusal where that can be no name."""
        if len(name.encode()) > LONGEST:
            raise Refusal(400, f"invalid name: a database has at most {LONGEST} bytes")
        if len(self._names) < self._most:
            self._names[name] = None

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._names.copy()))  # other threads may add one
