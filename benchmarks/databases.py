"""What a database costs influxd: as mysense makes one, against the server's own default.

Both times a real influxd, just started, gets as many databases and a point in each of four
weeks in every one of them: once in one long shard, as mysense makes databases, and once in
the shards of a week that the server makes when nobody says otherwise. Memory and open files
are those of the server's process after the last write.
"""

import argparse
import os
import platform
import resource
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent.parent))
from mysense import __version__
from mysense.channels.influxdb import Publisher
from mysense.channels.influxdb.v1 import creation, quoted
from mysense.telegram import SECOND, Data, Field, Ident
from tests.servers import Influxd

WEEK, BEGIN = 7 * 86400, 1_700_000_000
NAMES = ("pm1", "pm25", "pm10", "temp", "rh", "hpa", "no2", "o3", "rssi", "battery")


class Cost(NamedTuple):
    """Memory (MB) and open files of a server."""

    memory: float
    files: int


def cost(pid: int) -> Cost:
    """What a process takes now."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return Cost(int(status["VmRSS"].split()[0]) / 1024, len(list(Path(f"/proc/{pid}/fd").iterdir())))


def week(count: int, number: int) -> list[Data]:
    """A telegram of every node in one week."""
    return [
        Data(
            Ident("Bench", f"k{n}", "shed", fields=tuple(map(Field, NAMES))),
            (BEGIN + number * WEEK + n) * SECOND,
            {name: number + k / 10 for k, name in enumerate(NAMES)},
        )
        for n in range(count)
    ]


def measure(count: int, weeks: int, folder: Path, *, long: bool) -> tuple[Cost, Cost]:
    """What an influxd takes when it has just started, and with the databases."""
    with Influxd(folder) as server:
        before = cost(server.pid)
        for n in range(count):
            server.query(creation(f"Bench_k{n}") if long else f"CREATE DATABASE {quoted(f'Bench_k{n}')}")
        with Publisher(hostname="127.0.0.1", port=server.port, timeout=60) as publisher:
            for number in range(weeks):
                telegrams = week(count, number)
                for k in range(0, count, publisher.max_batch):
                    failures = publisher.publish(telegrams[k : k + publisher.max_batch])
                    assert not failures, next(iter(failures.values()))
        assert len(server.databases()) == count
        return before, cost(server.pid)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000, help="databases")
    parser.add_argument("--weeks", type=int, default=4, help="weeks with a point in each database")
    args = parser.parse_args()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]  # the server inherits it
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    costs = []
    with tempfile.TemporaryDirectory() as name:
        for long in (True, False):
            before, after = measure(args.count, args.weeks, Path(name, f"long-{long}"), long=long)
            costs.append(after)
            each = (after.memory - before.memory) / args.count, (after.files - before.files) / args.count
            print(
                f"{'one long shard' if long else 'a shard a week'}: {after.memory:,.0f} MB, {after.files:,} open files;"
                f" a database {each[0]:.2f} MB and {each[1]:.1f} files"
            )
    ours, theirs = costs
    print(f"ratio: {ours.memory / theirs.memory:.2f} of the memory, {ours.files / theirs.files:.2f} of the open files")
    with tempfile.TemporaryDirectory() as name, Influxd(Path(name)) as server:
        version = server.version
    print(
        f"{args.count:,} databases, {args.weeks} weeks; mysense {__version__}, influxd {version},"
        f" Python {platform.python_version()}, {os.cpu_count()} cores, at most {most:,} open files"
    )


if __name__ == "__main__":
    main()
