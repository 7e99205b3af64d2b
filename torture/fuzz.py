"""Damaged input at every door for minutes: whatever comes in, nothing breaks and nothing hangs.

The doors are those of ``tests/fuzz``; ``make test`` tries each for a moment. What broke one is
printed as small as it can be made, and is tried again first by the next run here.
"""

import argparse
import faulthandler
import random
import sys
import tempfile
import time
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

sys.path.insert(0, str(Path(__file__).parent.parent))
from tests.fuzz import TARGETS
from tests.fuzz.damage import within

STUCK = 120.0
"""Seconds without a new example after which whatever waits there is shown, and the run ends."""
ROUND = settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.reuse, Phase.generate, Phase.shrink),
    print_blob=True,
)


def fuzz(name: str, seconds: float, number: int) -> int:
    """Damage what one door takes for so long; how many examples there were. Raises what was found."""
    end, tried = time.monotonic() + seconds, 0
    with tempfile.TemporaryDirectory() as folder, TARGETS[name](Path(folder)) as (examples, check):
        while time.monotonic() < end:
            number += 1

            @seed(number)
            @ROUND
            @given(examples)
            def one(example: object) -> None:
                nonlocal tried
                if time.monotonic() >= end:
                    return
                faulthandler.dump_traceback_later(STUCK, exit=True)
                with within():
                    check(example)
                tried += 1

            one()
    faulthandler.cancel_dump_traceback_later()
    return tried


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("doors", nargs="*", default=list(TARGETS), help=f"of {', '.join(TARGETS)}; all by default")
    parser.add_argument("--seconds", type=float, default=300, help="for each door")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    args = parser.parse_args()
    print(f"--seed {args.seed}", flush=True)
    for name in args.doors:
        tried = fuzz(name, args.seconds, args.seed)
        print(f"{name}: {tried:,} examples in {args.seconds:g} s, none broke it", flush=True)


if __name__ == "__main__":
    main()
