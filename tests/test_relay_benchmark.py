"""The relay benchmark runs, on a small backlog: no figure of speed is looked at."""

import subprocess
import sys
from pathlib import Path

PROGRAM = Path(__file__).parent.parent / "benchmarks" / "relay.py"


def tables(*words):
    """The rows of the tables that it prints."""
    command = [sys.executable, PROGRAM, "--count", "300", "--rounds", "1", "--loss-count", "300", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done.stderr
    return [[cell.strip() for cell in line[1:-1].split("|")] for line in done.stdout.splitlines() if line[:1] == "|"]


def test_the_relay_benchmark_shows_what_each_relay_carried():
    head, _, *rows = tables("--relays", "mysense", "script", "--shapes", "one", "--losses")

    assert [row[0] for row in rows] == ["mysense", "script"]
    assert all(len(row) == len(head) and int(row[1].replace(",", "")) > 0 for row in rows)
    assert [row[-1] for row in rows] == ["0", "0"], "nothing was lost"


def test_the_relay_benchmark_shows_what_was_lost_and_doubled():
    assert tables("--relays", "mysense", "--shapes", "--losses", "burst")[-1] == ["mysense", "0, 0 doubled"]
