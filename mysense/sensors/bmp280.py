"""Bosch BMP280: temperature and air pressure. Often sold as a BME280, which measures humidity too.

It is told to measure for each reading, like the BME280.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from mysense.sensors import _bosch
from mysense.sensors._chip import Chip
from mysense.sensors._i2c import Bus
from mysense.telegram import Field

CONFIG = 0xF5
"""Its standby time means nothing to a chip that measures when told."""
SKIPPED = {b"\xfa": b"\x80\x00\x00", b"\xf7": b"\x80\x00\x00"}
"""What the registers of temperature and pressure hold when nothing was measured."""


class Sensor(Chip):
    """Bosch BMP280 on I2C: temperature, air pressure."""

    measures = (Field("temp", "C", "BMP280"), Field("hpa", "hPa", "BMP280"))
    device: ClassVar[str] = "BMP280"
    library: ClassVar[str] = "adafruit_bmp280"
    addresses: ClassVar[tuple[int, ...]] = _bosch.ADDRESSES

    def fits(self, bus: Bus, address: int) -> bool:
        return _bosch.NAMES.get(_bosch.identity(bus, address)) == "bmp280"

    def stranger(self, bus: Bus, address: int) -> str:
        return _bosch.stranger(bus, address, self.device)

    def begin(self, library: Any, bus: Bus, address: int) -> None:
        self._driver: Any = library.Adafruit_BMP280_I2C(bus, address)  # resets the chip and reads its trim
        self._driver.overscan_temperature = library.OVERSCAN_X1
        self._driver.overscan_pressure = library.OVERSCAN_X1
        _bosch.compare(bus, address, b"\x88")
        _bosch.mark(bus, address, CONFIG)
        self._values()  # the first after a reset can be far off

    def measure(self) -> Mapping[str, float]:
        _bosch.look_at_mark(self._line, self._at, CONFIG)
        return self._values()

    def _values(self) -> Mapping[str, float]:
        driver, temp = self._driver, self._driver.temperature
        with self._line.again():  # the library would measure for each value
            values = {"temp": temp, "hpa": driver.pressure}
        _bosch.compare(self._line, self._at, *SKIPPED)
        measured = all(self._line.answers(self._at, register) != raw for register, raw in SKIPPED.items())
        _bosch.believe(self._line, self._at, values, measured=measured)
        return {name: round(value, 3) for name, value in values.items()}


if __name__ == "__main__":
    from mysense import tryout

    tryout.sensor("bmp280")
