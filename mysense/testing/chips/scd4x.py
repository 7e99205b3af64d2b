"""An SCD41: measures when told to, and takes no settings meanwhile (Sensirion's data sheet SCD4x)."""

import time
from collections.abc import Callable, Sequence

from mysense.testing.chips._words import Answer, Talker

_SETTINGS = {0x2416: "asc", 0x241D: "offset", 0x2427: "altitude"}
_GETTERS = {0x2313: "asc", 0x2318: "offset", 0x2322: "altitude"}
_ALWAYS = (0xEC05, 0xE4B8, 0x3F86, 0xE000)
"""What it takes while it measures: read, ready, stop, pressure."""


class Chip(Talker):
    """Measures ``co2`` (ppm), ``temp`` (C) and ``rh`` (%). ``stored`` counts writes into its memory."""

    def __init__(
        self, *, co2: float = 420.0, temp: float = 21.0, rh: float = 45.0, serial: int = 0xF896_31B0_7C04,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self.co2, self.temp, self.rh, self.serial, self.stored = co2, temp, rh, serial, 0
        super().__init__(clock)

    def power_up(self) -> None:
        super().power_up()
        self.asc, self.offset, self.altitude, self.pressure = 1, 1498, 0, 1013  # as the factory leaves it
        self.period, self._next = 0.0, 0.0

    def do(self, command: int, arguments: Sequence[int]) -> Answer | None:
        if self.period and command not in _ALWAYS:
            return None
        if command in _SETTINGS:
            if arguments:
                setattr(self, _SETTINGS[command], arguments[0])
            return (), 0.001
        if command in _GETTERS:
            return (getattr(self, _GETTERS[command]),), 0.001
        match command:
            case 0x21B1 | 0x21AC:
                self.period = 5.0 if command == 0x21B1 else 30.0
                self._next = self.clock() + self.period
                return (), 0.0
            case 0x3F86:
                self.period = 0.0
                return (), 0.5
            case 0xE4B8:
                return (0x8006 if self._ready() else 0x8000,), 0.001
            case 0xEC05:
                return self._values(), 0.001
            case 0xE000:
                if arguments:
                    self.pressure = arguments[0]
                    return (), 0.001
                return (self.pressure,), 0.001
            case 0x3682:
                return (self.serial >> 32, self.serial >> 16 & 0xFFFF, self.serial & 0xFFFF), 0.001
            case 0x202F:
                return (0x1440,), 0.001
            case 0x3615:
                self.stored += 1
                return (), 0.8
        return None

    def _ready(self) -> bool:
        return bool(self.period) and self.clock() >= self._next

    def _values(self) -> Sequence[int]:
        if not self._ready():
            return ()
        self._next = self.clock() + self.period
        return round(self.co2), round((self.temp + 45) / 175 * 65535), round(self.rh / 100 * 65535)
