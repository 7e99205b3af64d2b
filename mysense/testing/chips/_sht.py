"""A humidity sensor of Sensirion, of either family: it measures when told to, and knows its serial number."""

import time
from collections.abc import Callable

from mysense.testing.chips._words import Talker


class Humidity(Talker):
    """Measures ``temp`` (C) and ``rh`` (%). ``conversions`` counts how often it did."""

    def __init__(
        self, *, temp: float = 21.0, rh: float = 45.0, serial: int = 0x12345678,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self.temp, self.rh, self.conversions = temp, rh, 0
        self.number = serial >> 16, serial & 0xFFFF
        super().__init__(clock)

    def shot(self, least: int, whole: int) -> tuple[int, int]:
        """The words of a reading: humidity in *whole* % from *least* % on."""
        self.conversions += 1
        return round((self.temp + 45) / 175 * 65535), round((self.rh - least) / whole * 65535)
