"""Lines that others write into the listener, until they are safe: HTTP → SubscribeWorker → SQLite journal.

Client processes post bodies of 1,000 lines prepared beforehand, ten fields a line, each its
own series and over one connection, and wait for each answer; an answer comes when the
telegrams are committed. CPU and memory are those of the process that listens.
"""

import argparse
import http.client
import multiprocessing
import resource
import sys
import tempfile
import threading
import time
from multiprocessing.queues import Queue
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parent.parent))
from mysense.channels.influxlisten import Subscriber
from mysense.clock import Clock
from mysense.journal.sqlite import SqliteJournal
from mysense.worker import SubscribeWorker
from tests.ports import free_ports

NAMES = ("pm1", "pm25", "pm10", "temp", "rh", "hpa", "no2", "o3", "rssi", "battery")
LINES = 1000
T0 = 1_700_000_000


def body(client: int, number: int, kind: str) -> bytes:
    """The lines of one request, as a kit of mysense writes them or as Telegraf does."""
    first = T0 + number * LINES
    if kind == "mysense":
        head, end = "data,geolocation=51.4\\,6.1\\,20,label=shed,new=0", ""
    else:
        head, end = f"cpu,cpu=cpu{client},host=pi{client}", "i"
    lines = []
    for n in range(LINES):
        fields = [f"{name}={round((first + n) % 7919 * 0.01 + k, 2)}" for k, name in enumerate(NAMES)]
        if end:
            fields[-1] = f"{NAMES[-1]}={n}{end}"
        lines.append(f"{head} {','.join(fields)} {first + n}")
    return "\n".join(lines).encode()


def post(port: int, client: int, requests: int, kind: str, begin: object, done: "Queue[float]") -> None:
    """One client: post its bodies one after the other."""
    bodies = [body(client, number, kind) for number in range(requests)]
    path = f"/write?db={'Bench_k' if kind == 'mysense' else 'telegraf'}{client}&precision=s"
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    begin.wait()  # type: ignore[attr-defined]
    for each in bodies:
        connection.request("POST", path, each)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 204, answer.status
    done.put(time.monotonic())
    connection.close()


def measure(clients: int, requests: int, kind: str) -> tuple[float, float]:
    """Lines a second, and seconds of CPU for 100,000 lines."""
    [port] = free_ports(1)
    total = clients * requests * LINES
    with tempfile.TemporaryDirectory() as name:
        journal, stop = SqliteJournal(Path(name) / "journal.db"), threading.Event()
        worker = SubscribeWorker("subscriber:influxlisten", Subscriber(port=port), stop, Clock(), journal)
        thread = threading.Thread(target=worker.run)
        thread.start()
        context = multiprocessing.get_context("spawn")
        begin, done = context.Barrier(clients + 1), context.Queue()
        posts = [
            context.Process(target=post, args=(port, client, requests, kind, begin, done)) for client in range(clients)
        ]
        for each in posts:
            each.start()
        begin.wait()
        begun, cpu = time.monotonic(), time.process_time()
        ends = [done.get(timeout=300) for _ in posts]
        cpu = time.process_time() - cpu
        for each in posts:
            each.join()
        stop.set()
        thread.join()
        data = sum(entry.telegram.__class__.__name__ == "Data" for entry in journal.read(0, 2 * total))
        assert data == total, (data, total)
        journal.close()
    return total / (max(ends) - begun), cpu / total * 100_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--requests", type=int, default=25, help="of each client")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    for kind in ("mysense", "telegraf"):
        figures = [measure(args.clients, args.requests, kind) for _ in range(args.rounds)]
        rates, cpus = zip(*figures, strict=True)
        print(
            f"lines of {kind}: {median(rates):,.0f} lines/s (rounds {min(rates):,.0f} to {max(rates):,.0f}), "
            f"{median(cpus):.2f} s CPU for 100,000 lines"
        )
    print(f"memory at most: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
