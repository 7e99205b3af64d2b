"""Sensirion SHT40, SHT41, SHT45: temperature and humidity."""

from collections.abc import Mapping
from typing import Any, ClassVar

from mysense.sensors import _sht
from mysense.sensors._chip import Chip, adafruit
from mysense.sensors._i2c import Bus
from mysense.telegram import Field


class Sensor(Chip):
    """Sensirion SHT40, SHT41 or SHT45 on I2C: temperature, humidity."""

    measures = (Field("temp", "C", "SHT4x"), Field("rh", "%", "SHT4x"))
    addresses: ClassVar[tuple[int, ...]] = _sht.ADDRESSES

    def fits(self, bus: Bus, address: int) -> bool:
        return _sht.name(bus, address) == "sht4x"

    def begin(self, bus: Bus, address: int) -> None:
        _sht.insist(bus, address, "sht4x")
        self._driver: Any = adafruit("adafruit_sht4x").SHT4x(bus, address)

    def measure(self) -> Mapping[str, float]:
        temp, rh = self._driver.measurements
        return {"temp": round(temp, 3), "rh": round(rh, 3)}


if __name__ == "__main__":
    from mysense import tryout

    tryout.sensor("sht4x")
