"""The journal: appending in commits of 1,000 with FULL, reading by a cursor, bytes on the disk.

The bytes are those of /proc/self/io: what this process had written to disk.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parent.parent))
from mysense.journal.sqlite import SqliteJournal
from mysense.telegram import SECOND, Data, Field, Ident

NAMES = ("pm1", "pm25", "pm10", "temp", "rh", "hpa", "no2", "o3", "rssi", "battery")
COMMIT = 1000


def telegrams(count: int, nodes: int) -> list[Data]:
    """Telegrams of ten fields from many nodes."""
    idents = [Ident("Bench", f"k{n}", fields=tuple(Field(name) for name in NAMES)) for n in range(nodes)]
    return [
        Data(
            idents[n % nodes],
            (1_700_000_000 + n) * SECOND,
            {name: round(n / 100 + k, 2) for k, name in enumerate(NAMES)},
        )
        for n in range(count)
    ]


def written() -> int:
    """Bytes that this process has had written to disk."""
    return int(Path("/proc/self/io").read_text().split("write_bytes: ")[1].split()[0])


def measure(data: list[Data], folder: Path) -> tuple[float, float, float]:
    """Appended a second; read and looked at a second; bytes a telegram for append, ack and trim."""
    journal = SqliteJournal(folder / "journal.db", keep=0)
    cursor, bytes_before, begun = journal.cursor("publisher:bench"), written(), time.perf_counter()
    for k in range(0, len(data), COMMIT):
        journal.append(data[k : k + COMMIT])
    appended = time.perf_counter() - begun
    seen, reading = 0, 0.0
    while True:
        begun = time.perf_counter()
        entries = cursor.fetch(COMMIT)
        seen += sum(len(entry.telegram.values) > 0 for entry in entries if isinstance(entry.telegram, Data))
        reading += time.perf_counter() - begun
        if not entries:
            break
        cursor.ack(entries[-1].seq)
        journal.flush()
        journal.trim()
    assert seen == len(data)
    journal.close()
    return len(data) / appended, len(data) / reading, (written() - bytes_before) / len(data)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--nodes", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    data = telegrams(args.count, args.nodes)
    rounds = []
    for _ in range(args.rounds):
        with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:  # not in /tmp: that may be memory
            rounds.append(measure(data, Path(name)))
    for what, column in zip(
        ("appended a second", "read a second", "bytes a telegram"), zip(*rounds, strict=True), strict=True
    ):
        print(f"{what:>18}: {median(column):,.0f} (rounds {min(column):,.0f} to {max(column):,.0f})")


if __name__ == "__main__":
    main()
