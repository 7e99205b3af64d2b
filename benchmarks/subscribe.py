"""Rows of an influxd into the journal, against the bare queries that they need.

One node with a backlog; queries of the default bufsize. The bare client asks the same
questions and throws the answers away; it shows what the server allows. Then a relay
process for many nodes: its memory, and how long a round of questions takes.
"""

import argparse
import sys
import tempfile
import threading
import time
from pathlib import Path
from statistics import median
from urllib.parse import urlencode

sys.path.insert(0, str(Path(__file__).parent.parent))
from benchmarks.drain import telegrams
from mysense.channels import _http
from mysense.channels.influxdb import Publisher, Subscriber
from mysense.channels.influxdb.v1 import creation
from mysense.cli.run import relax_collector
from mysense.clock import Clock
from mysense.journal.sqlite import SqliteJournal
from mysense.telegram import SECOND, Data, Field, Ident
from mysense.worker import SubscribeWorker
from tests.kit import Kit, until
from tests.servers import Influxd


def fill(server: Influxd, data: list[Data]) -> None:
    """Have the publisher write telegrams."""
    with Publisher(hostname="127.0.0.1", port=server.port) as far:
        for k in range(0, len(data), far.max_batch):
            assert not far.publish(data[k : k + far.max_batch])


def bare(server: Influxd, database: str, bufsize: int) -> float:
    """Seconds that the queries alone take, their answers not looked at but for the last time."""
    client = _http.Connection("127.0.0.1", server.port)
    begun, since = time.perf_counter(), 0
    while True:
        query = f'SELECT * FROM "data" WHERE time > {since} ORDER BY time LIMIT {bufsize}'
        answer = client.request("GET", f"/query?{urlencode({'q': query, 'db': database, 'epoch': 'ns'})}", most=10**9)
        at = answer.text.rfind("],[")
        if at < 0:
            break
        since = int(answer.text[at + 3 :].partition(",")[0])
    client.close()
    return time.perf_counter() - begun


def subscribe(server: Influxd, folder: Path, count: int, bufsize: int) -> float:
    """Seconds until all rows are in the journal."""
    journal, stop = SqliteJournal(folder / "journal.db"), threading.Event()
    source = Subscriber(hostname="127.0.0.1", port=server.port, bufsize=bufsize, start="oldest", interval=0.01)
    worker = SubscribeWorker("subscriber:x", source, stop, Clock(), journal)
    begun = time.perf_counter()
    with source:
        while worker.status.count < count + 1:  # its ident is a telegram, too
            worker.step()
    took = time.perf_counter() - begun
    assert journal.status().last == count + 1, journal.status()
    journal.close()
    return took


def relay(folder: Path, nodes: int) -> None:
    """A relay process of many nodes, from one server to another."""
    idents = [Ident("Fleet", f"n{n:04}", f"kit {n}", fields=(Field("temp", "C"),)) for n in range(nodes)]
    with Influxd(folder / "a") as a, Influxd(folder / "b") as b:
        for each in idents:
            a.query(creation(each.node))
        conf = f"""
[id]
project = Relay
[subscriber:influxdb]
hostname = 127.0.0.1
port = {a.port}
start = oldest
interval = 0.1
[publisher:influxdb]
hostname = 127.0.0.1
port = {b.port}
"""
        kit = Kit(folder, conf)
        begun = int(time.time()) - 100
        fill(a, [Data(each, (begun + n) * SECOND, {"temp": n / 7}) for n in range(20) for each in idents])
        kit.start()
        try:
            started = time.perf_counter()
            until(lambda: kit.cursor("publisher:influxdb")["lag"] == 0 and len(b.databases()) == nodes, 600)
            print(f"{nodes} nodes, 20 telegrams each: relayed after {time.perf_counter() - started:.1f} s")
            seconds = []
            for n in range(5):  # one telegram of the last node: how long until it is over there?
                row = Data(idents[-1], (begun + 50 + n) * SECOND, {"temp": 1.5})
                fill(a, [row])
                at = time.perf_counter()
                until(lambda row=row: b.rows(f"SELECT temp FROM data WHERE time = {row.time}", idents[-1].node), 60)
                seconds.append(time.perf_counter() - at)
            print(f"a telegram is over there after {median(seconds):.2f} s ({min(seconds):.2f} to {max(seconds):.2f})")
            told = Path(f"/proc/{kit.process.pid}/status").read_text()
            memory = {line.split(":")[0]: int(line.split()[1]) / 1024 for line in told.splitlines() if "kB" in line}
            print(f"memory of the relay: {memory['VmRSS']:.1f} MB, at most {memory['VmHWM']:.1f} MB")
        finally:
            kit.kill()
    idle = round_time(folder, idents)
    print(f"a round of {nodes} questions that find nothing: {idle:.2f} s")


def round_time(folder: Path, idents: list[Ident]) -> float:
    """Seconds of a round in which nothing is new."""
    with Influxd(folder / "a") as server:
        source = Subscriber(hostname="127.0.0.1", port=server.port, start="info", interval=0.01)
        with source:

            def once() -> float:
                begun = time.perf_counter()
                while True:
                    source.receive()
                    if not (source._round or source._looking):
                        return time.perf_counter() - begun

            once()
            once()
            return median(once() for _ in range(5))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--bufsize", type=int, default=5000)
    args = parser.parse_args()
    relax_collector()  # as the daemon does
    with tempfile.TemporaryDirectory() as name, Influxd(Path(name) / "influxd") as server:
        fill(server, telegrams(args.count))
        pairs = []
        for number in range(args.rounds):
            folder = Path(name, str(number))
            folder.mkdir()
            pairs.append(
                (
                    args.count / bare(server, "Bench_k0", args.bufsize),
                    args.count / subscribe(server, folder, args.count, args.bufsize),
                )
            )
        for what, rates in zip(("bare queries", "into the journal"), zip(*pairs, strict=True), strict=True):
            print(f"{what}: {median(rates):,.0f} rows/s ({min(rates):,.0f} to {max(rates):,.0f})")
    if args.nodes:
        with tempfile.TemporaryDirectory() as name:
            relay(Path(name), args.nodes)


if __name__ == "__main__":
    main()
