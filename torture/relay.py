"""A relay in a storm: of all that a broker took, everything is in the right database, once, with its own time.

Telegrams of many nodes go from a broker through mysense into an influxd (a database for each node)
and into CSV files. Meanwhile the relay and influxd are killed (-9), the broker is stopped and
started, at random moments, one at a time or several together. A database hides what arrives twice,
so doubles are counted in the journal and in the files.
"""

import argparse
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent.parent))
from tests.fleet import Fleet, journalled, once, stored
from tests.kit import until
from tests.mqtt import Loader
from tests.relay import Relay
from tests.servers import Influxd, Mosquitto


class Storm(NamedTuple):
    """What was done, and how it went."""

    done: Counter[str]
    """How often each was taken away."""
    again: int
    """Messages that were sent more than once to the broker."""
    loaded: float
    """Seconds until the broker had taken all."""
    arrived: float
    """And until all had arrived."""


class Victim(NamedTuple):
    """Something that can be taken away, and put back."""

    away: Callable[[], object]
    back: Callable[[], object]


def storm(
    folder: Path, nodes: int, number: int, *, seed: int, rate: float, calm: float, away: float, patience: float
) -> Storm:
    """Carry *number* telegrams, sent at *rate* a second; AssertionError if one of them is lost or doubled.

    *calm* and *away* are the most seconds between two outages and of one. *patience* is how many
    seconds all may take to arrive, once they are sent.
    """
    dice, never, fleet = random.Random(seed), threading.Event(), Fleet(nodes)
    done: Counter[str] = Counter()
    with Mosquitto(folder / "mosquitto") as broker, Influxd(folder / "influxd") as server:
        relay = Relay(folder / "relay", broker, server)
        victims = {
            "relay": Victim(relay.kill, relay.start),
            "influxd": Victim(server.kill, server.start),
            "broker": Victim(broker.stop, broker.start),
        }
        loader = Loader(broker, rate=rate)
        relay.start()
        try:
            relay.listens()
            begun = time.monotonic()
            with loader.loading(fleet.messages(range(number))) as loading:
                while loading.is_alive() or done.keys() != victims.keys():
                    never.wait(dice.uniform(0.0, calm))
                    chosen = dice.sample(sorted(victims), dice.choice((1, 1, 1, 2, 3)))
                    done.update(chosen)
                    for name in chosen:
                        victims[name].away()
                    never.wait(dice.uniform(0.0, away))
                    for name in chosen:
                        victims[name].back()
            loaded = time.monotonic() - begun
            # What is sent last comes last: behind it nothing is on its way any more.
            loader.load(fleet.messages([number]))
            last, wanted = fleet.telegram(number).ident.node, fleet.marks(range(number + 1))
            until(lambda: stored(server, [last]) >= Counter(fleet.marks([number])), patience)
            until(lambda: not any(relay.cursor(f"publisher:{name}")["lag"] for name in ("influxdb", "csv")), patience)
            arrived = time.monotonic() - begun
            relay.stop()
        finally:
            relay.kill()
        once(stored(server, fleet.names), wanted, "in influxd")
        once(journalled(relay), wanted, "in the journal")
        once(relay.files(), wanted, "in the CSV files")
    return Storm(done, loader.again, loaded, arrived)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--telegrams", type=int, default=200_000)
    parser.add_argument("--nodes", type=int, default=500)
    parser.add_argument("--rate", type=float, default=1_500, help="telegrams a second that the broker is given")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="repeats a run, but for its timing")
    args = parser.parse_args()
    print(f"{args.telegrams:,} telegrams of {args.nodes} nodes, --seed {args.seed}", flush=True)
    with tempfile.TemporaryDirectory() as name:
        went = storm(
            Path(name), args.nodes, args.telegrams, seed=args.seed, rate=args.rate, calm=6, away=4, patience=600
        )
    outages = ", ".join(f"{name} {times} times" for name, times in sorted(went.done.items()))
    print(f"taken away: {outages}; {went.again:,} messages were sent to the broker again")
    print(f"taken by the broker after {went.loaded:.0f} s, all arrived after {went.arrived:.0f} s, each once")


if __name__ == "__main__":
    main()
