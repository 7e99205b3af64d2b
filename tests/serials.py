"""The sensors on serial lines with their simulated devices, for tests of what holds for all of them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mysense.hardware.serial import SerialSensor
from mysense.sensors import mhz19, pms, sds011, shinyei, spec_dgs, sps30
from mysense.testing import FastClock
from mysense.testing.devices import mhz19 as mhz19_device
from mysense.testing.devices import pms as pms_device
from mysense.testing.devices import sds011 as sds011_device
from mysense.testing.devices import shinyei as shinyei_device
from mysense.testing.devices import spec_dgs as spec_dgs_device
from mysense.testing.devices import sps30 as sps30_device
from mysense.testing.serial import Device, Line
from tests.felt import felt

AT_ONCE = 1.3
"""Seconds (``felt``) after which a read must be over."""


@dataclass(frozen=True)
class Kind:
    """A sensor, its device and what it reads from that."""

    module: Any
    device: Callable[[FastClock], Device]
    reading: dict[str, float]
    options: dict[str, Any]
    speed: float = 60.0
    """How fast the clock runs for both."""

    def sensor(self, line: Line, **more: Any) -> SerialSensor:
        """The sensor on *line*, with the clock of the device."""
        sensor = self.module.Sensor(**{"port": line.port, **self.options, **more})
        sensor.clock = line.device.clock
        return sensor

    def line(self, **more: Any) -> Line:
        return Line(self.device(FastClock(self.speed)), **more)


_PMS = {"pm1": 4, "pm25": 7, "pm10": 8, "pm03_cnt": 9000, "pm05_cnt": 2500, "pm1_cnt": 400, "pm25_cnt": 30,
        "pm5_cnt": 10, "pm10_cnt": 0, "pm1_par": 5, "pm25_par": 8, "pm10_par": 9}  # fmt: skip
_SPS = {"pm1": 5.5, "pm25": 8.25, "pm4": 9, "pm10": 9.5, "pm05_cnt": 40000, "pm1_cnt": 50000, "pm25_cnt": 52000,
        "pm4_cnt": 52250, "pm10_cnt": 52500, "grain": 0.5}  # fmt: skip
MARGIN = {"warm_up": 45.0}
"""At this speed a device is not warm for an instant after it should be, where the machine has other work."""
KINDS = {
    "sds011": Kind(sds011, sds011_device.Device, {"pm25": 12.3, "pm10": 26.1}, MARGIN),
    "pms": Kind(pms, pms_device.Device, _PMS, MARGIN),
    "mhz19": Kind(mhz19, mhz19_device.Device, {"co2": 608}, {}, 400.0),
    "sps30": Kind(sps30, sps30_device.Device, _SPS, {}),
    "shinyei": Kind(shinyei, shinyei_device.Device, {"pm_25": 341.2, "pm_10": 12.5}, {"sample": 2.0}),
    "spec_dgs": Kind(spec_dgs, spec_dgs_device.Device, {"no2": 12, "gtemp": 21, "grh": 44}, {"gas": "no2"}, 4.0),
}


def read(sensor: SerialSensor, seconds: float = 20.0) -> dict[str, Any]:
    """The next reading; no read takes longer than it may."""
    end = felt() + seconds
    while felt() < end:
        begun = felt()
        reading = sensor.read()
        took = felt() - begun
        assert took < AT_ONCE, f"a read took {took:.2f} s"
        if reading:
            return dict(reading)
    raise AssertionError(f"no reading within {seconds:.0f} s")
