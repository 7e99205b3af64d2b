"""A stand-in for InfluxDB 3 Core and Enterprise, after its public API description (https://docs.influxdata.com/influxdb3/core/api/).

No real InfluxDB 3 was to be had: what the description leaves open is untried. It answers the
SQL that mysense sends and no other.
"""

import re
from datetime import datetime
from time import time_ns

from tests.standins.points import AHEAD, SECOND, Line, Points, kind, moment, read
from tests.standins.server import Answered, Asked, Server, unpacked

STEPS = {"second": SECOND, "millisecond": 1_000_000, "microsecond": 1000, "nanosecond": 1}
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
IDENTIFIER, LITERAL = r'"((?:[^"]|"")+)"', r"'((?:[^']|'')*)'"
ROWS = re.compile(
    rf"SELECT \* FROM {IDENTIFIER} WHERE time >= '([0-9T:-]+)\.(\d{{9}})Z' AND time < now\(\) \+ INTERVAL '10 minutes'"
    rf"((?: AND {IDENTIFIER} = {LITERAL}| AND {IDENTIFIER} IS NULL)*) ORDER BY time (ASC|DESC) LIMIT (\d+)"
)
COLUMNS = re.compile(
    rf"SELECT column_name FROM information_schema\.columns WHERE table_schema = 'iox' AND table_name = {LITERAL}"
    r" AND data_type = 'Dictionary\(Int32, Utf8\)'"
)
DISTINCT = re.compile(rf"SELECT DISTINCT ({IDENTIFIER}(?:, {IDENTIFIER})*) FROM {IDENTIFIER}")


def error(status: int, message: str, data: object = None) -> Answered:
    return Answered(status, {"error": message} | ({"data": data} if data else {}))


class InfluxDB3(Server):
    """Databases by name, at most *limit* of them (5 in Core); *tokens* name databases and what may be done there.

    ``options`` are those of a publisher that may do everything.
    """

    admin = "apiv3_token-of-the-administrator"

    def __init__(self, limit: int = 1000):
        super().__init__()
        self.limit = limit
        self.options = {"port": self.port, "token": self.admin}
        self.databases: dict[str, Points] = {}
        self.retention: dict[str, int] = {}
        self.tokens: dict[str, dict[str, str]] = {}

    def rows(self, database: str, measurement: str = "data") -> list[dict]:
        """What is in a database, oldest first."""
        return self.databases[database].rows(measurement, -(2**63), 2**63, {})

    def own_headers(self, asked, answer):
        known = {"x-influxdb-version": "3.4.1", "x-influxdb-build": "Core"} if asked.path == "/ping" else {}
        return {"Content-Type": "application/json"} | (known if answer.status == 200 else {})

    def answer(self, asked: Asked) -> Answered:
        scheme, _, token = asked.headers.get("authorization", "").partition(" ")
        if scheme not in ("Bearer", "Token") or token not in {self.admin, *self.tokens}:
            return Answered(401)
        ways = {
            ("GET", "/ping"): (self._ping, set()),
            ("POST", "/api/v3/write_lp"): (self._write, {"db", "precision", "accept_partial"}),
            ("POST", "/api/v3/query_sql"): (self._query, set()),
            ("GET", "/api/v3/configure/database"): (self._list, {"format"}),
            ("POST", "/api/v3/configure/database"): (self._create, set()),
        }
        if (asked.method, asked.path) not in ways:
            return Answered(404, "not found")
        way, parameters = ways[asked.method, asked.path]
        if strange := asked.said.keys() - parameters:
            return Answered(400, f"serde error: the stand-in knows no parameter {sorted(strange)}")
        return way(asked, token)

    def _may(self, token: str, action: str, database: str) -> bool:
        return token == self.admin or action in self.tokens[token].get(database, "")

    def _ping(self, asked, token):
        return Answered(200, {"version": "3.4.1", "revision": "0123456789"})

    def _list(self, asked, token):
        if asked.said.get("format") != "json":
            return Answered(400, "serde error: missing field `format`")
        seen = [name for name in ["_internal", *sorted(self.databases)] if self._may(token, "read", name)]
        return Answered(200, [{"iox::database": name, "deleted": False} for name in seen])

    def _create(self, asked, token):
        if asked.headers.get("content-type") != "application/json":
            return Answered(415, "invalid content type")
        said = asked.json
        if not isinstance(said, dict) or "db" not in said or said.keys() - {"db", "retention_period"}:
            return Answered(400, "serde json error")
        if token != self.admin:
            return Answered(403)
        kept = re.fullmatch(r"(\d+)([hdw])", said.get("retention_period", "0h"))
        if not kept:
            return Answered(400, "invalid retention period")
        refused = self._made(said["db"])
        if refused is not None:
            return refused
        self.retention[said["db"]] = int(kept[1]) * {"h": 3600, "d": 86400, "w": 604800}[kept[2]]
        return Answered(200)

    def _made(self, name: str) -> Answered | None:
        """Make a database; the answer says why not."""
        if not NAME.fullmatch(name):
            return error(400, "invalid character in database or rp name: must be ASCII, containing only letters, …")
        if name in self.databases:
            return Answered(409, "attempted to create a resource that already exists")
        if len(self.databases) >= self.limit:
            return error(422, f"Adding a new database would exceed limit of {self.limit} databases")
        self.databases[name] = Points()
        return None

    def _write(self, asked, token):
        name, step = asked.said.get("db", ""), STEPS.get(asked.said.get("precision", "nanosecond"))
        if step is None or asked.said.get("accept_partial", "true") != "true":
            return Answered(400, "serde error: unknown variant")
        text = unpacked(asked)
        if not self._may(token, "write", name):
            return Answered(403)
        if text is None:
            return Answered(500, "invalid gzip")
        if name not in self.databases and (refused := self._made(name)):
            return refused
        if not text:
            return Answered(400, "incoming write was empty")
        points = self.databases[name]
        bad = [(line, why) for line in read(text, step, time_ns()) if (why := self._kept(points, line))]
        if bad:
            data = [
                {"original_line": line.text[:20], "line_number": line.number, "error_message": why}
                for line, why in bad
            ]  # fmt: skip
            return error(400, "partial write of line protocol occurred", data)
        return Answered(204)

    def _kept(self, points: Points, line: Line) -> str:
        """Why a line is not taken; empty when it is. A column has one type for ever, tags included."""
        if line.error:
            return "No fields were provided"
        columns = dict.fromkeys(line.tags, "tag") | {f: f"field::{kind(v)}" for f, v in line.fields.items()}
        for name, got in columns.items():
            there = points.types.setdefault((line.measurement, name), got)
            if there != got:
                column = "iox::column_type::"
                return f"invalid column type for column '{name}', expected {column}{there}, got {column}{got}"
        points.add(line)
        return ""

    def _query(self, asked, token):
        said = asked.json
        if not isinstance(said, dict) or said.keys() != {"db", "q", "format"} or said["format"] != "json":
            return Answered(400, "serde json error")
        name, query = said["db"], said["q"]
        if name not in self.databases:
            return error(404, f"query error: database not found: {name}")
        if not self._may(token, "read", name):
            return Answered(403)
        points = self.databases[name]
        for form, way in ((ROWS, self._rows), (COLUMNS, self._columns), (DISTINCT, self._distinct)):
            if found := form.fullmatch(query):
                return way(points, found, self.retention.get(name, 0))
        return Answered(400, f"SQL error: the stand-in answers no such query: {query}")

    def _rows(self, points, found, retention):
        table = found[1].replace('""', '"')
        if not any(name == table for name, _ in points.types):
            return Answered(400, f"Error during planning: table 'public.iox.{table}' not found")
        wanted = {tag.replace('""', '"'): text.replace("''", "'") for tag, text in re.findall(
            rf" AND {IDENTIFIER} = {LITERAL}", found[4])}  # fmt: skip
        absent = re.findall(rf" AND {IDENTIFIER} IS NULL", found[4])
        wanted |= {tag.replace('""', '"'): "" for tag in absent}
        for tag in wanted:
            if (table, tag) not in points.types:
                return Answered(400, f'Schema error: No field named "{tag}".')
        seconds = int(datetime.fromisoformat(f"{found[2]}+00:00").timestamp())
        since = max(seconds * SECOND + int(found[3]), time_ns() - retention * SECOND if retention else 0)
        got = points.rows(table, since, time_ns() + AHEAD, wanted)
        got = (got[::-1] if found[8] == "DESC" else got)[: int(found[9])]
        return Answered(200, [dict(sorted({**row, "time": moment(row["time"])}.items())) for row in got])

    def _columns(self, points, found, retention):
        table = found[1].replace("''", "'")
        return Answered(
            200, [{"column_name": c} for (name, c), type_ in points.types.items() if (name, type_) == (table, "tag")]
        )

    def _distinct(self, points, found, retention):
        columns = [name.replace('""', '"') for name in re.findall(IDENTIFIER, found[1])]
        table = found[found.re.groups].replace('""', '"')
        series = [{c: tags[c] for c in columns if c in tags} for tags in points.series(table)]
        return Answered(200, [dict(row) for row in dict.fromkeys(tuple(tags.items()) for tags in series)])
