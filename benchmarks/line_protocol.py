"""The line encoder against the one of the package influxdb, on the same telegrams in turn.

10,000 distinct telegrams of 10 fields from 100 idents; among them text, absent values and
data that comes late.
"""

import argparse
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from random import Random
from statistics import median

sys.path.insert(0, str(Path(__file__).parent.parent))
from mysense.channels.influxdb.line import Encoder
from mysense.telegram import SECOND, Data, Field, Ident, Location, Value

NAMES = ("pm1", "pm25", "pm10", "temp", "rh", "hpa", "no2", "o3", "state", "battery")


def telegrams(count: int, nodes: int, seed: int = 1) -> list[Data]:
    """Telegrams as a relay sees them."""
    chance = Random(seed)
    idents = [
        Ident("Bench", f"k{n}", f"kit {n}", Location(51.4 + n / 1000, 6.1, 20.0), tuple(Field(name) for name in NAMES))
        for n in range(nodes)
    ]
    made = []
    for n in range(count):
        values: dict[str, Value] = {name: round(chance.uniform(-20, 1000), 2) for name in NAMES}
        values["state"] = chance.choice(("SHOWTIME", "TRAINING", 'a "quoted" word, and a comma'))
        if n % 10 == 0:
            del values[chance.choice(NAMES[:8])]
        late = chance.randrange(3600) if n % 20 == 0 else 0
        made.append(Data(idents[n % nodes], (1_700_000_000 + n - late) * SECOND, values))
    return made


def package(data: list[Data]) -> Callable[[], object]:
    """make_lines of the package influxdb, on points made beforehand."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from influxdb.line_protocol import make_lines  # type: ignore[import-untyped]
    points = [
        {
            "measurement": "data",
            "tags": {"geolocation": str(d.ident.geolocation), "label": d.ident.label, "new": 0},
            "time": d.time // SECOND,
            "fields": dict(d.values),
        }
        for d in data
    ]
    return lambda: make_lines({"points": points}, "s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--nodes", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=9)
    args = parser.parse_args()
    data = telegrams(args.count, args.nodes)
    runs: dict[str, Callable[[], object]] = {"influxdb": package(data), "mysense": lambda: Encoder().lines(data)}
    took: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(args.rounds):
        for name, run in runs.items():
            begun = time.perf_counter()
            run()
            took[name].append((time.perf_counter() - begun) / args.count * 1e6)
    for name, times in took.items():
        print(f"{name:>9}: {median(times):6.2f} us a telegram (rounds {min(times):.2f} to {max(times):.2f})")
    ratios = [a / b for a, b in zip(took["influxdb"], took["mysense"], strict=True)]
    print(f"    ratio: {median(ratios):.2f} times as fast (rounds {min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
