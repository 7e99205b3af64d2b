"""A stand-in for InfluxDB 2.7, after its public API description (https://docs.influxdata.com/influxdb/v2/api/).

No real InfluxDB 2 was to be had: what the description leaves open is untried. It answers the
Flux that mysense sends and no other.
"""

import re
import secrets
from time import time_ns

from tests.standins import flux
from tests.standins.points import SECOND, Line, Points, kind, read
from tests.standins.server import Answered, Asked, Server, unpacked

STEPS = {"s": SECOND, "ms": 1_000_000, "us": 1000, "ns": 1, "": 1}
TASK = re.compile(r'option task = \{ ?name: "([^"]+)", (?:every|cron): "?([^,"}]+?)"?(?:, offset: \w+)? ?\}')


def error(status: int, code: str, message: str) -> Answered:
    return Answered(status, {"code": code, "message": message}, {"X-Platform-Error-Code": code})


def not_found(message: str) -> Answered:
    return error(404, "not found", message)


def forbidden(action: str, kind: str) -> Answered:
    """What an administrative request answers to a token without the right to it."""
    return error(401, "unauthorized", f"{action}:orgs/{InfluxDB2.org_id}/{kind} is unauthorized")


class InfluxDB2(Server):
    """An organisation, the token of its operator, buckets by name; *largest* is the longest body that it reads.

    ``options`` are those of a publisher that may do everything.
    """

    org, org_id, operator = "shed", "0a0a0a0a0a0a0a0a", "token-of-the-operator"

    def __init__(self, largest: int = 50_000_000):
        super().__init__()
        self.largest = largest
        self.options = {"port": self.port, "org": self.org, "token": self.operator}
        self.buckets: dict[str, dict] = {}
        self.points: dict[str, Points] = {}
        self.authorizations: dict[str, dict] = {}
        self.tasks: list[dict] = []
        self._made = 0

    # what a test does

    def make(self, name: str, retention: int = 0, shard: int = 0) -> dict:
        """Make a bucket."""
        rule = {"type": "expire", "everySeconds": retention, "shardGroupDurationSeconds": shard}
        self.buckets[name] = {
            "id": self._id(), "orgID": self.org_id, "type": "user", "name": name, "retentionRules": [rule],
        }  # fmt: skip
        self.points[name] = Points()
        return self.buckets[name]

    def token(self, *rights: tuple[str, str]) -> str:
        """Make a token for pairs of an action and the name of a bucket."""
        permissions = [
            {"action": action, "resource": {"type": "buckets", "orgID": self.org_id, "id": self.buckets[name]["id"]}}
            for action, name in rights
        ]
        return self._authorize({"orgID": self.org_id, "permissions": permissions})["token"]

    def authorize(self, *rights: tuple[str, str]) -> str:
        """Make a token for pairs of an action and a kind: buckets, orgs, tasks, authorizations."""
        permissions = [{"action": action, "resource": {"type": kind, "orgID": self.org_id}} for action, kind in rights]
        return self._authorize({"orgID": self.org_id, "permissions": permissions})["token"]

    def rows(self, bucket: str, measurement: str = "data") -> list[dict]:
        """What is in a bucket, oldest first."""
        return self.points[bucket].rows(measurement, -(2**63), 2**63, {})

    # what a client does

    def own_headers(self, asked, answer):
        kind = "text/csv; charset=utf-8" if isinstance(answer.body, str) else "application/json; charset=utf-8"
        return {"Content-Type": kind, "X-Influxdb-Build": "OSS", "X-Influxdb-Version": "v2.7.12"}

    def answer(self, asked: Asked) -> Answered:
        if asked.path == "/ping":
            return Answered(204)
        scheme, _, token = asked.headers.get("authorization", "").partition(" ")
        if scheme not in ("Token", "Bearer") or token not in {self.operator, *self.authorizations}:
            return error(401, "unauthorized", "unauthorized access")
        ways = {
            ("POST", "/api/v2/write"): (self._write, {"org", "bucket", "precision"}),
            ("POST", "/api/v2/query"): (self._query, {"org"}),
            ("GET", "/api/v2/orgs"): (self._orgs, {"org"}),
            ("GET", "/api/v2/buckets"): (self._list, {"org", "orgID", "name", "limit", "offset"}),
            ("POST", "/api/v2/buckets"): (self._create, set()),
            ("GET", "/api/v2/authorizations"): (self._list_authorizations, {"org", "orgID"}),
            ("POST", "/api/v2/authorizations"): (self._create_authorization, set()),
            ("GET", "/api/v2/tasks"): (self._list_tasks, {"org", "orgID", "name", "limit"}),
            ("POST", "/api/v2/tasks"): (self._create_task, set()),
        }
        if asked.method == "PATCH" and asked.path.startswith("/api/v2/buckets/"):
            return self._change(asked, token)
        if (asked.method, asked.path) not in ways:
            known = asked.path in {path for _, path in ways}
            return error(405, "method not allowed", "allow: GET, POST") if known else not_found("path not found")
        way, parameters = ways[asked.method, asked.path]
        if strange := asked.said.keys() - parameters:
            return error(400, "invalid", f"the stand-in knows no parameter {sorted(strange)}")
        json_wanted = asked.method == "POST" and way != self._write
        if json_wanted and (asked.headers.get("content-type") != "application/json" or asked.json is None):
            return error(400, "invalid", "failed to decode request body")
        if asked.said.get("org", self.org) != self.org:
            return not_found(f'organization name "{asked.said["org"]}" not found')
        return way(asked, token)

    def _may(self, token: str, action: str, kind: str, id_: str = "") -> bool:
        """Whether a token allows it; without an id for all there are of a kind."""
        if token == self.operator:
            return True
        rights = self.authorizations[token]["permissions"]
        return any(
            right["action"] == action and right["resource"]["type"] == kind
            and right["resource"].get("id") in (None, id_ or None)
            for right in rights
        )  # fmt: skip

    def _orgs(self, asked, token):
        seen = self._may(token, "read", "orgs", self.org_id)
        return Answered(200, {"orgs": [{"id": self.org_id, "name": self.org}] if seen else []})

    def _list(self, asked, token):
        system = [{"id": "0b", "orgID": self.org_id, "type": "system", "name": n} for n in ("_monitoring", "_tasks")]
        seen = [b for b in [*self.buckets.values(), *system] if self._may(token, "read", "buckets", b["id"])]
        if name := asked.said.get("name"):
            seen = [bucket for bucket in seen if bucket["name"] == name]
            return Answered(200, {"buckets": seen}) if seen else not_found(f'bucket "{name}" not found')
        begin, limit = int(asked.said.get("offset", 0)), int(asked.said.get("limit", 20))
        if not 1 <= limit <= 100:
            return error(400, "invalid", "limit must be between 1 and 100")
        return Answered(200, {"buckets": seen[begin : begin + limit]})

    def _create(self, asked, token):
        said = asked.json
        if strange := said.keys() - {"orgID", "name", "description", "retentionRules"}:
            return error(400, "invalid", f"the stand-in knows no {sorted(strange)}")
        if said.get("orgID") != self.org_id:
            return not_found("organization not found")
        if not self._may(token, "write", "buckets"):
            return forbidden("write", "buckets")
        name, rules = said["name"], said.get("retentionRules") or [{}]
        kept, shard = rules[0].get("everySeconds", 0), rules[0].get("shardGroupDurationSeconds", 0)
        if name.startswith("_"):
            return error(422, "unprocessable entity", f"bucket name {name} is invalid. Buckets may not start with _")
        if 0 < kept < 3600:
            return error(422, "unprocessable entity", "expiration seconds must be greater than or equal to one hour")
        if kept and shard > kept:
            return error(422, "unprocessable entity", "shard group duration must not be longer than the retention")
        if name in self.buckets:
            return error(422, "conflict", f"bucket with name {name} already exists")
        return Answered(201, self.make(name, kept, shard))

    def _change(self, asked, token):
        id_ = asked.path.rpartition("/")[2]
        if not self._may(token, "write", "buckets", id_):
            return forbidden("write", f"buckets/{id_}")
        found = [bucket for bucket in self.buckets.values() if bucket["id"] == id_]
        if not found:
            return not_found("bucket not found")
        if not isinstance(asked.json, dict) or asked.json.keys() != {"retentionRules"}:
            return error(400, "invalid", "the stand-in changes nothing but retentionRules")
        found[0]["retentionRules"] = asked.json["retentionRules"]
        return Answered(200, found[0])

    def _write(self, asked, token):
        if asked.said.get("precision", "") not in STEPS:
            return error(400, "invalid", "invalid precision; valid precision units are ns, us, ms, and s")
        name = asked.said.get("bucket", "")
        bucket = self.buckets.get(name)
        if not bucket:
            return not_found(f'bucket "{name}" not found')
        if not self._may(token, "write", "buckets", bucket["id"]):
            return error(403, "forbidden", "insufficient permissions for write")
        text = unpacked(asked)
        if text is None:
            return error(400, "invalid", "gzipped HTTP body contains an invalid header")
        if len(text.encode()) > self.largest:
            return error(413, "request too large", "unable to read data: points batch is too large")
        if not text:
            return error(400, "invalid", "writing requires points")
        now = time_ns()
        lines = read(text, STEPS[asked.said.get("precision", "")], now)
        bad = [f"unable to parse '{line.text}': {line.error}" for line in lines if line.error]
        if bad:
            return error(400, "invalid", "; ".join(bad))
        return self._keep(self.points[name], bucket["retentionRules"][0]["everySeconds"], lines, now)

    def _keep(self, points: Points, retention: int, lines: list[Line], now: int) -> Answered:
        """Everything but the points that are too old or whose fields have another type; what is wrong is said."""
        old, conflicts = [], []
        for line in lines:
            wrong = [
                (field, kind(value), points.types[line.measurement, field])
                for field, value in line.fields.items()
                if points.types.get((line.measurement, field), kind(value)) != kind(value)
            ]
            if retention and line.time < now - retention * SECOND:
                old.append(line)
            elif wrong:
                conflicts.append((line, *wrong[0]))
            else:
                points.types |= {(line.measurement, field): kind(value) for field, value in line.fields.items()}
                points.add(line)
        head = "failure writing points to database: partial write:"
        if conflicts:
            line, field, got, there = conflicts[0]
            why = f'field type conflict: input field "{field}" on measurement "{line.measurement}" is type {got}'
            return error(422, "unprocessable entity", f"{head} {why}, already exists as type {there} dropped=1")
        if old:
            why = f"dropped {len(old)} points outside retention policy of duration {retention // 3600}h0m0s"
            return error(422, "unprocessable entity", f"{head} {why} - oldest point {old[0].measurement} dropped=1")
        return Answered(204)

    def _query(self, asked, token):
        said = asked.json
        if said.keys() != {"query", "type", "dialect"} or said["type"] != "flux":
            return error(400, "invalid", "request body requires either query or AST")
        question = flux.question(said["query"])
        if not question:
            return error(400, "invalid", f"the stand-in answers no such query: {said['query']}")
        bucket = self.buckets.get(question.bucket)
        if not bucket or not self._may(token, "read", "buckets", bucket["id"]):
            return not_found(f'failed to initialize execute state: could not find bucket "{question.bucket}"')
        tables = flux.tables(question, self.points[question.bucket], time_ns())
        annotations = said["dialect"].get("annotations", [])
        return Answered(200, "".join(flux.csv_table(table, annotations) for table in tables))

    def _create_authorization(self, asked, token):
        if not self._may(token, "write", "authorizations"):
            return forbidden("write", "authorizations")
        said = asked.json
        if said.get("orgID") != self.org_id or not said.get("permissions"):
            return error(400, "invalid", "authorization must include permissions")
        return Answered(201, self._authorize(said))

    def _authorize(self, said: dict) -> dict:
        token = secrets.token_urlsafe(24)
        made = {"status": "active", "description": "", **said, "id": self._id(), "token": token, "org": self.org}
        self.authorizations[token] = made
        return made

    def _list_authorizations(self, asked, token):
        seen = self._may(token, "read", "authorizations")
        return Answered(200, {"authorizations": list(self.authorizations.values()) if seen else []})

    def _create_task(self, asked, token):
        said = asked.json
        if not self._may(token, "write", "tasks"):
            return forbidden("write", "tasks")
        if said.get("orgID", self.org_id) != self.org_id or said.get("org", self.org) != self.org:
            return not_found("organization not found")
        option = TASK.search(said.get("flux", ""))
        if not option:
            return error(400, "invalid", "no task option in the Flux, or one that the stand-in does not know")
        made = {"status": "active", **said, "id": self._id(), "name": option[1], "every": option[2]}
        self.tasks.append(made)
        return Answered(201, made)

    def _list_tasks(self, asked, token):
        seen = self.tasks if self._may(token, "read", "tasks") else []
        name = asked.said.get("name")
        return Answered(200, {"tasks": [task for task in seen if name in (None, task["name"])]})

    def _id(self) -> str:
        self._made += 1
        return f"{self._made:016x}"
