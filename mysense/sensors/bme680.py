"""Bosch BME680 and BME688: temperature, humidity, air pressure, and the resistance of a heated gas sensor.

The resistance falls with what burns in the air. It settles over days, says nothing about single
gases, and counts only when the chip says that its plate was hot (bits gas_valid and heat_stab).
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from mysense.errors import UnavailableError
from mysense.hardware.busio import BusIO
from mysense.options import seconds
from mysense.plugin import option
from mysense.sensors._bosch import Result, Weather, compare
from mysense.telegram import Field

RESULT = b"\x1d"
"""The register with which a result begins."""
RESULTS = (
    Result(RESULT, 2, b"\x80\x00\x00", 0x74, 0x1C),
    Result(RESULT, 5, b"\x80\x00\x00", 0x74, 0xE0),
    Result(RESULT, 8, b"\x80\x00", 0x72, 0x07),
)
"""Pressure, temperature and humidity in it."""
HOT = 0x30
"""Bits of its last byte: the gas measurement is valid, and the heater was stable."""
MOST = 102_400.0
"""kOhm: all that the converter of a BME688 can say, 262144 / (4096 - 3 * 512) MOhm; a BME680's ends at 13,000."""


def flags(result: bytes, variant: int) -> int:
    """The byte of a result (17 bytes from 0x1D) that says how the gas measurement went.

    The BME688 (variant 1) has it two bytes behind that of the BME680:

    >>> flags(bytes(14) + b"\\x30" + bytes(2), 0), flags(bytes(14) + b"\\x30" + bytes(2), 1)
    (48, 0)
    """
    return result[16 if variant else 14]


def mend(driver: Any, trim: Sequence[bytes]) -> None:
    """Give the library the trim constants as Bosch's own code reads them.

    adafruit_bme680 3.7 takes two signed numbers (of the heater, and of the gas resistance) as
    unsigned, and the halves of a byte that two constants of the humidity share the wrong way
    round. *trim* holds what registers 0xE1, 0x00, 0x02 and 0x04 say.
    """
    shared, heater, _, gas = trim
    driver._humidity_calibration[0] = shared[2] << 4 | shared[1] & 0x0F
    driver._humidity_calibration[1] = shared[0] << 4 | shared[1] >> 4
    driver._heat_val = int.from_bytes(heater[:1], signed=True)
    driver._sw_err = int.from_bytes(gas[:1], signed=True) >> 4


class Sensor(Weather):
    """Bosch BME680 or BME688 on I2C: temperature, humidity, air pressure, gas resistance."""

    ranges: ClassVar[Mapping[str, tuple[float, float]]] = {"gas": (0.0, MOST)}
    device = "BME680"
    library = "adafruit_bme680"
    trim = (b"\x89", b"\xe1", b"\x00", b"\x02", b"\x04")
    results = RESULTS
    spare = 0x6D  # the heating time of a tenth step; one is used

    interval: float = option(30.0, "seconds between two readings", parse=seconds)
    gas: bool = option(True, "no: without the gas sensor, whose heater warms the chip by a degree and more")
    heater: int = option(320, "temperature of the gas sensor's plate in C", least=200, most=400)
    heating: int = option(150, "how long the plate is heated for a reading, in ms", least=30, most=500)

    @property
    def measures(self) -> tuple[Field, ...]:  # type: ignore[override]
        weather = (Field("temp", "C", "BME680"), Field("rh", "%", "BME680"), Field("hpa", "hPa", "BME680"))
        return (*weather, Field("gas", "kOhm", "BME680")) if self.gas else weather

    def driver(self, library: Any, bus: BusIO, address: int) -> Any:
        driver = library.Adafruit_BME680_I2C(bus, address, refresh_rate=10**9)
        driver.filter_size = 0
        mend(driver, [bus.answers(address, register) for register in self.trim[1:]])
        heated = (self.heater, self.heating) if self.gas else (None, None)
        if not driver.set_gas_heater(*heated):
            raise UnavailableError(f"the heater of the BME680 at {self.at} cannot be set")
        return driver

    def values(self) -> dict[str, float]:
        values = super().values()
        if self.gas and flags(self.line.answers(self.at, RESULT), self._driver._chip_variant) & HOT == HOT:
            values["gas"] = self._driver.gas / 1000
        return values

    def confirm(self) -> None:
        compare(self.line, self.at, RESULT, skip=2)


if __name__ == "__main__":
    from mysense import tryout

    tryout.sensor("bme680")
