"""Bosch BME280: temperature, humidity and air pressure.

The chip sleeps and is told to measure for each reading (forced mode), each quantity once (the
data sheet's settings for weather): so it hardly warms itself.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from mysense.sensors import _bosch
from mysense.sensors._chip import Chip
from mysense.sensors._i2c import Bus
from mysense.telegram import Field

CONFIG = 0xF5
"""Its standby time means nothing to a chip that measures when told."""
TRIM = b"\x88", b"\xa1", b"\xe1"
SKIPPED = {b"\xfa": b"\x80\x00\x00", b"\xf7": b"\x80\x00\x00", b"\xfd": b"\x80\x00"}
"""What the registers of temperature, pressure and humidity hold when nothing was measured."""


class Sensor(Chip):
    """Bosch BME280 on I2C: temperature, humidity, air pressure."""

    measures = (Field("temp", "C", "BME280"), Field("rh", "%", "BME280"), Field("hpa", "hPa", "BME280"))
    device: ClassVar[str] = "BME280"
    library: ClassVar[str] = "adafruit_bme280.basic"
    addresses: ClassVar[tuple[int, ...]] = _bosch.ADDRESSES

    def fits(self, bus: Bus, address: int) -> bool:
        return _bosch.NAMES.get(_bosch.identity(bus, address)) == "bme280"

    def stranger(self, bus: Bus, address: int) -> str:
        return _bosch.stranger(bus, address, self.device)

    def begin(self, library: Any, bus: Bus, address: int) -> None:
        self._driver: Any = library.Adafruit_BME280_I2C(bus, address)  # resets the chip and reads its trim
        self._driver.overscan_pressure = library.OVERSCAN_X1
        _bosch.compare(bus, address, *TRIM)
        _bosch.mark(bus, address, CONFIG)
        self._values()  # the first after a reset can be far off

    def measure(self) -> Mapping[str, float]:
        _bosch.look_at_mark(self._line, self._at, CONFIG)
        return self._values()

    def _values(self) -> Mapping[str, float]:
        driver, temp = self._driver, self._driver.temperature
        with self._line.again():  # the library would measure for each value
            values = {"temp": temp, "rh": driver.humidity, "hpa": driver.pressure}
        _bosch.compare(self._line, self._at, *SKIPPED)
        measured = all(self._line.answers(self._at, register) != raw for register, raw in SKIPPED.items())
        _bosch.believe(self._line, self._at, values, measured=measured)
        return {name: round(value, 3) for name, value in values.items()}


if __name__ == "__main__":
    from mysense import tryout

    tryout.sensor("bme280")
