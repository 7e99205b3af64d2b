"""Sensirion SCD40, SCD41, SCD43: CO2 with temperature and humidity.

The settings are given to the sensor at each start and are never stored in it: its memory takes
2,000 writes.
"""

from typing import Any

from mysense.hardware.busio import BusIO
from mysense.plugin import option
from mysense.sensors._scd import Carbon
from mysense.telegram import Field


class Sensor(Carbon):
    """Sensirion SCD40, SCD41 or SCD43 on I2C: CO2, temperature, humidity."""

    measures = (Field("co2", "ppm", "SCD4x"), Field("temp", "C", "SCD4x"), Field("rh", "%", "SCD4x"))
    addresses = (0x62,)
    device = "SCD4x"
    library = "adafruit_scd4x"

    low_power: bool = option(False, "measure every 30 s instead of 5 s, for a fifth of the current")

    @property
    def period(self) -> float:
        return 30.0 if self.low_power else 5.0

    def begin(self, library: Any, bus: BusIO, address: int) -> None:
        driver = library.SCD4X(bus, address)  # stops it: else it takes no settings
        driver.self_calibration_enabled = self.asc
        if self.altitude is not None:
            driver.altitude = round(self.altitude)
        if self.temperature_offset is not None:
            driver.temperature_offset = self.temperature_offset
        if self.pressure:
            driver.ambient_pressure = round(self.pressure)
        if self.low_power:
            driver.start_low_periodic_measurement()
        else:
            driver.start_periodic_measurement()
        self.begun(driver)

    def ready(self) -> bool:
        return bool(self._driver.data_ready)


if __name__ == "__main__":
    from mysense import tryout

    tryout.sensor("scd4x")
