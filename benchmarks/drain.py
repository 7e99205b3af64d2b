"""A backlog reaches influxd: journal → cursor → publisher, against a bare HTTP client.

Of one node, and of a hundred with a database each. The bare client posts lines prepared
beforehand, 5,000 a request to one database and 1,000 to each of many, over one connection;
it shows what server and network allow, and its rate is the measure. Both send the same
telegrams in turn, each to an influxd that was just started.
"""

import argparse
import gc
import http.client
import sys
import tempfile
import threading
import time
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parent.parent))
from mysense.channels.influxdb import Publisher
from mysense.channels.influxdb.line import Encoder
from mysense.channels.influxdb.v1 import creation
from mysense.cli.run import relax_collector
from mysense.clock import Clock
from mysense.journal.sqlite import SqliteJournal
from mysense.publishing import PublishWorker
from mysense.telegram import SECOND, Data, Field, Ident
from tests.servers import Influxd

NAMES = ("pm1", "pm25", "pm10", "temp", "rh", "hpa", "no2", "o3", "rssi", "battery")


def telegrams(count: int, nodes: int = 1) -> list[Data]:
    """A backlog: ten fields; the nodes take turns."""
    fields = tuple(Field(name) for name in NAMES)
    idents = [Ident("Bench", f"k{n}", "backlog", fields=fields) for n in range(nodes)]
    return [
        Data(
            idents[n % nodes],
            (1_700_000_000 + n // nodes) * SECOND,
            {name: round(n * 0.01 + k, 2) for k, name in enumerate(NAMES)},
        )
        for n in range(count)
    ]


def bodies(data: list[Data], nodes: int) -> list[tuple[str, bytes]]:
    """Database and lines of each request of the bare client."""
    size, encoder = (5000 if nodes == 1 else 1000), Encoder()
    made = []
    for n in range(nodes):
        lines = encoder.lines(data[n::nodes])
        made += [(f"Bench_k{n}", "\n".join(lines[k : k + size]).encode()) for k in range(0, len(lines), size)]
    return made


def bare(server: Influxd, requests: list[tuple[str, bytes]]) -> float:
    """Seconds that a bare HTTP client takes."""
    client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    begun = time.perf_counter()
    for database, body in requests:
        client.request("POST", f"/write?db={database}&precision=s", body)
        answer = client.getresponse()
        answer.read()
        assert answer.status == 204, answer.status
    client.close()
    return time.perf_counter() - begun


def drain(server: Influxd, journal: SqliteJournal, section: str) -> float:
    """Seconds that a cursor from the oldest entry to the end takes."""
    cursor, stop = journal.cursor(section), threading.Event()
    publisher = Publisher(hostname="127.0.0.1", port=server.port)
    worker = PublishWorker(section, publisher, stop, Clock(), journal, cursor)
    worker.draining.set()
    begun = time.perf_counter()
    worker.run()
    took = time.perf_counter() - begun
    assert cursor.lag == 0
    cursor.close()
    return took


def measure(count: int, nodes: int, folder: Path) -> tuple[float, float]:
    """Telegrams a second of the bare client and of mysense, each on an influxd just started."""
    data = telegrams(count, nodes)
    requests = bodies(data, nodes)
    journal = SqliteJournal(folder / "journal.db")
    for k in range(0, count, 1000):
        journal.append(data[k : k + 1000])
    del data
    gc.collect()
    rates = []
    for number, run in enumerate((lambda s: bare(s, requests), lambda s: drain(s, journal, "publisher:x"))):
        with Influxd(folder / f"influxd{number}") as server:
            for n in range(nodes):
                server.query(creation(f"Bench_k{n}"))
            rates.append(count / run(server))
            stored = [server.rows("SELECT count(temp) FROM data", f"Bench_k{n}")[0]["count"] for n in range(nodes)]
            assert sum(stored) == count, stored
    journal.close()
    return rates[0], rates[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--nodes", type=int, nargs="*", default=[1, 100])
    args = parser.parse_args()
    relax_collector()  # as the daemon does
    for nodes in args.nodes:
        pairs = []
        for _ in range(args.rounds):
            with tempfile.TemporaryDirectory() as name:
                pairs.append(measure(args.count, nodes, Path(name)))
        print(f"{args.count:,} telegrams of {nodes} node{'s' * (nodes > 1)}, a database each:")
        for what, rates in zip(
            ("bare HTTP, prepared lines", "mysense, from its journal"), zip(*pairs, strict=True), strict=True
        ):
            print(f"  {what}: {median(rates):,.0f} telegrams/s (rounds {min(rates):,.0f} to {max(rates):,.0f})")
        ratios = [m / b for b, m in pairs]
        print(f"  ratio: {median(ratios):.2f} (rounds {min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
