"""A whole kit in a hostile world: whatever network and servers do, each telegram arrives, once, with its own time.

A daemon measures, takes in what a broker has, and publishes to an influxd, to the broker and into
CSV files. Between it and the servers stand proxies that cut, delay, drip, close by half, reset,
refuse, show wrong certificates, send garbage, hang, and answer with 500, 429, 400 or errors under a
200; meanwhile daemon and influxd are killed (-9) and the broker is stopped and started. All of that
is drawn beforehand by a seed. Two more publishers have far ends that never answer.

What must arrive is all that the broker confirmed to whoever published it, and all that the
journal holds of the kit itself. A database hides what comes twice, so the journal and the files
are asked, too. Towards the broker it is at least once, with equal bytes.
"""

import argparse
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent.parent))
from mysense.telegram import SECOND
from tests.delays import Delays
from tests.farends import at_broker, in_files, in_influxd, in_journal, sent
from tests.faults import HTTP, LINE, TLS, Fault, draw, kinds
from tests.fleet import Fleet, once
from tests.kit import mysense, until
from tests.listener import Listener
from tests.mqtt import Loader
from tests.proxy import Certificates, Proxy
from tests.relay import Relay
from tests.servers import Influxd, Mosquitto

TRUST = """\
hostname = localhost
port = {proxy.port}
ssl = yes
ca_file = {ca}
timeout = {timeout}
"""
KIT = """\
[id]
project = Own
serial = kit
[daemon]
interval = 1
[sensor:simulated]
interval = 0.2
"""
BROKEN = "this is no telegram"
PAUSE = 5
"""Seconds after which a kit that measures every second has paused: it may when it was killed."""
EACH = 100
"""Of so many messages, one is none."""
PROXIES = {"to influxd": LINE + TLS + HTTP, "to the broker": LINE + TLS, "from the broker": LINE + TLS}
"""What may strike each of the ways out of the daemon and into it."""
IMPATIENT = "from mysense import cli, worker; worker.PATIENCE = 1.0; cli.main()"
"""A daemon that tries again after a second at most, not after a minute: so most faults meet a connection."""
PATIENCE = 120.0
"""Seconds that a far end which hangs is waited for: longer than any other may be held up."""


class Episode(NamedTuple):
    """Something happens to *whom*, from a time on and up to another (seconds since all began)."""

    whom: str
    begin: float
    end: float
    fault: Fault | None = None


def plan(seed: int, seconds: float, calm: float = 2.0, away: float = 4.0) -> dict[str, list[Episode]]:
    """What will happen to whom: the same seed, the same plan.

    *calm* and *away* are the most seconds between two faults and of one; servers and the daemon
    itself are left alone for ten to twenty times as long.
    """
    made: dict[str, list[Episode]] = {}
    for whom in (*PROXIES, "mysense", "influxd", "mosquitto"):
        dice, at, episodes = random.Random(f"{seed} {whom}"), 0.0, made.setdefault(whom, [])
        bag = kinds(dice, PROXIES.get(whom, ("",)))
        while True:
            begin = at + (dice.uniform(0.1, calm) if whom in PROXIES else dice.uniform(10 * calm, 20 * calm))
            at = begin + dice.uniform(0.1, away)
            if at > seconds:
                break
            episodes.append(Episode(whom, begin, at, draw(dice, next(bag)) if whom in PROXIES else None))
    return made


class Went(NamedTuple):
    """What was done, and how it went."""

    happened: Counter[str]
    """Faults, kills and stops, by kind."""
    met: Counter[str]
    """And how often a fault struck a connection."""
    relayed: int
    own: int
    """Telegrams that were to arrive: those of others, and the kit's own."""
    twice: int
    """Messages that the far broker got more than once."""
    set_aside: int
    """Telegrams that were set aside on the way, by a server that called them wrong."""
    delay: float
    """Seconds, at most, until what was in the journal was in the CSV files."""
    settled: float
    """Seconds from the end of all faults until all had arrived."""


class World:
    """Servers, proxies, and the daemon between them."""

    def __init__(self, folder: Path, stack: ExitStack, tell: Callable[[str], None]) -> None:
        self.tell, self.begun = tell, time.monotonic()
        self.broker = stack.enter_context(Mosquitto(folder / "mosquitto"))
        self.influxd = stack.enter_context(Influxd(folder / "influxd"))
        self.certificates = Certificates(folder / "certificates")
        ports = {
            "to influxd": self.influxd.port,
            "to the broker": self.broker.port,
            "from the broker": self.broker.port,
        }
        self.proxies = {name: stack.enter_context(Proxy(port, self.certificates)) for name, port in ports.items()}
        hung = [stack.enter_context(Proxy(port, self.certificates)) for port in (self.influxd.port, self.broker.port)]
        for proxy in hung:
            proxy.strike(Fault("hang"))
        influxd, broker = self.proxies["to influxd"], self.proxies["to the broker"]
        more = "".join(
            (
                KIT,
                "[publisher:influxdb]\n", self._way(influxd),
                "[publisher:mqtt]\ntopic = far/{project}/{serial}\nkeepalive = 5\n", self._way(broker),
                "[publisher:influxdb:hung]\n", self._way(hung[0], PATIENCE),
                "[publisher:mqtt:hung]\ntopic = hung/{project}/{serial}\n", self._way(hung[1], PATIENCE),
            )
        )  # fmt: skip
        way_in = self._way(self.proxies["from the broker"]).replace("hostname = localhost\n", "")
        way_in = way_in.replace(f"port = {self.proxies['from the broker'].port}\n", "")
        self.kit = Relay(
            folder / "kit", self.proxies["from the broker"], subscriber=f"keepalive = 5\n{way_in}", more=more
        )
        self.kit.program = ["-c", IMPATIENT]
        stack.enter_context(self.kit)
        self.far = stack.enter_context(Listener(self.broker.port, "far/#", name="the oracle"))
        self.happened: Counter[str] = Counter()

    def _way(self, proxy: Proxy, timeout: float = 2) -> str:
        return TRUST.format(proxy=proxy, ca=self.certificates.ca, timeout=timeout)

    def live(self, episodes: list[Episode]) -> None:
        """Let things happen to one of us, when their time has come."""
        never = threading.Event()
        for episode in episodes:
            never.wait(max(0.0, self.begun + episode.begin - time.monotonic()))
            what = episode.fault.kind if episode.fault else f"{episode.whom} away"
            self.tell(f"{episode.begin:6.1f} to {episode.end:6.1f} s  {episode.whom}: {episode.fault or 'away'}")
            self.happened[what] += 1
            self._away(episode)
            never.wait(max(0.0, self.begun + episode.end - time.monotonic()))
            self._back(episode)

    def _away(self, episode: Episode) -> None:
        if episode.fault:
            self.proxies[episode.whom].strike(episode.fault)
        else:
            {"mysense": self.kit.kill, "influxd": self.influxd.kill, "mosquitto": self.broker.stop}[episode.whom]()

    def _back(self, episode: Episode) -> None:
        if episode.fault:
            self.proxies[episode.whom].lift()
        else:
            {"mysense": self.kit.start, "influxd": self.influxd.start, "mosquitto": self.broker.start}[episode.whom]()

    def cursors(self) -> Iterator[dict[str, object]]:
        """The cursors of those publishers whose far ends are there in the end."""
        for cursor in (self.kit.status()["journal"] or {"cursors": [{"name": "", "lag": -1}]})["cursors"]:
            if not cursor["name"].endswith(":hung"):
                yield cursor

    def operate(self) -> None:
        """Do what an operator does for lanes that are blocked, and telegrams that were set aside."""
        mysense("journal", "retry", "-c", self.kit.conf, code=None)

    def left(self) -> int:
        """Telegrams that publishers have set aside and not yet delivered."""
        ends = ("publisher:influxdb", "publisher:mqtt")
        return sum(int(mysense("journal", "rejected", name, "-c", self.kit.conf).stderr.split()[0]) for name in ends)

    def settle(self, patience: float) -> None:
        """Wait until all has arrived; what was set aside is sent again."""

        def settled() -> bool:
            if any(cursor["lag"] for cursor in self.cursors()):
                if any(each["state"] == "blocked" for each in self.kit.status()["workers"]):
                    self.operate()
                return False
            if self.left():
                self.operate()
                return False
            return True

        until(settled, patience)


def world(
    folder: Path,
    seed: int,
    seconds: float,
    *,
    nodes: int = 20,
    rate: float = 100,
    calm: float = 2.0,
    away: float = 4.0,
    patience: float = 180,
    tell: Callable[[str], None] = lambda text: None,
) -> Went:
    """Let a plan happen; AssertionError if a telegram is lost, doubled, or late by somebody else's fault."""
    fleet, number = Fleet(nodes), int(rate * seconds)
    messages = fleet.messages(range(number))
    broken = {f"{BROKEN}: {n}" for n in range(0, number, EACH)}
    for n, text in zip(range(0, number, EACH), sorted(broken), strict=True):
        messages.insert(n, (messages[n][0], text.encode()))
    with ExitStack() as stack:
        here = World(folder, stack, tell)
        here.kit.listens()
        happening, here.begun = plan(seed, seconds, calm, away), time.monotonic()
        loader = Loader(here.broker, rate=rate)
        with Delays(here.kit) as delays:
            with loader.loading(messages), ThreadPoolExecutor(len(happening)) as pool:
                list(pool.map(here.live, happening.values()))
            over = time.monotonic()
            # What is sent last comes last: behind it nothing is on its way any more.
            last = fleet.messages([number])
            loader.load(last)
            wanted = sent(fleet, range(number + 1))
            until(lambda: sent(fleet, [number]) <= in_files(here.kit.folder / "csv").keys(), patience)
            here.settle(patience)
            settled = time.monotonic() - over
        status = here.kit.status()
        here.kit.stop()
        journal = in_journal(here.kit)
        own = {point for point in journal if point.node == "Own_kit"}
        wanted |= own
        once(journal, wanted, "in the journal")
        once(in_files(here.kit.folder / "csv"), wanted, "in the CSV files")
        once(in_influxd(here.influxd), wanted, "in influxd")
        until(lambda: len(at_broker(here.far.heard)) >= len(wanted), 20)
        heard = at_broker(here.far.heard)
        once(Counter(dict.fromkeys(heard, 1)), wanted, "at the broker")
        unequal = [point for point, messages in heard.items() if len(messages) > 1]
        assert not unequal, f"{len(unequal)} telegrams came to the broker in other bytes the second time: {unequal[:3]}"
        refused = mysense("journal", "rejected", "subscriber:mqtt", "-c", here.kit.conf).stdout
        lost = [text for text in broken if text not in refused]
        assert not lost, f"{len(lost)} messages that are no telegrams were not counted, such as {lost[:3]}"
        times = sorted(point.time for point in own)
        pauses = [later - time for time, later in pairwise(times) if later - time > PAUSE * SECOND]
        assert len(pauses) <= here.happened["mysense away"], f"the sensors stood still: {pauses}"
        hung = {cursor["name"]: cursor["seq"] for cursor in status["journal"]["cursors"] if "hung" in cursor["name"]}
        assert set(hung.values()) == {0}, f"a far end that never answers has confirmed something: {hung}"
        met: Counter[str] = sum((proxy.met for proxy in here.proxies.values()), Counter())
        aside = sum(cursor["rejected"] for cursor in status["journal"]["cursors"] if "pub" in cursor["name"])
    twice = sum(messages.total() - 1 for messages in heard.values())
    return Went(here.happened, met, number + 1, len(own), twice, aside, delays.longest["publisher:csv"], settled)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=900)
    parser.add_argument("--nodes", type=int, default=20)
    parser.add_argument("--rate", type=float, default=100, help="telegrams a second that the broker is given")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="repeats a plan, but for its timing")
    args = parser.parse_args()
    print(f"{args.seconds:.0f} s, {args.nodes} nodes, --seed {args.seed}", flush=True)
    with tempfile.TemporaryDirectory() as name:
        went = world(
            Path(name), args.seed, args.seconds, nodes=args.nodes, rate=args.rate,
            tell=lambda text: print(text, flush=True),
        )  # fmt: skip
    print("happened: " + ", ".join(f"{name} {times}" for name, times in sorted(went.happened.items())))
    print("struck connections: " + ", ".join(f"{name} {times:,}" for name, times in sorted(went.met.items())))
    print(f"{went.relayed:,} telegrams relayed and {went.own:,} measured: each at each far end, with its own time,")
    print(f"once; {went.twice:,} messages came to the broker twice, with equal bytes;")
    print(f"{went.set_aside:,} were set aside on the way and sent again; with two far ends that hung all the time,")
    print(
        f"the CSV files were {went.delay:.1f} s behind at most; {went.settled:.0f} s after the last fault all was there"
    )


if __name__ == "__main__":
    main()
