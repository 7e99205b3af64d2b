"""A journal of ten million entries: how long a start takes, how much memory, and what is asked of it then.

The file is made by SQL, with rows as the journal writes them, and is 1.5 GB.
"""

import argparse
import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
from mysense import wire
from mysense.journal.sqlite import SqliteJournal
from mysense.telegram import SECOND, Field, Ident

NODES = 100
T0 = 1_700_000_000
MEASURE = """
import json, sys, time
from pathlib import Path
from mysense.journal import Parked
from mysense.journal.sqlite import SqliteJournal
from mysense.telegram import SECOND, Data, Ident

def memory():
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) * 1024

said, path = {}, sys.argv[1]

def timed(name, work):
    begun = time.perf_counter()
    got = work()
    said[name] = time.perf_counter() - begun
    return got

before = memory()
journal = timed("start", lambda: SqliteJournal(path, keep=0, max_size=10**11))
cursor = timed("a new cursor", lambda: journal.cursor("publisher:new"))
status = timed("status", journal.status)
timed("lag", lambda: cursor.lag)
timed("1,000 entries from the oldest", lambda: cursor.fetch(1000))
timed("1,000 entries from the middle", lambda: journal.read(status.last // 2, 1000))
timed("one telegram appended", lambda: journal.append([Data(Ident("Large", "k1"), 1, {"temp": 1.0})]))
cursor.ack(status.last, {"rare": Parked(1, frozenset({"Large_rare"}), "no grant")})
timed("a parked lane of a node that has a single entry, the last", lambda: cursor.fetch_parked("rare", 1000))
cursor.rewind(status.last // 100)
dropped = timed("1 % dropped", journal.trim)
said["memory"] = memory() - before
timed("closed", journal.close)
said["entries"] = status.last
print(json.dumps(said))
"""


def make(path: Path, count: int) -> None:
    """A journal with *count* entries."""
    SqliteJournal(path).close()
    idents = [Ident("Large", f"k{n}", fields=(Field("pm25", "ug/m3"),), since=T0 * SECOND) for n in range(NODES)]
    idents.append(Ident("Large", "rare", since=T0 * SECOND))
    body = "".join(f',"{name}":12.25' for name in ("pm25", "pm10", "temp", "rh", "hpa", "no2", "o3", "rssi", "battery"))
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("PRAGMA synchronous = OFF")
        for number, ident in enumerate(idents, 1):
            row = number, ident.node, ident.digest, ident.since, wire.encode_ident(ident)
            db.execute("INSERT INTO ident VALUES (?, ?, ?, ?, ?)", row)
            db.execute("INSERT INTO node VALUES (?, ?, ?)", (ident.node, number, (T0 + count) * SECOND))
        db.execute(
            "WITH RECURSIVE n(seq) AS (SELECT 1 UNION ALL SELECT seq + 1 FROM n WHERE seq < ?)"
            " INSERT INTO entry (seq, kind, ident, time, body) SELECT seq, 1, iif(seq = ?, ?, 1 + seq % ?),"
            " (? + seq) * 1000000000, '{\"pm1\":' || (seq % 1000 / 4.0) || ? FROM n",
            (count, count, NODES + 1, NODES, T0, body + "}"),
        )
        db.execute("INSERT INTO written SELECT seq, time FROM entry WHERE seq % 10000 = 1")
        db.execute("INSERT OR REPLACE INTO meta VALUES ('checkpoint', ?)", (str(max(0, count - 10_000)),))
        for number in range(10):
            db.execute(
                "INSERT INTO cursor (name, seq, seen) VALUES (?, ?, ?)",
                (f"publisher:p{number}", count - number, time.time_ns()),
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000_000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:  # not in /tmp: that may be memory
        path = Path(name) / "journal.db"
        make(path, args.count)
        size = path.stat().st_size
        subprocess.run(["sync"], check=True)
        done = subprocess.run([sys.executable, "-c", MEASURE, str(path)], capture_output=True, text=True, check=True)
        said = json.loads(done.stdout)
        begun = time.perf_counter()
        with closing(SqliteJournal.open_existing(path)) as journal:
            wrong = journal.check()
        said["a check of all of it"] = time.perf_counter() - begun
    entries, memory = said.pop("entries"), said.pop("memory")
    print(f"{entries:,} entries, {size / 1e6:,.0f} MB; memory taken by all of this: {memory / 1e6:.0f} MB")
    for what, seconds in said.items():
        print(f"{seconds:10.3f} s  {what}")
    print("; ".join(wrong) or "nothing is wrong with it")


if __name__ == "__main__":
    main()
