"""The runs of the relay benchmark: a backlog into the server, a burst, an outage, a relay killed.

Each has a broker and a server of its own, both just started.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks._relay.loader import databases, load
from benchmarks._relay.processes import Usage, memory, usage
from benchmarks._relay.relays import Relay
from mysense.channels.influxdb.v1 import creation
from tests.servers import Influxd, Mosquitto

NEVER = threading.Event()
QUIET = 1.5
"""Seconds without a new point after which a run that has all is over: longer than a relay collects."""


class Carried(NamedTuple):
    """What carrying a backlog took."""

    rate: float
    cpu: dict[str, float]
    """Microseconds a telegram of each process."""
    written: dict[str, float]
    """Bytes to disk a telegram of each process."""
    resting: float
    """MB of the relay before the backlog."""
    peak: float
    after: float
    """MB of the relay after the backlog."""
    stored: int


class Kept(NamedTuple):
    """What came through a disturbance."""

    sent: int
    stored: int
    doubled: int | None
    """Delivered twice; None where nothing shows it."""


@contextmanager
def relayed(
    kind: type[Relay], folder: Path, *, per_node: bool = False, queue: int = 0, files: bool = False
) -> Iterator[tuple[Relay, Mosquitto, Influxd]]:
    """A relay that has subscribed to a broker, and the server.

    *queue* is what the broker keeps for it (0: all). With *files* it writes them, too, if it can.
    """
    names = databases() if per_node else ["fleet"]
    with (
        Mosquitto(folder / "mosquitto", queue=queue, more="log_type subscribe") as broker,
        Influxd(folder / "influxd") as server,
    ):
        for name in names:
            server.query(creation(name))
        relay = kind(folder / "relay", broker, server, names, files=files)
        try:
            relay.start()
            yield relay, broker, server
        finally:
            relay.kill()


def stored(server: Influxd, names: Sequence[str]) -> int:
    """How many telegrams are in the server."""
    counts = [server.rows("SELECT count(pm25) FROM data", name) for name in names]
    return sum(rows[0]["count"] for rows in counts if rows)


def points(server: Influxd) -> int:
    """How many points the server has taken since it was started; asking costs it little."""
    return server.rows("SHOW STATS FOR 'httpd'")[0]["pointsWrittenOK"]


def settled(
    relay: Relay, count: Callable[[], int], wanted: int, patience: float, seen: Callable[[], None], pause: float
) -> None:
    """Wait until all is there and nothing more comes, or until nothing has come for *patience* seconds."""
    last, since = -1, time.monotonic()
    while time.monotonic() - since < (QUIET if last >= wanted else patience):
        relay.check()
        if (now := count()) != last:
            last, since = now, time.monotonic()
            seen()
        NEVER.wait(pause)


def carry(kind: type[Relay], packets: Sequence[bytes], folder: Path, *, per_node: bool) -> Carried:
    """A backlog from the broker into the server. The relay is held while the broker is filled."""
    with relayed(kind, folder, per_node=per_node) as (relay, broker, server):
        pids = {"relay": relay.pid, "broker": broker.pid, "influxd": server.pid}
        NEVER.wait(QUIET)
        resting = memory(relay.pid, "VmRSS")
        relay.hold()
        load(broker.port, packets)
        before = {name: usage(pid) for name, pid in pids.items()}
        latest: list[tuple[float, dict[str, Usage]]] = []

        def seen() -> None:
            latest[:] = [(time.monotonic(), {name: usage(pid) for name, pid in pids.items()})]

        begun = time.monotonic()
        relay.go()
        settled(relay, lambda: points(server), len(packets), 30, seen, 0.25 if per_node else 0.1)
        [(ended, after)] = latest
        spent = {name: after[name].since(before[name]) for name in pids}
        return Carried(
            len(packets) / (ended - begun),
            {name: each.cpu / len(packets) * 1e6 for name, each in spent.items()},
            {name: each.written / len(packets) for name, each in spent.items()},
            resting,
            memory(relay.pid, "VmHWM"),
            memory(relay.pid, "VmRSS"),
            stored(server, relay.databases),
        )


def burst(kind: type[Relay], packets: Sequence[bytes], folder: Path) -> Kept:
    """As fast as the broker takes them, while it keeps 1,000 messages for a slow client, as it does by itself."""
    with relayed(kind, folder, queue=1000) as (relay, broker, server):
        load(broker.port, packets)
        return _kept(relay, server, len(packets), 10)


def outage(kind: type[Relay], packets: Sequence[bytes], folder: Path, rate: float) -> Kept:
    """The server is away from a fifth of the time to three fifths."""
    with relayed(kind, folder, files=True) as (relay, broker, server):
        with _loading(broker, packets, rate):
            NEVER.wait(0.2 * len(packets) / rate)
            server.stop()
            NEVER.wait(0.4 * len(packets) / rate)
            server.start()
        return _kept(relay, server, len(packets), 40)  # a relay may wait half a minute before it tries again


def killed(kind: type[Relay], packets: Sequence[bytes], folder: Path, rate: float) -> Kept:
    """Half way the relay is killed (-9), and started again two seconds later."""
    with relayed(kind, folder, files=True) as (relay, broker, server):
        with _loading(broker, packets, rate):
            NEVER.wait(0.5 * len(packets) / rate)
            relay.kill()
            NEVER.wait(2)
            relay.start()
        return _kept(relay, server, len(packets), 20)


@contextmanager
def _loading(broker: Mosquitto, packets: Sequence[bytes], rate: float) -> Iterator[None]:
    """The broker is loaded at a steady rate meanwhile, and to the end."""
    failures: list[BaseException] = []

    def run() -> None:
        try:
            load(broker.port, packets, rate)
        except BaseException as error:  # raised below: a thread tells nobody
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        thread.join()
    if failures:
        raise failures[0]


def _kept(relay: Relay, server: Influxd, sent: int, patience: float) -> Kept:
    settled(relay, lambda: stored(server, relay.databases), sent, patience, lambda: None, 0.5)
    there = stored(server, relay.databases)
    relay.kill()
    return Kept(sent, there, relay.doubled())
