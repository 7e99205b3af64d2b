"""A BMP280: a BME280 that measures no humidity."""

from mysense.testing.chips import bme280


class Chip(bme280.Chip):
    """Measures ``temp`` (C) and ``hpa``."""

    def __init__(self, *, temp: float = 21.0, hpa: float = 1013.25) -> None:
        super().__init__(temp=temp, hpa=hpa, identity=0x58)
