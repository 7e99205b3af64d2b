"""What has come to each far end, of a whole kit: its own telegrams, and those that it relays.

Each telegram is known by its node, its time and its temperature, which no two of a node have in
common.
"""

import csv
import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from mysense.telegram import SECOND
from tests.fleet import Fleet
from tests.kit import Kit, mysense
from tests.listener import Heard
from tests.servers import Influxd


class Point(NamedTuple):
    """A telegram: of which node, when (ns), and what it said."""

    node: str
    time: int
    temp: float


def sent(fleet: Fleet, numbers: Iterable[int]) -> set[Point]:
    """What must come of a fleet."""
    telegrams = map(fleet.telegram, numbers)
    return {Point(data.ident.node, data.time, float(data.values["temp"])) for data in telegrams}


def in_journal(kit: Kit) -> Counter[Point]:
    """What is in a journal; what was appended twice counts twice."""
    lines = mysense("journal", "export", "-c", kit.conf).stdout.splitlines()
    return Counter(_point(each) for each in map(json.loads, lines) if "temp" in each.get("data", ()))


def in_influxd(server: Influxd) -> Counter[Point]:
    """What is in all databases of a server, each named after a node."""
    return Counter(
        Point(name, row["time"], row["temp"])
        for name in server.databases()
        for row in server.rows('SELECT "temp" FROM "data"', name)
    )


def in_files(folder: Path) -> Counter[Point]:
    """What is in the CSV files of a folder; a line that stands there twice counts twice."""
    found: Counter[Point] = Counter()
    for path in folder.glob("*.csv"):
        node = path.name.rpartition("_")[0]
        with path.open(newline="") as lines:
            found.update(
                Point(node, int(row["unix(s)"]) * SECOND, float(row["temp(C)"])) for row in csv.DictReader(lines)
            )
    return found


def at_broker(heard: Iterable[Heard]) -> dict[Point, Counter[str]]:
    """What was published: the messages of each telegram, and how often each came."""
    found: dict[Point, Counter[str]] = defaultdict(Counter)
    for each in heard:
        if each.payload.startswith("{") and "temp" in (told := json.loads(each.payload)).get("data", ()):
            found[_point(told | told.get("metadata", {}))][each.payload] += 1
    return found


def _point(told: dict[str, Any]) -> Point:
    return Point(f"{told['project']}_{told['serial']}", told["data"]["time"] * SECOND, told["data"]["temp"])
