"""Sensirion SHT31 (and SHT30, SHT35, SHT85): temperature and humidity."""

from collections.abc import Mapping
from typing import Any, ClassVar

from mysense.sensors import _sht
from mysense.sensors._busio import BusIO
from mysense.sensors._chip import Chip
from mysense.sensors._i2c import Bus
from mysense.telegram import Field


class Sensor(Chip):
    """Sensirion SHT31 (SHT30, SHT35, SHT85) on I2C: temperature, humidity."""

    measures = (Field("temp", "C", "SHT31"), Field("rh", "%", "SHT31"))
    ranges: ClassVar[Mapping[str, tuple[float, float]]] = _sht.LIMITS
    device: ClassVar[str] = "SHT31"
    library: ClassVar[str] = "adafruit_sht31d"
    addresses: ClassVar[tuple[int, ...]] = _sht.ADDRESSES[:2]

    def fits(self, bus: Bus, address: int) -> bool:
        return _sht.name(bus, address) == "sht31"

    def stranger(self, bus: Bus, address: int) -> str:
        return _sht.stranger(bus, address, self.device)

    def begin(self, library: Any, bus: BusIO, address: int) -> None:
        self._driver: Any = library.SHT31D(bus, address)

    def measure(self) -> Mapping[str, float]:
        temp = self._driver.temperature
        with self._line.again():  # the library would measure once more
            return {"temp": round(temp, 3), "rh": round(self._driver.relative_humidity, 3)}


if __name__ == "__main__":
    from mysense import tryout

    tryout.sensor("sht31")
