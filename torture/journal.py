"""The journal against its model: whatever is asked at random, and whatever happens, it is a list that survives.

Back ends: in memory; in a file that is closed, left by a process that was killed, cut off, on a
disk that is full or breaks; in a file that another process writes, too, and is killed (-9).
"""

import argparse
import logging
import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.journal_machine import JournalMachine, SharedMachine, SqliteMachine

MACHINES = {"memory": JournalMachine, "file": SqliteMachine, "shared": SharedMachine}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=300, help="of each back end")
    parser.add_argument("--steps", type=int, default=60, help="of each run, at most")
    parser.add_argument("--only", choices=MACHINES, help="one back end")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="repeats it")
    parser.add_argument("--shortest", action="store_true", help="find the shortest way to a difference; takes long")
    args = parser.parse_args()
    print(f"--runs {args.runs} --steps {args.steps} --seed {args.seed}", flush=True)
    logging.disable(logging.ERROR)  # a journal that is damaged on purpose says so each time
    phases = (Phase.generate, Phase.shrink) if args.shortest else (Phase.generate,)
    quiet = settings(
        max_examples=args.runs, stateful_step_count=args.steps, deadline=None, database=None,
        phases=phases, suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    for name, machine in MACHINES.items():
        if args.only in (None, name):
            begun, machine.steps = time.monotonic(), 0
            run_state_machine_as_test(seed(args.seed)(machine), settings=quiet)
            print(f"{name}: {args.runs} runs, {machine.steps:,} steps, no difference; {time.monotonic() - begun:.0f} s")
    SharedMachine.done()


if __name__ == "__main__":
    main()
