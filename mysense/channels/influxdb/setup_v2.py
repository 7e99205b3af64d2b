"""InfluxDB 2.x is set up by its API: buckets, a token that may write one of them, and tasks in Flux."""

import json
import shlex
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlencode

from mysense.channels.influxdb.api import Api, shard
from mysense.channels.influxdb.server import Server
from mysense.channels.influxdb.setup import LATE, MEANS, Kept, SecretsFolder, Setup, Step, Wanted, there
from mysense.channels.influxdb.v2 import V2, bucket_id, literal

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


HINT = "the token that 'influx auth create' shows is the kit's: the first line of its token_file, mode 600"


def averaging(bucket: str, name: str) -> str:
    """The task that writes the means of one name in ``MEANS``."""
    means, window = f"{bucket}_{name}", MEANS[name]
    return TASK.format(name=literal(means), means=literal(means), raw=literal(bucket), window=window, late=LATE)


class Ways(Setup):
    """What an InfluxDB 2.x is to have."""

    api: V2

    def __init__(self, server: Server, api: Api, secrets: SecretsFolder) -> None:
        super().__init__(server, api, secrets)
        self._org = shlex.quote(api.access.org)
        self._buckets: dict[str, dict[str, Any]] = {}
        self._rights: dict[str, dict[str, None]] = {}
        self._tokens: list[dict[str, Any]] = []
        self._tasks: dict[str, str] = {}

    def look(self, wanted: Sequence[Wanted]) -> None:
        for each in wanted:
            self._rights.setdefault(each.user, {})[each.database] = None
        self._id = self.api.organisation()
        found = self._ask("GET", f"/api/v2/authorizations?{urlencode({'orgID': self._id})}")
        self._tokens = found.get("authorizations", [])
        for name in (f"{each.database}_{means}" for each in wanted for means in each.means):
            said = {"orgID": self._id, "name": name}
            for task in self._ask("GET", f"/api/v2/tasks?{urlencode(said)}").get("tasks", []):
                self._tasks[task["name"]] = task["flux"]
        self._buckets = {bucket["name"]: bucket for bucket in self.api.buckets()}

    def steps(self, wanted: Wanted) -> Iterator[Step]:
        # All buckets of a user come before the token that may write them.
        for bucket in self._rights[wanted.user]:
            yield self._bucket(bucket, wanted.retention)
        yield self._token(wanted.user)
        for name, kept in wanted.means.items():
            yield self._bucket(f"{wanted.database}_{name}", kept)
            yield self._averaging(wanted.database, name)

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

    def _token(self, user: str) -> Step:
        """One token for all that a user is to write, for it lies in one file."""
        buckets = self._rights[user]
        what, ids = (
            f"token {user} for {', '.join(buckets)}",
            [self._buckets.get(each, {}).get("id") for each in buckets],
        )
        if any(token.get("description") == user and _writes(token, ids) for token in self._tokens):
            return there(what)
        file = self.secrets.file(user, "token")

        def make() -> None:
            self.secrets.prepare(file)
            made = {bucket["name"]: bucket["id"] for bucket in self.api.buckets()}
            rights = [
                {"action": "write", "resource": {"type": "buckets", "id": made[each], "orgID": self._id}}
                for each in buckets
            ]
            said = {"orgID": self._id, "description": user, "permissions": rights}
            self.secrets.write(file, self._ask("POST", "/api/v2/authorizations", said)["token"])

        found = " ".join(f"--write-bucket {bucket_id(self.api.access.org, each)}" for each in buckets)
        typed = f"influx auth create --org {self._org} --description {shlex.quote(user)} {found}"
        return Step(f"{what}, in {file}", typed, make, HINT)

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


def _writes(token: dict[str, Any], buckets: Sequence[str | None]) -> bool:
    """Whether a token may write buckets; one that is not there yet nobody may."""
    rights = [right for right in token.get("permissions", ()) if right.get("action") == "write"]
    return {None}.isdisjoint(buckets) and {right.get("resource", {}).get("id") for right in rights}.issuperset(buckets)
