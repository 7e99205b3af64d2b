"""Sensirion SCD30: CO2 with temperature and humidity.

It stretches the clock, which the I2C of Raspberry Pi 1 to 4 does not do right: see
docs/sensors-i2c.md. Its settings are stored in the sensor, and written only when they change.
"""

from collections.abc import Mapping
from typing import Any

from mysense.hardware.busio import BusIO
from mysense.sensors._scd import Carbon
from mysense.telegram import Field


class Sensor(Carbon):
    """Sensirion SCD30 on I2C: CO2, temperature, humidity."""

    measures = (Field("co2", "ppm", "SCD30"), Field("temp", "C", "SCD30"), Field("rh", "%", "SCD30"))
    addresses = (0x61,)
    device = "SCD30"
    library = "adafruit_scd30"

    @property
    def period(self) -> float:
        return max(2.0, min(1800.0, self.interval // 2))  # so each reading finds a new value

    def begin(self, library: Any, bus: BusIO, address: int) -> None:
        driver = library.SCD30(bus, round(self.pressure), address)
        self._store(driver, "measurement_interval", round(self.period))
        self._store(driver, "self_calibration_enabled", self.asc)
        if self.altitude is not None:
            self._store(driver, "altitude", round(self.altitude))
        if self.temperature_offset is not None:
            self._store(driver, "temperature_offset", round(self.temperature_offset, 2))
        self.begun(driver)

    def _store(self, driver: Any, name: str, value: float) -> None:
        """Its memory wears: what it knows already is not written."""
        if getattr(driver, name) != value:
            setattr(driver, name, value)

    def measure(self) -> Mapping[str, float | None] | None:
        reading = super().measure()
        if reading and self.pressure:  # it forgets this when its supply dips, and says nothing
            self._store(self._driver, "ambient_pressure", round(self.pressure))
        return reading

    def ready(self) -> bool:
        return bool(self._driver.data_available)


if __name__ == "__main__":
    from mysense import tryout

    tryout.sensor("scd30")
