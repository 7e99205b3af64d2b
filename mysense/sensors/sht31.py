"""Sensirion SHT31 (and SHT30, SHT35, SHT85): temperature and humidity."""

from collections.abc import Mapping
from typing import Any

from mysense.hardware.busio import BusIO
from mysense.sensors._sht import ADDRESSES, Humidity
from mysense.telegram import Field


class Sensor(Humidity):
    """Sensirion SHT31 (SHT30, SHT35, SHT85) on I2C: temperature, humidity."""

    measures = (Field("temp", "C", "SHT31"), Field("rh", "%", "SHT31"))
    device = "SHT31"
    library = "adafruit_sht31d"
    addresses = ADDRESSES[:2]

    def begin(self, library: Any, bus: BusIO, address: int) -> None:
        self._driver = library.SHT31D(bus, address)

    def measure(self) -> Mapping[str, float]:
        temp = self._driver.temperature
        with self.line.again():  # the library would measure once more
            return {"temp": round(temp, 3), "rh": round(self._driver.relative_humidity, 3)}


if __name__ == "__main__":
    from mysense import tryout

    tryout.sensor("sht31")
