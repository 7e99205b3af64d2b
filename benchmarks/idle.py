"""The daemon at rest: memory, time to the first telegram, CPU.

Starts ``mysense run`` with the simulated kit and the InfluxDB publisher against a real
influxd, and looks at the process from outside, through /proc.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
from tests.servers import Influxd

CONF = """\
[id]
project = Bench
serial = idle
[daemon]
interval = 60
[journal]
path = {folder}/journal.db
[sensor:simulated]
[publisher:influxdb]
port = {port}
"""


def first_telegram(journal: Path, begun: float) -> float:
    """Seconds until the first data telegram is in the journal."""
    import sqlite3

    never = threading.Event()
    while time.monotonic() - begun < 20:
        try:
            with sqlite3.connect(f"file:{journal}?mode=ro", uri=True) as db:
                if db.execute("SELECT count(*) FROM entry").fetchone()[0] > 1:  # the ident is one
                    return time.monotonic() - begun
        except sqlite3.Error:
            pass
        never.wait(0.02)
    raise SystemExit("no telegram within 20 s")


def memory(pid: int) -> dict[str, float]:
    """Resident, proportional and anonymous memory in MB."""
    said = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
    return {name: int(said[name].split()[0]) / 1024 for name in ("Rss", "Pss", "Anonymous")}


def cpu(pid: int) -> float:
    """CPU seconds used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="how long to watch the CPU")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, Influxd(Path(name, "influxd")) as server:
        folder = Path(name)
        conf = folder / "MySense.conf"
        conf.write_text(CONF.format(folder=folder, port=server.port))
        begun = time.monotonic()
        daemon = subprocess.Popen([sys.executable, "-m", "mysense", "run", "-c", str(conf)])
        try:
            print(f"first telegram journalled after {first_telegram(folder / 'journal.db', begun):.2f} s")
            threading.Event().wait(5)
            before, since = cpu(daemon.pid), time.monotonic()
            threading.Event().wait(args.seconds)
            share = (cpu(daemon.pid) - before) / (time.monotonic() - since)
            print("memory MB: " + ", ".join(f"{k} {v:.1f}" for k, v in memory(daemon.pid).items()))
            print(f"CPU: {100 * share:.2f} % of one core over {args.seconds:.0f} s")
        finally:
            daemon.send_signal(signal.SIGTERM)
            ended = time.monotonic()
            daemon.wait(20)
            print(f"stopped {time.monotonic() - ended:.2f} s after SIGTERM, exit code {daemon.returncode}")


if __name__ == "__main__":
    main()
