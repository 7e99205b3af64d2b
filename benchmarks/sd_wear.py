"""What a kit writes to its card in a day, for each durability and commit_interval.

Telegrams of ten values, once a minute, which are delivered at once. The clock jumps from minute
to minute, and commit_interval is a thousandth of what it says. The bytes are those of
/proc/self/io, which 'mysense status' shows too: whole pages of 4 kB that this process had written.
What a card makes of that is its own affair: it erases in blocks that are larger.
"""

import argparse
import sys
import tempfile
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
from benchmarks.journal import NAMES
from mysense.journal.sqlite import SqliteJournal
from mysense.telegram import SECOND, Data, Field, Ident
from mysense.testing.clock import ManualClock

MINUTES = 1440
FASTER = 1000


def bytes_a_day(folder: Path, durability: str, interval: float, nodes: int, minutes: int) -> float:
    """Bytes written in a day in which each of some nodes sends once a minute, all within a moment."""
    clock = ManualClock(1_700_000_000)
    journal = SqliteJournal(
        folder / "journal.db", durability=durability, commit_interval=interval / FASTER, clock=clock
    )
    cursor = journal.cursor("publisher:a")
    idents = [Ident("Wear", f"k{n}", fields=tuple(Field(name) for name in NAMES)) for n in range(nodes)]
    before = journal.status().written
    for minute in range(minutes):
        clock.advance(60)
        values = {name: round(20 + minute / 100 + k, 2) for k, name in enumerate(NAMES)}
        telegrams = [Data(ident, clock.now() // SECOND * SECOND, values) for ident in idents]
        threads = [threading.Thread(target=journal.append, args=([telegram],)) for telegram in telegrams]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        cursor.ack(cursor.fetch(1000)[-1].seq)
        journal.flush()  # nothing else comes within the second that an acknowledgement waits for company
        if minute % 10 == 9:
            journal.trim()
    written = journal.status().written - before
    journal.close()
    return written * MINUTES / minutes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=int, default=480, help="that are tried; a day is reckoned from them")
    args = parser.parse_args()
    for nodes in (1, 20):
        print(f"{nodes} telegram{'s' if nodes > 1 else ''} a minute")
        for durability in ("full", "normal"):
            for interval in (0.0, 1.0, 5.0):
                with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:  # not in /tmp: that may be memory
                    each = bytes_a_day(Path(name), durability, interval, nodes, args.minutes)
                print(f"{each / 1e6:10.1f} MB a day  durability = {durability}, commit_interval = {interval:.0f}")


if __name__ == "__main__":
    main()
