"""Bosch BME280: temperature, humidity and air pressure.

The chip sleeps and is told to measure for each reading (forced mode), once each (the data sheet's
settings for weather): so it hardly warms itself.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from mysense.errors import UnavailableError
from mysense.sensors._bosch import ADDRESSES, insist, look_at_mark, mark, name
from mysense.sensors._chip import Chip, adafruit
from mysense.sensors._i2c import Bus
from mysense.telegram import Field

SKIPPED = {b"\xfa": b"\x80\x00\x00", b"\xf7": b"\x80\x00\x00", b"\xfd": b"\x80\x00"}
"""What the registers of temperature, pressure and humidity hold when nothing was measured."""


class Sensor(Chip):
    """Bosch BME280 on I2C: temperature, humidity, air pressure."""

    measures = (Field("temp", "C", "BME280"), Field("rh", "%", "BME280"), Field("hpa", "hPa", "BME280"))
    addresses: ClassVar[tuple[int, ...]] = ADDRESSES

    def fits(self, bus: Bus, address: int) -> bool:
        return name(bus, address) == "bme280"

    def begin(self, bus: Bus, address: int) -> None:
        insist(bus, address, "bme280")
        library = adafruit("adafruit_bme280.basic")
        self._driver: Any = library.Adafruit_BME280_I2C(bus, address)  # resets the chip and reads its trim
        self._driver.overscan_pressure = library.OVERSCAN_X1
        mark(bus, address)
        self._values()  # the first after a reset can be far off

    def measure(self) -> Mapping[str, float | None]:
        look_at_mark(self._line, self._at)
        return self._values()

    def _values(self) -> Mapping[str, float | None]:
        driver, bus = self._driver, self._line
        temp = driver.temperature
        with bus.again():  # the library would measure for each value
            values = {"temp": temp, "hpa": driver.pressure, "rh": driver.humidity}
        if any(bus.answers(self._at, register) == value for register, value in SKIPPED.items()):
            raise UnavailableError(f"the BME280 at {self._at} on {bus.path} did not measure; it is set up anew")
        return {field: round(value, 3) for field, value in values.items()}


if __name__ == "__main__":
    from mysense import tryout

    tryout.sensor("bme280")
