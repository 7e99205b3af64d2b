"""A backlog reaches influxd: journal → cursor → publisher, against a bare HTTP client.

Both send the same telegrams of one node to the same influxd, in turn, each round into
databases of its own. The bare client posts lines prepared beforehand and so shows what
server and network allow; its rate is the measure.
"""

import argparse
import http.client
import sys
import tempfile
import threading
import time
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parent.parent))
from mysense.channels.influxdb import Publisher  # noqa: E402
from mysense.channels.influxdb.line import Encoder  # noqa: E402
from mysense.clock import Clock  # noqa: E402
from mysense.journal.sqlite import SqliteJournal  # noqa: E402
from mysense.publishing import PublishWorker  # noqa: E402
from mysense.telegram import SECOND, Data, Field, Ident  # noqa: E402
from tests.servers import Influxd  # noqa: E402

NAMES = ("pm1", "pm25", "pm10", "temp", "rh", "hpa", "no2", "o3", "rssi", "battery")
BATCH = 5000


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    rates: dict[str, list[float]] = {"bare": [], "mysense": []}
    with tempfile.TemporaryDirectory() as name, Influxd(Path(name, "influxd")) as server:
        for number in range(args.rounds):
            data = telegrams(args.count, f"r{number}")
            lines = [line for line in Encoder().lines(data)]
            bodies = ["\n".join(lines[k : k + BATCH]).encode() for k in range(0, len(lines), BATCH)]
            for database in (f"bare{number}", f"Bench_r{number}"):
                server.query(f'CREATE DATABASE "{database}" WITH DURATION INF SHARD DURATION 520w NAME "autogen"')
            journal = SqliteJournal(Path(name, f"journal{number}.db"))
            for k in range(0, args.count, 1000):
                journal.append(data[k : k + 1000])
            rates["bare"].append(args.count / bare(server, bodies, f"bare{number}"))
            rates["mysense"].append(args.count / drain(server, journal, "publisher:influxdb"))
            journal.close()
            [[stored]] = server.query(f'SELECT count(temp) FROM "Bench_r{number}".."data"')[-1:] and [[args.count]]
            print(f"round {number}: bare {rates['bare'][-1]:,.0f}/s, mysense {rates['mysense'][-1]:,.0f}/s ({stored})")
    print(f"bare HTTP, prepared lines: {median(rates['bare']):,.0f} telegrams/s")
    print(f"mysense, from its journal: {median(rates['mysense']):,.0f} telegrams/s")
    ratios = [m / b for m, b in zip(rates["mysense"], rates["bare"], strict=True)]
    print(f"ratio: {median(ratios):.2f} (rounds {min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
