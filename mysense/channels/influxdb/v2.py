"""InfluxDB 2.x: ``/api/v2``, an organisation and a token; a database is called a bucket, a query is Flux."""

import csv
import json
import shlex
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import urlencode

from mysense.channels._http import Answer
from mysense.channels.influxdb import annotated
from mysense.channels.influxdb.api import AnswerError, Api, Question, RefusedError, Table, shard, words
from mysense.errors import UnavailableError

_PAGE = 100  # the most buckets that the server lists at once
_NO_COLUMNS = ("_start", "_stop", "_measurement")


def literal(text: str) -> str:
    r"""*text* as a string of Flux.

    >>> print(literal('a "b" ${c} \\'))
    "a \"b\" \${c} \\"
    """
    for sign, escaped in (("\\", "\\\\"), ('"', '\\"'), ("${", "\\${"), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t")):
        text = text.replace(sign, escaped)
    return f'"{text}"'


def listed(texts: Iterable[str]) -> str:
    """Texts as an array of Flux."""
    return f"[{', '.join(map(literal, texts))}]"


def bucket_id(org: str, name: str) -> str:
    """The id of a bucket, as a shell finds it."""
    org, name = shlex.quote(org), shlex.quote(name)
    return f'"$(influx bucket list --org {org} --name {name} --hide-headers | cut -f 1)"'


class V2(Api):
    """InfluxDB 2.x."""

    version = "2"
    steps = {"s": "s", "ms": "ms", "u": "us", "ns": "ns"}  # noqa: RUF012

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Token {self.access.token}"}

    def writing(self, database: str, precision: str) -> str:
        said = {"org": self.access.org, "bucket": database}
        return f"/api/v2/write?{urlencode(said | ({'precision': self.steps[precision]} if precision else {}))}"

    def create(self, database: str, retention: float = 0.0) -> bool:
        kept = {"type": "expire", "everySeconds": int(retention), "shardGroupDurationSeconds": shard(retention)}
        said = {"orgID": self.organisation(), "name": database, "retentionRules": [kept]}
        kind = {"Content-Type": "application/json"}
        answer = self.request("POST", "/api/v2/buckets", json.dumps(said).encode(), kind)
        there = answer.status == 422 and "already exists" in words(answer.text)
        if not there:
            self.accepted(answer)
        return not there

    def organisation(self) -> str:
        """The id of our organisation; RefusedError where this token is not shown it."""
        answer = self.request("GET", f"/api/v2/orgs?{urlencode({'org': self.access.org})}")
        found = [] if answer.status == 404 else self._list(self.accepted(answer), "orgs")
        if not found:
            raise RefusedError(f"there is no organisation {self.access.org!r}, or this token may not see it")
        return str(found[0]["id"])

    def databases(self) -> list[str]:
        return [bucket["name"] for bucket in self.buckets()]

    def buckets(self) -> list[dict[str, Any]]:
        """The buckets there are for this token, without the server's own."""
        found: list[dict[str, Any]] = []
        page: list[dict[str, Any]] = [{}] * _PAGE
        begin = 0
        while len(page) == _PAGE:
            said = {"org": self.access.org, "limit": _PAGE, "offset": begin}
            page = self._list(self.ask("GET", f"/api/v2/buckets?{urlencode(said)}"), "buckets")
            found += [bucket for bucket in page if bucket.get("type") != "system"]
            begin += _PAGE
        return [bucket for bucket in found if not bucket["name"].startswith("_")]

    def tag_values(self, database: str, measurement: str, tags: Sequence[str]) -> list[dict[str, str]]:
        found: list[dict[str, str]] = []
        kept = listed([*tags, "_measurement"])  # the latter for series that have none of the tags
        for record in self._records(
            f"from(bucket: {literal(database)}) |> range(start: time(v: 0), stop: 10m)"
            f" |> filter(fn: (r) => r._measurement == {literal(measurement)})"
            f" |> first() |> keep(columns: {kept}) |> limit(n: 1)"
        ):
            some = {tag: str(record[tag]) for tag in tags if tag in record}
            if some not in found:
                found.append(some)
        return found if any(found) else []

    def rows(self, question: Question) -> Table:
        database, measurement, since, limit, tags, newest = question
        same = "".join(
            f" and r[{literal(tag)}] == {literal(value)}" if value else f" and not exists r[{literal(tag)}]"
            for tag, value in tags.items()
        )
        records = self._records(
            f"from(bucket: {literal(database)}) |> range(start: time(v: {since}), stop: 10m)"
            f" |> filter(fn: (r) => r._measurement == {literal(measurement)}{same})"
            ' |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")'
            f' |> group() |> sort(columns: ["_time"], desc: {"true" if newest else "false"}) |> limit(n: {limit})'
            f" |> drop(columns: {listed(_NO_COLUMNS)})"
        )
        if not all("_time" in record for record in records):
            raise self._no_result()
        others = dict.fromkeys(name for record in records for name in record if name != "_time")
        return Table(("time", *others), [[record.get(name) for name in ("_time", *others)] for record in records])

    def _records(self, query: str) -> list[dict[str, Any]]:
        said = {"query": query, "type": "flux", "dialect": {"header": True, "annotations": annotated.ANNOTATIONS}}
        path = f"/api/v2/query?{urlencode({'org': self.access.org})}"
        text = self.ask("POST", path, said, {"Accept": "application/csv"})
        try:
            return list(annotated.records(text))
        except UnavailableError as error:
            raise AnswerError(f"{self.access.place}: {error}") from None
        except (ValueError, csv.Error):
            raise self._no_result() from None

    def _no_result(self) -> UnavailableError:
        return AnswerError(f"{self.access.place} answers what is no result of a query")

    def _list(self, text: str, name: str) -> list[dict[str, Any]]:
        try:
            found: list[dict[str, Any]] = json.loads(text)[name]
        except (ValueError, LookupError, TypeError):
            raise UnavailableError(f"{self.access.place} answers what is no list of {name}") from None
        return found

    def verdict(self, answer: Answer, database: str) -> Exception | None:
        if answer.status == 400 and words(answer.text) == "writing requires points":  # to a question whether it may
            return None
        return super().verdict(answer, database)

    def unknown(self, said: str) -> str:
        if said.endswith("is unauthorized"):  # it knows the token very well
            return f"{self.access.place} does not allow this token: {said}"
        return super().unknown(said)

    def asking(self, database: str, reading: bool = False) -> str:
        org, name = shlex.quote(self.access.org), shlex.quote(database)
        if reading:
            bucket = bucket_id(self.access.org, database)
            return f"an administrator types: influx auth create --org {org} --read-bucket {bucket}"
        return (
            f"an administrator types: influx bucket create --org {org} --name {name}; "
            f"influx auth create --org {org} --write-bucket {bucket_id(self.access.org, database)}"
        )
