"""An SHT31: single shots, serial number, status, heater (Sensirion's data sheet SHT3x-DIS)."""

from collections.abc import Sequence

from mysense.testing.chips._sht import Humidity
from mysense.testing.chips._words import Answer

_SHOTS = {0x2400: 0.0125, 0x240B: 0.0055, 0x2416: 0.0035}
"""How long single shots take (s, typical) at high, medium and low repeatability."""


class Chip(Humidity):
    """Measures ``temp`` (C) and ``rh`` (%)."""

    def do(self, command: int, arguments: Sequence[int]) -> Answer | None:
        match command:
            case 0x3780:
                return self.number, 0.0005
            case 0x2400 | 0x240B | 0x2416:
                return self.shot(0, 100), _SHOTS[command]
            case 0xF32D:
                return (0x8010,), 0.0005
            case 0x30A2 | 0x3093:
                return (), 0.001
            case 0x3041 | 0x306D | 0x3066:
                return (), 0.0005
        return None
