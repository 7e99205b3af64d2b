"""Bosch BMP280: temperature and air pressure. Often sold as a BME280, which measures humidity too."""

from typing import Any

from mysense.hardware.busio import BusIO
from mysense.sensors._bosch import PRESSURE, TEMPERATURE, Weather
from mysense.telegram import Field


class Sensor(Weather):
    """Bosch BMP280 on I2C: temperature, air pressure."""

    measures = (Field("temp", "C", "BMP280"), Field("hpa", "hPa", "BMP280"))
    device = "BMP280"
    library = "adafruit_bmp280"
    trim = (b"\x88",)
    results = (TEMPERATURE, PRESSURE)

    def driver(self, library: Any, bus: BusIO, address: int) -> Any:
        driver = library.Adafruit_BMP280_I2C(bus, address)
        driver.overscan_temperature = driver.overscan_pressure = library.OVERSCAN_X1
        return driver


if __name__ == "__main__":
    from mysense import tryout

    tryout.sensor("bmp280")
