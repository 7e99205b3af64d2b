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
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent.parent))
from mysense.telegram import SECOND
from tests.delays import Delays
from tests.farends import Point, at_broker, in_files, in_influxd, in_journal, sent
from tests.faults import draw, kinds
from tests.fleet import Fleet, once
from tests.kit import mysense, until
from tests.mqtt import Loader
from tests.world import PROCESSES, PROXIES, Episode, World

BROKEN = 200
"""Of so many messages to the kit, one is no telegram."""
PAUSE = 5
"""Seconds after which a kit that measures every second has paused: it may when it was killed."""


def plan(seed: int, seconds: float, calm: float, away: float) -> dict[str, list[Episode]]:
    """What will happen to whom: the same seed, the same plan.

    *calm* and *away* are the most seconds between two faults and of one; servers and the daemon
    itself are left alone for ten to twenty times as long.
    """
    made: dict[str, list[Episode]] = {}
    for whom in (*PROXIES, *PROCESSES):
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
    aside: int
    """Telegrams, at most at one time, that were set aside because a server had called them wrong."""
    delay: float
    """Seconds, at most, until what was in the journal was in the CSV files."""
    settled: float
    """Seconds from the end of all faults until all had arrived."""


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
    """Let a plan happen; AssertionError if a telegram is lost or doubled, or the sensors stood still."""
    fleet, number, over = Fleet(nodes), int(rate * seconds), threading.Event()
    messages = fleet.messages(range(number))
    broken = {n: f"this is no telegram: {n:08}" for n in range(0, number, BROKEN)}
    for n, text in broken.items():
        messages.insert(n, (messages[n][0], text.encode()))
    happening = plan(seed, seconds, calm, away)
    with World(folder, tell) as here:
        loader = Loader(here.broker, rate=rate)
        with Delays(here.kit) as delays:
            with loader.loading(messages), ThreadPoolExecutor(len(happening) + 1) as pool:
                operator = pool.submit(here.attend, over)
                try:
                    list(pool.map(here.live, happening.values()))
                finally:
                    over.set()
                operator.result()
            calm_since = time.monotonic()
            # What is sent last comes last: behind it nothing is on its way any more.
            loader.load(fleet.messages([number]))
            until(lambda: sent(fleet, [number]) <= in_files(here.kit.folder / "csv").keys(), patience)
            here.settle(patience)
            settled = time.monotonic() - calm_since
        own, twice = _proven(here, sent(fleet, range(number + 1)), set(broken.values()))
    delay = delays.longest["publisher:csv"]
    return Went(here.happened, here.met, number + 1, own, twice, here.aside, delay, settled)


def _proven(here: World, wanted: set[Point], broken: set[str]) -> tuple[int, int]:
    """AssertionError unless all is where it belongs; the kit's own telegrams, and messages that came twice."""
    hung = {c["name"]: c["seq"] for c in here.kit.status()["journal"]["cursors"] if "hung" in c["name"]}
    assert set(hung.values()) == {0}, f"a far end that never answers has confirmed something: {hung}"
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
    assert not lost, f"{len(lost)} messages that are no telegrams were not set aside, such as {lost[:3]}"
    times = sorted(point.time for point in own)
    pauses = [later - time for time, later in pairwise(times) if later - time > PAUSE * SECOND]
    assert len(pauses) <= here.happened["mysense away"], f"the sensors stood still: {pauses}"
    return len(own), sum(messages.total() - 1 for messages in heard.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=900)
    parser.add_argument("--nodes", type=int, default=20)
    parser.add_argument("--rate", type=float, default=100, help="telegrams a second that the broker is given")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="repeats a plan, but for its timing")
    args = parser.parse_args()
    print(f"{args.seconds:.0f} s, {args.nodes} nodes, --seed {args.seed}", flush=True)

    def tell(text: str) -> None:
        print(text, flush=True)

    with tempfile.TemporaryDirectory() as name:
        went = world(Path(name), args.seed, args.seconds, nodes=args.nodes, rate=args.rate, tell=tell)
    print("happened: " + ", ".join(f"{name} {times}" for name, times in sorted(went.happened.items())))
    print("struck connections: " + ", ".join(f"{name} {times:,}" for name, times in sorted(went.met.items())))
    print(f"{went.relayed:,} telegrams relayed and {went.own:,} measured: each at each far end, with its own time,")
    print(f"once; {went.twice:,} messages came to the broker twice, with equal bytes; up to {went.aside:,} telegrams")
    print("were set aside for a while, and sent again; with two far ends that hung all the time, the files")
    print(f"were {went.delay:.1f} s behind at most; {went.settled:.0f} s after the last fault all was there")


if __name__ == "__main__":
    main()
