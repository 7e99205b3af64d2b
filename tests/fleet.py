"""A fleet of kits: telegrams with a number each, and the question whether all of them arrived, once."""

import csv
import json
from collections import Counter
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from mysense.telegram import SECOND, Data, Field, Ident, Location
from mysense.wire import encode_classic
from tests.kit import Kit, mysense
from tests.servers import Influxd

T0 = 1_700_000_000
FIELDS = (Field("temp", "C"), Field("pm25", "ug/m3"), Field("id"))


class Mark(NamedTuple):
    """What must arrive of a telegram: at which node, when, and which number."""

    node: str
    time: int
    id: int


class Fleet:
    """So many kits that take turns: telegram *n* is of node ``n % nodes``, and *n* is its id."""

    def __init__(self, nodes: int, project: str = "Fleet", topic: str = "IoS") -> None:
        self.project, self.topic = project, topic
        self.idents = [
            Ident(project, f"k{n}", f"kit {n}", Location(51.4, 6.1, 22.9), FIELDS, since=T0 * SECOND)
            for n in range(nodes)
        ]

    @cached_property
    def names(self) -> list[str]:
        """The nodes."""
        return [ident.node for ident in self.idents]

    def telegram(self, n: int) -> Data:
        """Telegram *n*."""
        time, who = divmod(n, len(self.idents))
        return Data(self.idents[who], (T0 + time) * SECOND, {"temp": n / 7, "pm25": n % 1000 / 10, "id": n})

    def messages(self, numbers: Iterable[int]) -> list[tuple[str, bytes]]:
        """Topic and payload of telegrams, as kits of the classic layout send them."""
        made = []
        for data in map(self.telegram, numbers):
            made.append((f"{self.topic}/{self.project}/{data.ident.serial}", encode_classic(data).encode()))
        return made

    def marks(self, numbers: Iterable[int]) -> set[Mark]:
        """What must arrive of telegrams."""
        return {Mark(data.ident.node, data.time, n) for n, data in ((n, self.telegram(n)) for n in numbers)}


def stored(server: Influxd, names: Iterable[str]) -> Counter[Mark]:
    """What is in the databases of nodes."""
    there = set(server.databases())
    return Counter(
        Mark(name, row["time"], int(row["id"]))
        for name in names
        if name in there
        for row in server.rows('SELECT "id" FROM "data"', name)
    )


def count(server: Influxd, names: Iterable[str]) -> int:
    """How many telegrams are in the databases of nodes."""
    there = set(server.databases())
    found = [server.rows('SELECT count("id") FROM "data"', name) for name in names if name in there]
    return sum(rows[0]["count"] for rows in found if rows)


def journalled(kit: Kit) -> Counter[Mark]:
    """What is in a journal; one that was appended twice counts twice."""
    lines = mysense("journal", "export", "-c", kit.conf).stdout.splitlines()
    told = [json.loads(line) for line in lines if '"data":' in line]
    return Counter(
        Mark(f"{each['project']}_{each['serial']}", each["data"]["time"] * SECOND, each["data"]["id"])
        for each in told
        if "id" in each["data"]
    )


def written(folder: Path) -> Counter[Mark]:
    """What is in the CSV files of a folder, where it has an id; a line that stands there twice counts twice."""
    found: Counter[Mark] = Counter()
    for path in folder.glob("*.csv"):
        node = path.name.rpartition("_")[0]
        with path.open(newline="") as lines:
            found.update(
                Mark(node, int(row["unix(s)"]) * SECOND, int(row["id"]))
                for row in csv.DictReader(lines)
                if row.get("id")
            )
    return found


def once(found: Counter[Mark], wanted: set[Mark], where: str) -> None:
    """AssertionError, in numbers, unless all that is wanted is there, once, and nothing else."""
    lost, strange = sorted(wanted - found.keys()), sorted(found.keys() - wanted)
    doubled = sorted(mark for mark, times in found.items() if times > 1)
    assert not lost, f"{where} {len(lost):,} of {len(wanted):,} telegrams are missing, such as {lost[:3]}"
    assert not doubled, f"{where} {len(doubled):,} of {len(wanted):,} telegrams are twice, such as {doubled[:3]}"
    assert not strange, f"{where} are {len(strange):,} telegrams that nobody sent, such as {strange[:3]}"
