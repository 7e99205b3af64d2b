"""The sampler and the threads of a kit: microseconds per reading, and how often a kit of five sensors wakes up.

The kit runs in this process with sensors that cost nothing themselves, a publisher that keeps
nothing, and the journal on disk; wake-ups are the voluntary context switches of each thread.
"""

import argparse
import os
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
from mysense import config
from mysense.clock import Clock
from mysense.daemon import Daemon
from mysense.journal.memory import MemoryJournal
from mysense.node import Node
from mysense.perfield import PerField
from mysense.sensors.simulated import Sensor
from mysense.settings import SensorOptions
from mysense.telegram import Ident

CONF = """\
[id]
project = Bench
serial = five
[daemon]
interval = 60
[journal]
path = {folder}/journal.db
{sensors}
[publisher:console]
file = /dev/null
"""
READING = {"temp": 20.1, "rh": 50.3, "hpa": 1013.2, "pm25": 3.5, "pm10": 7.1}
WAYS = {
    "mean": SensorOptions(),
    "median, without outliers, counted": SensorOptions(
        statistic=PerField("median"), outliers=PerField("tukey"), counts=True
    ),
    "mean, watched for standing still": SensorOptions(static=PerField(100)),
    "mean, and each reading kept": SensorOptions(raw=True),
}


def reading(options: SensorOptions, count: int) -> float:
    """Microseconds from a sensor's reading into the open window."""
    sensor = Sensor()
    node = Node(
        Ident("Bench", "k1"), {"sensor:simulated": sensor}, 60, MemoryJournal(), Clock(),
        options={"sensor:simulated": options},
    )  # fmt: skip
    begun = time.perf_counter()
    for _ in range(count):
        node.give("sensor:simulated", READING)
    return (time.perf_counter() - begun) / count * 1e6


def switches() -> dict[str, int]:
    """How often each thread of this process has waited, by its name."""
    found = {}
    for thread in threading.enumerate():
        text = Path(f"/proc/self/task/{thread.native_id}/status").read_text()
        said = dict(line.split(":", 1) for line in text.splitlines())
        found[thread.name] = int(said["voluntary_ctxt_switches"])
    return found


def watched(daemon: Daemon, seconds: float) -> None:
    """Print what the daemon cost in so many seconds; then stop it."""
    never = threading.Event()
    never.wait(65)  # until the first telegrams are through, and no other process is expected
    before, cpu = switches(), time.process_time()
    never.wait(seconds)
    after, used = switches(), time.process_time() - cpu
    for name in sorted(after, key=lambda name: before.get(name, 0) - after[name]):
        if name != threading.current_thread().name:
            print(f"{(after[name] - before.get(name, 0)) / seconds:6.2f} wake-ups a second: {name}")
    print(f"CPU: {100 * used / seconds:.3f} % of one core over {seconds:.0f} s")
    daemon.stop.set()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="how long to watch the kit")
    parser.add_argument("--readings", type=int, default=50_000)
    args = parser.parse_args()
    for name, options in WAYS.items():
        print(f"{min(reading(options, args.readings) for _ in range(3)):6.1f} us a reading of five fields: {name}")
    with tempfile.TemporaryDirectory() as folder:
        sensors = "\n".join(f"[sensor:simulated:s{n}]\ninterval = {n}" for n in (1, 5, 10, 10.5, 30))
        settings = config.parse(CONF.format(folder=folder, sensors=sensors), Path(folder, "MySense.conf"), os.environ)
        daemon = Daemon(settings)
        threading.Thread(target=watched, args=(daemon, args.seconds), name="bench", daemon=True).start()
        daemon.run()


if __name__ == "__main__":
    main()
