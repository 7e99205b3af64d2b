"""The Flux that mysense sends, understood, and the annotated CSV that answers it."""

import re
from typing import NamedTuple

from tests.standins.points import AHEAD, Points, moment

STRING = r'"((?:[^"\\$\n]|\\.|\$(?!\{))*)"'
HEAD = (
    rf"from\(bucket: {STRING}\) \|> range\(start: time\(v: (-?\d+)\), stop: 10m\)"
    rf" \|> filter\(fn: \(r\) => r\._measurement == {STRING}"
    rf"((?: and r\[{STRING}\] == {STRING}| and not exists r\[{STRING}\])*)\)"
)
ROWS = re.compile(
    HEAD + r' \|> pivot\(rowKey: \["_time"\], columnKey: \["_field"\], valueColumn: "_value"\)'
    r' \|> group\(\) \|> sort\(columns: \["_time"\], desc: (true|false)\) \|> limit\(n: (\d+)\)'
    r' \|> drop\(columns: \["_start", "_stop", "_measurement"\]\)'
)
TAGS = re.compile(HEAD + r" \|> first\(\) \|> keep\(columns: \[(.*)\]\) \|> limit\(n: 1\)")
KINDS = {bool: "boolean", int: "long", float: "double", str: "string"}


class Question(NamedTuple):
    """What a query asks for: rows, or which values the tags *kept* have together."""

    bucket: str
    measurement: str
    since: int
    tags: dict[str, str]
    kept: list[str] | None = None
    newest: bool = False
    limit: int = 1


def question(query: str) -> Question | None:
    """A query, understood; None if it is of another form."""
    rows, tags = ROWS.fullmatch(query), TAGS.fullmatch(query)
    found = rows or tags
    if not found:
        return None
    same = re.findall(rf" and r\[{STRING}\] == {STRING}", found[4])
    wanted = {unescaped(k): unescaped(v) for k, v in same}
    wanted |= {unescaped(k): "" for k in re.findall(rf" and not exists r\[{STRING}\]", found[4])}
    asked = Question(unescaped(found[1]), unescaped(found[3]), int(found[2]), wanted)
    if tags:
        return asked._replace(kept=[unescaped(column) for column in re.findall(STRING, found[8])])
    return asked._replace(newest=found[8] == "true", limit=int(found[9]))


def tables(asked: Question, points: Points, now: int) -> list[list[dict]]:
    """The tables of the answer."""
    if asked.kept is not None:
        whole = ({**tags, "_measurement": asked.measurement} for tags in points.series(asked.measurement))
        kept = [{k: v for k, v in tags.items() if k in asked.kept} for tags in whole]
        distinct = [dict(pairs) for pairs in dict.fromkeys(tuple(tags.items()) for tags in kept)]
        return [[tags] for tags in distinct if tags]
    rows = points.rows(asked.measurement, asked.since, now + AHEAD, asked.tags)
    rows = (rows[::-1] if asked.newest else rows)[: asked.limit]
    return [[{"_time": row.pop("time"), **row} for row in rows]]


def csv_table(records: list[dict], annotations: list[str]) -> str:
    """One table as annotated CSV; of no record there is no table."""
    if not records:
        return "\r\n"
    columns = {name: value for record in records for name, value in record.items()}
    kinds = ["dateTime:RFC3339" if name == "_time" else KINDS[type(value)] for name, value in columns.items()]
    lines = {
        "datatype": ["#datatype", "string", "long", *kinds],
        "group": ["#group", *["false"] * (2 + len(columns))],
        "default": ["#default", "_result", *[""] * (1 + len(columns))],
    }
    rows = [["", "", "0", *(cell(name, record.get(name)) for name in columns)] for record in records]
    table = [*(line for name, line in lines.items() if name in annotations), ["", "result", "table", *columns], *rows]
    return "\r\n".join(",".join(map(quoted, line)) for line in table) + "\r\n\r\n"


def cell(name: str, value: object) -> str:
    """A value as it stands in a cell."""
    if value is None:
        return ""
    if name == "_time":
        return f"{moment(value)}Z"
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)


def quoted(text: str) -> str:
    """A cell, in quotes where RFC 4180 wants them."""
    return '"' + text.replace('"', '""') + '"' if re.search('[",\r\n]', text) else text


def unescaped(text: str) -> str:
    """What a string literal of Flux says."""
    signs = {"n": "\n", "r": "\r", "t": "\t", "${": "${"}
    return re.sub(r"\\(\$\{|.)", lambda found: signs.get(found[1], found[1]), text)
