"""Sensirion SHT40, SHT41, SHT45: temperature and humidity."""

from collections.abc import Mapping
from typing import Any, ClassVar

from mysense.sensors import _sht
from mysense.sensors._busio import BusIO
from mysense.sensors._chip import Chip
from mysense.sensors._i2c import Bus
from mysense.telegram import Field


class Sensor(Chip):
    """Sensirion SHT40, SHT41 or SHT45 on I2C: temperature, humidity."""

    measures = (Field("temp", "C", "SHT4x"), Field("rh", "%", "SHT4x"))
    ranges: ClassVar[Mapping[str, tuple[float, float]]] = _sht.LIMITS
    device: ClassVar[str] = "SHT4x"
    library: ClassVar[str] = "adafruit_sht4x"
    addresses: ClassVar[tuple[int, ...]] = _sht.ADDRESSES

    def fits(self, bus: Bus, address: int) -> bool:
        return _sht.name(bus, address) == "sht4x"

    def stranger(self, bus: Bus, address: int) -> str:
        return _sht.stranger(bus, address, self.device)

    def begin(self, library: Any, bus: BusIO, address: int) -> None:
        self._driver: Any = library.SHT4x(bus, address)

    def measure(self) -> Mapping[str, float]:
        temp, rh = self._driver.measurements
        return {"temp": round(temp, 3), "rh": round(rh, 3)}


if __name__ == "__main__":
    from mysense import tryout

    tryout.sensor("sht4x")
