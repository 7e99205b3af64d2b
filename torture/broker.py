"""A broker that is killed (-9), again and again: what mysense had taken in arrives, and what comes after, too.

mosquitto forgets then what it took since it last wrote its file, sessions included. That is told,
mysense subscribes anew, and goes on. What the broker had taken and not passed on is gone, and
nobody can bring it back; everything that is in the journal must be in influxd and in the CSV
files, once, and so must all that was published when the relay had subscribed again.
"""

import argparse
import random
import sys
import tempfile
import threading
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent.parent))
from tests.fleet import Fleet, count, journalled, once, stored
from tests.kit import until
from tests.mqtt import Loader
from tests.relay import Relay
from tests.servers import Influxd, Mosquitto

TOLD = "has forgotten the session"
LONG = 90
"""Seconds; a relay of which connection after connection is lost at once stays away for up to 72."""


class Forgotten(NamedTuple):
    """How it went: telegrams sent, and those that arrived."""

    sent: int
    arrived: int


def forget(folder: Path, nodes: int, rounds: int, each: int, *, seed: int, rate: float) -> Forgotten:
    """In each round *each* telegrams are sent, *rate* a second, and the broker is killed when some have arrived.

    As many are sent in peace at the end. AssertionError if what must arrive does not, or arrives twice.
    """
    dice, never, fleet = random.Random(seed), threading.Event(), Fleet(nodes)
    with Mosquitto(folder / "mosquitto") as broker, Influxd(folder / "influxd") as server:
        loader = Loader(broker, rate=rate)
        with Relay(folder / "relay", broker, server) as relay:
            relay.listens()
            for n in range(rounds):
                before = relay.taking()["count"]
                with loader.loading(fleet.messages(range(n * each, n * each + each))):
                    until(lambda before=before: relay.taking()["count"] > before)
                    never.wait(dice.uniform(0.0, each / rate))
                    broker.kill()
                    broker.start()
                    until(lambda n=n: relay.said(TOLD) == n + 1, LONG)
                    relay.listens()
            peace = range(rounds * each, rounds * each + each)
            loader.load(fleet.messages(peace))
            must = fleet.marks(peace)
            until(lambda: must <= journalled(relay).keys(), 60)
            kept = set(journalled(relay))
            until(lambda: count(server, fleet.names) == len(relay.files()) == len(kept), 60)
            assert relay.said(TOLD) == rounds
            relay.stop()
        once(stored(server, fleet.names), kept, "in influxd")
        once(journalled(relay), kept, "in the journal")
        once(relay.files(), kept, "in the CSV files")
    return Forgotten((rounds + 1) * each, len(kept))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--telegrams", type=int, default=3_000, help="in each round")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="repeats a run, but for its timing")
    args = parser.parse_args()
    print(f"{args.rounds} times {args.telegrams:,} telegrams, --seed {args.seed}", flush=True)
    with tempfile.TemporaryDirectory() as name:
        went = forget(Path(name), 50, args.rounds, args.telegrams, seed=args.seed, rate=1_500)
    print(
        f"the broker was killed {args.rounds} times, and lost {went.sent - went.arrived:,} of {went.sent:,} telegrams"
    )
    print(f"that it had taken; the {went.arrived:,} that had come to mysense are where they belong, each once")


if __name__ == "__main__":
    main()
