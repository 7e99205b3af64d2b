"""What Sensirion's CO2 sensors have in common: they measure at their own pace, and can be corrected."""

import time
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

from mysense.errors import UnavailableError
from mysense.hardware.chip import Chip
from mysense.hardware.i2c import Bus
from mysense.plugin import option
from mysense.sensors._sensirion import answer

SILENT = 4
"""After so many of its periods without a value a sensor is set up anew."""
QUESTIONS = {"SCD30": (b"\xd1\x00", 1, 0.005), "SCD4x": (b"\xe4\xb8", 1, 0.002)}
"""What each can be asked at any time (its version; is there a value), the words that come back, and when (s)."""


class Carbon(Chip):
    """A CO2 sensor that measures at its own pace."""

    altitude: float | None = option(
        None, "metres above sea level, for the air's density; empty: as stored in the sensor", least=0, most=3000
    )
    pressure: float = option(
        0.0,
        "air pressure in hPa where the sensor is (not at sea level), instead of altitude; 0: none",
        least=0,
        most=1400,
    )
    temperature_offset: float | None = option(
        None, "degrees C by which the sensor warms itself, taken off; empty: as stored in the sensor", least=0, most=20
    )
    asc: bool = option(True, "the sensor sets its zero by itself; it must meet fresh air (400 ppm) every week then")

    def __post_init__(self) -> None:
        if 0 < self.pressure < 700:
            raise ValueError("pressure is in hPa: 700 to 1400, or 0 for none")
        if self.pressure and self.altitude is not None:
            raise ValueError("altitude or pressure, not both")

    def fits(self, bus: Bus, address: int) -> bool:
        return bool(answer(bus, address, *QUESTIONS[self.device]))

    @property
    @abstractmethod
    def period(self) -> float:
        """Seconds between two values."""

    @abstractmethod
    def ready(self) -> bool:
        """Whether there is a new value."""

    def begun(self, driver: Any) -> None:
        """Call it at the end of ``begin``."""
        self._driver = driver
        self._heard = time.monotonic()

    def measure(self) -> Mapping[str, float | None] | None:
        if not self.ready():
            if time.monotonic() - self._heard > SILENT * self.period:
                raise UnavailableError(
                    f"the {self.device} at {self.at} on {self.line.path} stopped measuring; it is set up anew"
                )
            return None
        self._heard = time.monotonic()  # it measures, also where this value is damaged on its way
        with self.line.again():  # the library would ask before each value whether there is a new one
            co2, temp, rh = self._driver.CO2, self._driver.temperature, self._driver.relative_humidity
        if not 0 < co2 <= 40000:  # 0: not measured yet
            co2 = None
        return {"co2": co2 and round(co2, 1), "temp": round(temp, 3), "rh": round(rh, 3)}
