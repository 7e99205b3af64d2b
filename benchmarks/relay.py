"""Telegrams from a broker into influxd: mysense, Node-RED and a plain script carry the same messages.

A real mosquitto holds a backlog at QoS 1, in the classic layout, ten fields, of a hundred
nodes. Each relay in turn, in an order that is shuffled every round, carries it into an influxd
that was just started, into one database or into one for each node. Then the disturbances:

* burst: messages as fast as the broker takes them, while it keeps 1,000 for a slow client, as it does by itself;
* outage: 200 messages a second, and the server is away for two fifths of the time;
* killed: the same, and half way the relay is killed (-9) and started again two seconds later.

A database hides what was written twice, since the second point replaces the first; so mysense
writes files as well in the last two, and doubles are looked for there and in its journal.
Nothing shows those of the others. Times and memory are those of the processes, from outside.
"""

import argparse
import random
import resource
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
from benchmarks._relay import nodered, runs, tables
from benchmarks._relay.loader import messages
from benchmarks._relay.relays import RELAYS
from tests.servers import Influxd

SHAPES = {"one": "one database", "nodes": "a database for each node"}
LOSSES = ("burst", "outage", "killed")


def chosen(names: list[str], install: bool) -> list[str]:
    """The relays that can be measured; Node-RED is installed if that is wanted."""
    if "node-red" not in names or not (reason := nodered.missing()):
        return names
    if not install and nodered.installable() and sys.stdin.isatty():
        install = input(f"{reason}. Do it now, by npm? [Y/n] ").strip().lower() not in ("n", "no")
    if install and not (reason := nodered.install()):
        return names
    print(f"Node-RED is left out: {reason}", file=sys.stderr)
    return [name for name in names if name != "node-red"]


def measure(args: argparse.Namespace, names: list[str], folder: Path) -> None:
    """All rounds, and their tables."""
    packets = messages(args.count)
    found: dict[str, dict[str, list[runs.Carried]]] = {
        shape: {RELAYS[name].name: [] for name in names} for shape in args.shapes
    }
    for number in range(args.rounds):
        turns = [(shape, name) for shape in args.shapes for name in names]
        random.shuffle(turns)
        for shape, name in turns:
            with tempfile.TemporaryDirectory(dir=folder) as place:
                got = runs.carry(RELAYS[name], packets, Path(place), per_node=shape == "nodes")
            found[shape][RELAYS[name].name].append(got)
            print(f"round {number + 1}, {SHAPES[shape]}, {name}: {got.rate:,.0f} telegrams/s", file=sys.stderr)
    for shape, figures in found.items():
        print(f"\n{tables.rates(SHAPES[shape], figures, args.count)}\n\n{tables.ratios(SHAPES[shape], figures)}")


def disturb(args: argparse.Namespace, names: list[str], folder: Path) -> None:
    """The cases of loss, and their table."""
    packets, kept = messages(args.loss_count), {}
    seconds = args.loss_count / args.rate
    titles = {
        "burst": "burst, the broker keeps 1,000",
        "outage": f"influxd away for {0.4 * seconds:.0f} s of {seconds:.0f}",
        "killed": "relay killed (-9)",
    }
    for name in names:
        mine = kept[RELAYS[name].name] = {}
        for case in args.losses:
            with tempfile.TemporaryDirectory(dir=folder) as place:
                where = RELAYS[name], packets, Path(place)
                got = runs.burst(*where) if case == "burst" else getattr(runs, case)(*where, args.rate)
            mine[titles[case]] = got
            print(f"{case}, {name}: {got.stored:,} of {got.sent:,}", file=sys.stderr)
    print(f"\nOf {args.loss_count:,} telegrams:\n\n{tables.losses(kept)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=200_000, help="telegrams of the backlog")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--relays", nargs="+", choices=RELAYS, default=list(RELAYS))
    parser.add_argument("--shapes", nargs="*", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--losses", nargs="*", choices=LOSSES, default=list(LOSSES))
    parser.add_argument("--loss-count", type=int, default=10_000, help="telegrams of each case of loss")
    parser.add_argument("--rate", type=float, default=200, help="of them a second, but in the burst")
    parser.add_argument("--install", action="store_true", help="install Node-RED by npm, without asking")
    args = parser.parse_args()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]  # a hundred databases are a thousand open files
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    names = chosen(args.relays, args.install)
    build = Path(__file__).parent.parent / "build"
    build.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=build) as name:  # not in /tmp: that may be memory
        folder = Path(name)
        with Influxd(folder / "asked") as server:
            print(f"{args.count:,} telegrams, {args.rounds} rounds; {tables.place(server.version)}")
        if args.shapes and args.rounds:
            measure(args, names, folder)
        if args.losses:
            disturb(args, names, folder)


if __name__ == "__main__":
    main()
