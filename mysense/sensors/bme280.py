"""Bosch BME280: temperature, humidity and air pressure.

Each quantity is measured once for a reading (the data sheet's settings for weather): so the chip hardly warms itself.
"""

from typing import Any

from mysense.hardware.busio import BusIO
from mysense.sensors._bosch import PRESSURE, TEMPERATURE, Result, Weather
from mysense.telegram import Field


class Sensor(Weather):
    """Bosch BME280 on I2C: temperature, humidity, air pressure."""

    measures = (Field("temp", "C", "BME280"), Field("rh", "%", "BME280"), Field("hpa", "hPa", "BME280"))
    device = "BME280"
    library = "adafruit_bme280.basic"
    trim = (b"\x88", b"\xa1", b"\xe1")
    results = (TEMPERATURE, PRESSURE, Result(b"\xfd", 0, b"\x80\x00", 0xF2, 0x07))

    def driver(self, library: Any, bus: BusIO, address: int) -> Any:
        driver = library.Adafruit_BME280_I2C(bus, address)
        driver.overscan_pressure = library.OVERSCAN_X1
        return driver


if __name__ == "__main__":
    from mysense import tryout

    tryout.sensor("bme280")
