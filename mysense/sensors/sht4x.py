"""Sensirion SHT40, SHT41, SHT45: temperature and humidity."""

from collections.abc import Mapping
from typing import Any

from mysense.hardware.busio import BusIO
from mysense.sensors._sht import ADDRESSES, Humidity
from mysense.telegram import Field


class Sensor(Humidity):
    """Sensirion SHT40, SHT41 or SHT45 on I2C: temperature, humidity."""

    measures = (Field("temp", "C", "SHT4x"), Field("rh", "%", "SHT4x"))
    device = "SHT4x"
    library = "adafruit_sht4x"
    addresses = ADDRESSES

    def begin(self, library: Any, bus: BusIO, address: int) -> None:
        self._driver = library.SHT4x(bus, address)

    def measure(self) -> Mapping[str, float]:
        temp, rh = self._driver.measurements
        return {"temp": round(temp, 3), "rh": round(rh, 3)}


if __name__ == "__main__":
    from mysense import tryout

    tryout.sensor("sht4x")
