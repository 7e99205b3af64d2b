"""Bosch BME680 and BME688: temperature, humidity, air pressure, and the resistance of a heated gas sensor.

The resistance falls with what burns in the air. It settles over days, says nothing about single
gases, and counts only when the chip says that its plate was hot (bits gas_valid and heat_stab).
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from mysense.errors import UnavailableError
from mysense.options import seconds
from mysense.plugin import option
from mysense.sensors import _bosch
from mysense.sensors._chip import Chip
from mysense.sensors._i2c import Address, Bus
from mysense.telegram import Field

SPARE = 0x6D
"""The heating time of a tenth step; one is used."""
RESULT = b"\x1d"
"""The register with which a result begins."""
SKIPPED = b"\x80\x00\x00"
"""What pressure and temperature in it are when nothing was measured."""
HOT = 0x30
"""Bits of its last byte: the gas measurement is valid, and the heater was stable."""
TRIM = b"\x89", b"\xe1", b"\x00", b"\x02", b"\x04"


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


class Sensor(Chip):
    """Bosch BME680 or BME688 on I2C: temperature, humidity, air pressure, gas resistance."""

    device: ClassVar[str] = "BME680"
    library: ClassVar[str] = "adafruit_bme680"
    addresses: ClassVar[tuple[int, ...]] = _bosch.ADDRESSES

    interval: float = option(30.0, "seconds between two readings", parse=seconds)
    gas: bool = option(True, "no: without the gas sensor, whose heater warms the chip by a degree and more")
    heater: int = option(320, "temperature of the gas sensor's plate in C", least=200, most=400)
    heating: int = option(150, "how long the plate is heated for a reading, in ms", least=30, most=500)

    @property
    def measures(self) -> tuple[Field, ...]:  # type: ignore[override]
        weather = (Field("temp", "C", "BME680"), Field("rh", "%", "BME680"), Field("hpa", "hPa", "BME680"))
        return (*weather, Field("gas", "kOhm", "BME680")) if self.gas else weather

    def fits(self, bus: Bus, address: int) -> bool:
        return _bosch.NAMES.get(_bosch.identity(bus, address)) == "bme680"

    def stranger(self, bus: Bus, address: int) -> str:
        return _bosch.stranger(bus, address, self.device)

    def begin(self, library: Any, bus: Bus, address: int) -> None:
        self._driver: Any = library.Adafruit_BME680_I2C(bus, address, refresh_rate=10**9)
        self._driver.filter_size = 0
        _bosch.compare(bus, address, *TRIM)
        mend(self._driver, [bus.answers(address, register) for register in TRIM[1:]])
        heated = (self.heater, self.heating) if self.gas else (None, None)
        if not self._driver.set_gas_heater(*heated):
            raise UnavailableError(f"the heater of the BME680 at {Address(address)} cannot be set")
        _bosch.mark(bus, address, SPARE)
        self._values()  # the first after a reset can be far off

    def measure(self) -> Mapping[str, float]:
        _bosch.look_at_mark(self._line, self._at, SPARE)
        return self._values()

    def _values(self) -> Mapping[str, float]:
        driver, temp = self._driver, self._driver.temperature
        with self._line.again():  # the library would measure for each value
            values = {"temp": temp, "rh": driver.humidity, "hpa": driver.pressure}
            gas = driver.gas / 1000 if self.gas else 0.0
        _bosch.compare(self._line, self._at, RESULT, skip=2)
        result = self._line.answers(self._at, RESULT)
        _bosch.believe(self._line, self._at, values, measured=SKIPPED not in (result[2:5], result[5:8]))
        if self.gas and flags(result, driver._chip_variant) & HOT == HOT:
            values["gas"] = gas
        return {name: round(value, 3) for name, value in values.items()}


if __name__ == "__main__":
    from mysense import tryout

    tryout.sensor("bme680")
