"""InfluxDB 2.x is set up by its API: buckets, a token that may write one of them, and tasks in Flux."""

import json
import shlex
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar
from urllib.parse import urlencode

from mysense.channels.influxdb.api import Api, shard
from mysense.channels.influxdb.server import Server
from mysense.channels.influxdb.setup import LATE, MEANS, Kept, SecretsFolder, Setup, Step, Wanted, there
from mysense.channels.influxdb.v2 import V2, literal

TASK = """\
import "date"
import "types"

option task = {{name: {name}, every: {window}, offset: 5m}}

from(bucket: {raw})
    |> range(start: date.truncate(t: -{late}, unit: {window}), stop: date.truncate(t: now(), unit: {window}))
    |> filter(fn: (r) => r._measurement == "data")
    |> filter(fn: (r) => types.isType(v: r._value, type: "float"))
    |> group(columns: ["_time", "_value", "new"], mode: "except")
    |> aggregateWindow(every: {window}, fn: mean, createEmpty: false, timeSrc: "_start")
    |> to(bucket: {means})
"""
"""Means of one window, whatever was ``new``. Whole windows only: half of one has another mean, in the same place."""


def averaging(bucket: str, name: str) -> str:
    """The task that writes the means of one name in ``MEANS``."""
    means, window = f"{bucket}_{name}", MEANS[name]
    return TASK.format(name=literal(means), means=literal(means), raw=literal(bucket), window=window, late=LATE)


class Ways(Setup):
    """What an InfluxDB 2.x is to have."""

    api: V2
    hint: ClassVar[str] = (
        "the token that 'influx auth create' shows is the kit's: the first line of its token_file, mode 600"
    )

    def __init__(self, server: Server, api: Api, secrets: SecretsFolder) -> None:
        super().__init__(server, api, secrets)
        self._org = shlex.quote(api.access.org)
        self._buckets: dict[str, dict[str, Any]] = {}
        self._tokens: list[dict[str, Any]] = []
        self._tasks: dict[str, str] = {}

    def look(self, wanted: Sequence[Wanted]) -> None:
        self._id = self.api.organisation()
        found = self._ask("GET", f"/api/v2/authorizations?{urlencode({'orgID': self._id})}")
        self._tokens = found.get("authorizations", [])
        for name in (f"{each.database}_{means}" for each in wanted for means in each.means):
            said = {"orgID": self._id, "name": name}
            for task in self._ask("GET", f"/api/v2/tasks?{urlencode(said)}").get("tasks", []):
                self._tasks[task["name"]] = task["flux"]
        self._buckets = {bucket["name"]: bucket for bucket in self.api.buckets()}

    def steps(self, wanted: Wanted) -> Iterator[Step]:
        database = wanted.database
        yield self._bucket(database, wanted.retention)
        yield self._token(wanted.user, database)
        for name, kept in wanted.means.items():
            yield self._bucket(f"{database}_{name}", kept)
            yield self._averaging(database, name)

    def _bucket(self, name: str, kept: Kept) -> Step:
        bucket, place = self._buckets.get(name), shlex.quote(name)
        if bucket is None:
            typed = f"influx bucket create --org {self._org} --name {place} --retention {int(kept.seconds)}s"
            return Step(f"bucket {name}, kept {kept}", typed, lambda: self.api.create(name, kept.seconds))
        now = Kept(sum(rule.get("everySeconds", 0) for rule in bucket.get("retentionRules", ())))
        if not kept.said or int(kept.seconds) == now.seconds:
            return there(f"bucket {name}, kept {now}")
        path = f"/api/v2/buckets/{bucket['id']}"
        rule = {"type": "expire", "everySeconds": int(kept.seconds), "shardGroupDurationSeconds": shard(kept.seconds)}
        typed = f"influx bucket update --id {bucket['id']} --retention {int(kept.seconds)}s"
        what = f"bucket {name}, {kept.instead_of(now)}"
        return Step(what, typed, lambda: self._ask("PATCH", path, {"retentionRules": [rule]}))

    def _token(self, user: str, bucket: str) -> Step:
        id_ = self._buckets.get(bucket, {}).get("id")
        if any(token.get("description") == user and _writes(token, id_) for token in self._tokens):
            return there(f"token {user} for {bucket}")
        file = self.secrets.file(user, "token")

        def make() -> None:
            self.secrets.prepare(file)
            bucket_id = next(each["id"] for each in self.api.buckets() if each["name"] == bucket)
            right = {"action": "write", "resource": {"type": "buckets", "id": bucket_id, "orgID": self._id}}
            said = {"orgID": self._id, "description": user, "permissions": [right]}
            self.secrets.write(file, self._ask("POST", "/api/v2/authorizations", said)["token"])

        found = f'"$(influx bucket list --org {self._org} --name {shlex.quote(bucket)} --hide-headers | cut -f 1)"'
        typed = f"influx auth create --org {self._org} --description {shlex.quote(user)} --write-bucket {found}"
        return Step(f"token {user} for {bucket}, in {file}", typed, make)

    def _averaging(self, bucket: str, name: str) -> Step:
        flux, task = averaging(bucket, name), f"{bucket}_{name}"
        if task in self._tasks:
            another = ", another than ours: it stays" if self._tasks[task].strip() != flux.strip() else ""
            return there(f"task {task}{another}")
        typed = f"influx task create --org {self._org} {shlex.quote(flux)}"
        return Step(
            f"task {task}", typed, lambda: self._ask("POST", "/api/v2/tasks", {"orgID": self._id, "flux": flux})
        )

    def _ask(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        answer = json.loads(self.api.ask(method, path, body) or "{}")
        return answer if isinstance(answer, dict) else {}


def _writes(token: dict[str, Any], bucket: str | None) -> bool:
    """Whether a token may write a bucket."""
    return bucket is not None and any(
        right.get("action") == "write" and right.get("resource", {}).get("id") == bucket
        for right in token.get("permissions", ())
    )
