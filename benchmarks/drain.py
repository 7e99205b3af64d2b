"""A backlog reaches influxd: journal → cursor → publisher, against a bare HTTP client.

Both send the same telegrams of one node in requests of the same size, in turn, each to an
influxd that was just started. The bare client posts lines prepared beforehand and so shows
what server and network allow; its rate is the measure.
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
from mysense.channels.influxdb.publisher import POINTS
from mysense.clock import Clock
from mysense.journal.sqlite import SqliteJournal
from mysense.publishing import PublishWorker
from mysense.telegram import SECOND, Data, Field, Ident
from tests.servers import Influxd

NAMES = ("pm1", "pm25", "pm10", "temp", "rh", "hpa", "no2", "o3", "rssi", "battery")


def telegrams(count: int, serial: str) -> list[Data]:
    """A backlog of one node: ten fields, one telegram a second."""
    ident = Ident("Bench", serial, "backlog", fields=tuple(Field(name) for name in NAMES))
    return [
        Data(ident, (1_700_000_000 + n) * SECOND, {name: round(n * 0.01 + k, 2) for k, name in enumerate(NAMES)})
        for n in range(count)
    ]


def bare(server: Influxd, bodies: list[bytes], database: str) -> float:
    """Seconds that a bare HTTP client takes."""
    client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    begun = time.perf_counter()
    for body in bodies:
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


def measure(count: int, folder: Path) -> tuple[float, float]:
    """Telegrams a second of the bare client and of mysense, each on an influxd just started."""
    data = telegrams(count, "k1")
    lines = Encoder().lines(data)
    bodies = ["\n".join(lines[k : k + POINTS]).encode() for k in range(0, len(lines), POINTS)]
    journal = SqliteJournal(folder / "journal.db")
    for k in range(0, count, 1000):
        journal.append(data[k : k + 1000])
    del data, lines
    gc.collect()
    rates = []
    for number, run in enumerate((lambda s: bare(s, bodies, "Bench_k1"), lambda s: drain(s, journal, "publisher:x"))):
        with Influxd(folder / f"influxd{number}") as server:
            server.query('CREATE DATABASE "Bench_k1" WITH DURATION INF SHARD DURATION 520w NAME "autogen"')
            rates.append(count / run(server))
            [row] = server.rows("SELECT count(temp) FROM data", "Bench_k1")
            assert row["count"] == count, row
    journal.close()
    return rates[0], rates[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=7)
    args = parser.parse_args()
    pairs = []
    for number in range(args.rounds):
        with tempfile.TemporaryDirectory() as name:
            pairs.append(measure(args.count, Path(name)))
        print(f"round {number}: bare {pairs[-1][0]:,.0f}/s, mysense {pairs[-1][1]:,.0f}/s")
    print(f"bare HTTP, prepared lines: {median(b for b, _ in pairs):,.0f} telegrams/s")
    print(f"mysense, from its journal: {median(m for _, m in pairs):,.0f} telegrams/s")
    ratios = [m / b for b, m in pairs]
    print(f"ratio: {median(ratios):.2f} (rounds {min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
