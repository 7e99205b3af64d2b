"""Power cuts: a journal's writes are cut off at every moment, and what is left must hold what was acknowledged.

At each moment the disk is left with everything that was written, with only what was synced, and
several times with some sectors of what was not. Each is opened as a journal and compared with what
whoever worked with it knew at that moment.
"""

import argparse
import random
import shutil
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
from tests.disk import memory
from tests.power import Work, cuts

LEAST = 10_000
"""Cuts that a run is worth."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--commits", type=int, default=150, help="of the journal, for each durability")
    parser.add_argument("--torn", type=int, default=2, help="disks with some sectors missing, for each moment")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="repeats a run")
    args = parser.parse_args()
    print(f"--commits {args.commits} --torn {args.torn} --seed {args.seed}", flush=True)
    total = 0
    for durability in ("full", "normal"):
        begun, tried = time.monotonic(), 0
        with memory() as folder:
            work = Work(durability)
            work.do(folder / "journal.db", args.commits, args.seed)
            for cut in cuts(work.events, args.torn, args.seed):
                (after := folder / "after").mkdir()
                try:
                    work.survives(cut, after)
                except BaseException:
                    print(f"durability = {durability}, cut before event {cut.moment}: {cut.how}", file=sys.stderr)
                    raise
                shutil.rmtree(after)
                tried += 1
        total += tried
        syncs = sum(event.kind == "sync" for event in work.events)
        writes = sum(event.kind in ("write", "truncate") for event in work.events)
        print(
            f"durability = {durability}: {args.commits} commits, {writes:,} writes and {syncs} syncs,"
            f" {tried:,} power cuts, nothing missing, nothing broken; {time.monotonic() - begun:.0f} s",
            flush=True,
        )
    if total < LEAST:
        print(f"{total:,} power cuts are few: {LEAST:,} make a run; give more --commits or --torn")


if __name__ == "__main__":
    main()
