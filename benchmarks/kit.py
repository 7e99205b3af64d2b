"""A kit as people build it: BME280, SDS011, PMS5003, SCD41 and GPS, at their usual intervals, with real drivers.

Their simulated devices play in another process, the GPS receiver behind a real gpsd; the daemon
is looked at from outside: CPU, memory, and how long after its window a telegram comes out.
"""

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
from benchmarks.idle import cpu, memory

SENSORS = ("bme280", "sds011", "pms", "scd4x", "gpsd")
CONF = """\
[id]
project = Bench
serial = kit
[daemon]
interval = {interval}
clock = trusted
[journal]
path = {folder}/journal.db
[publisher:console]
format = json
{sections}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=240, help="how long to watch it, after the first minute")
    parser.add_argument("--interval", type=int, default=60, help="seconds between two telegrams")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = [sys.executable, "-m", "mysense.testing.kit", name, *SENSORS]
        devices = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            sections = read(devices, len(SENSORS))
            conf = folder / "MySense.conf"
            conf.write_text(CONF.format(folder=folder, sections=sections, interval=args.interval))
            measure(conf, args.seconds)
        finally:
            devices.communicate("", timeout=20)


def read(devices: "subprocess.Popen[str]", count: int) -> str:
    """The sections that the devices print: two to three lines for each."""
    lines: list[str] = []
    assert devices.stdout
    for line in devices.stdout:
        if line == "\n":
            break
        lines.append(line)
    assert sum(line.startswith("[") for line in lines) == count
    return "".join(lines)


def measure(conf: Path, seconds: float) -> None:
    late: list[float] = []
    values: set[str] = set()
    command = [sys.executable, "-m", "mysense", "run", "-c", str(conf)]
    daemon = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def listen() -> None:
        assert daemon.stdout
        for line in daemon.stdout:
            now, said = time.time(), json.loads(line)
            if data := said.get("data"):
                late.append(now - data["time"])
                values.update(data.keys() - {"time"})

    listener = threading.Thread(target=listen)
    listener.start()
    try:
        threading.Event().wait(60)  # imports, warming up
        before, since = cpu(daemon.pid), time.monotonic()
        peak = 0.0
        while time.monotonic() - since < seconds:
            threading.Event().wait(5)
            peak = max(peak, memory(daemon.pid)["Rss"])
        share = (cpu(daemon.pid) - before) / (time.monotonic() - since)
        print(
            "memory MB: "
            + ", ".join(f"{k} {v:.1f}" for k, v in memory(daemon.pid).items())
            + f"; Rss at most {peak:.1f}"
        )
        print(f"CPU: {100 * share:.2f} % of one core over {seconds:.0f} s")
    finally:
        daemon.send_signal(signal.SIGTERM)
        daemon.wait(20)
        listener.join()
    ends = late[1:]  # the first comes when every sensor has a reading, before the end of its window
    print(f"{len(ends)} windows, {len(values)} fields in all")
    print(f"the latest telegram {1000 * max(ends):.0f} ms after its window")


if __name__ == "__main__":
    main()
