"""Damage: bits, bytes, pages or the end of a journal's file are spoilt at random; it goes on with what can be read."""

import argparse
import logging
import random
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
from tests.disk import memory
from tests.spoil import goes_on, sound, spoilt


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=2000, help="that are spoilt")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="of the first; repeats a run")
    args = parser.parse_args()
    print(f"--files {args.files} --seed {args.seed}", flush=True)
    logging.disable(logging.ERROR)  # each damaged journal says so
    went: Counter[str] = Counter()
    kept: list[int] = []
    begun = time.monotonic()
    with memory() as folder:
        body = sound(folder / "journal.db")
        for number in range(args.seed, args.seed + args.files):
            try:
                how, entries = goes_on(folder / "journal.db", spoilt(body, random.Random(number)))
            except BaseException:
                print(f"it does not go on: --files 1 --seed {number}", file=sys.stderr)
                raise
            went[how] += 1
            kept.append(len(entries))
    for how, times in went.most_common():
        print(f"{times:6,}  {how}")
    whole = sum(count >= max(kept) - 100 for count in kept) / len(kept)
    share = sum(kept) / len(kept) / max(kept)
    print(
        f"{whole:.0%} kept all but at most 100 of {max(kept):,} entries, all together {share:.0%};"
        f" {time.monotonic() - begun:.0f} s"
    )


if __name__ == "__main__":
    main()
