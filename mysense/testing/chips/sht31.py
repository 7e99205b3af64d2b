"""An SHT31: single shots, serial number, status, heater (Sensirion's data sheet SHT3x-DIS)."""

import time
from collections.abc import Callable, Sequence

from mysense.testing.chips._words import Answer, Talker

_SHOTS = {0x2400: 0.0125, 0x240B: 0.0055, 0x2416: 0.0035}
"""How long single shots take (s, typical) at high, medium and low repeatability."""


class Chip(Talker):
    """Measures ``temp`` (C) and ``rh`` (%)."""

    def __init__(
        self,
        *,
        temp: float = 21.0,
        rh: float = 45.0,
        serial: int = 0x12345678,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.temp, self.rh, self.serial, self.conversions = temp, rh, serial, 0
        super().__init__(clock)

    def do(self, command: int, arguments: Sequence[int]) -> Answer | None:
        match command:
            case 0x3780:
                return (self.serial >> 16, self.serial & 0xFFFF), 0.0005
            case 0x2400 | 0x240B | 0x2416:
                self.conversions += 1
                return (round((self.temp + 45) / 175 * 65535), round(self.rh / 100 * 65535)), _SHOTS[command]
            case 0xF32D:
                return (0x8010,), 0.0005
            case 0x30A2 | 0x3093:
                return (), 0.001
            case 0x3041 | 0x306D | 0x3066:
                return (), 0.0005
        return None
