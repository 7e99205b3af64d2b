"""What a reading of each sensor of the system costs: µs of this machine's processor, without what the hardware takes.

gpsd and its receiver are another process; what it takes is not counted.
"""

import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from mysense.sensors import dht, ds18b20, gpsd, iio, pi, wifi
from mysense.testing import Receiver, Sysfs
from tests.gpsd import Gpsd


def cost(sensor, count):
    """µs of processor time of a reading, the mean of *count*."""
    with sensor:
        begun = time.process_time()
        for _ in range(count):
            sensor.read()
        return (time.process_time() - begun) / count * 1e6


def main():
    with tempfile.TemporaryDirectory() as folder, Receiver(every=1.0) as receiver:
        tree = Sysfs(Path(folder) / "kernel")
        for make in (tree.bme280, tree.probe, tree.dht, tree.wifi, tree.pi):
            make()
        dht.REST = 0.0
        for module in (iio, ds18b20, dht, wifi, pi):
            options = {"name": "bme280"} if module is iio else {}
            show(module, cost(module.Sensor(root=tree.root, **options), 2000))
        with Gpsd(Path(folder) / "gpsd", receiver.port) as server:
            show(gpsd, cost(gpsd.Sensor(port=server.port), 500))


def show(module, took):
    print(f"{module.__name__.rpartition('.')[2]:10} {took:6.0f} µs")


if __name__ == "__main__":
    main()
