"""An SHT40: commands of one byte (Sensirion's data sheet SHT4x)."""

import time
from collections.abc import Callable, Sequence

from mysense.testing.chips._words import Answer, Talker


class Chip(Talker):
    """Measures ``temp`` (C) and ``rh`` (%)."""

    length = 1

    def __init__(
        self,
        *,
        temp: float = 21.0,
        rh: float = 45.0,
        serial: int = 0x0BADCAFE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.temp, self.rh, self.serial, self.conversions = temp, rh, serial, 0
        super().__init__(clock)

    def do(self, command: int, arguments: Sequence[int]) -> Answer | None:
        match command:
            case 0x89:
                return (self.serial >> 16, self.serial & 0xFFFF), 0.0005
            case 0xFD:
                self.conversions += 1
                return (round((self.temp + 45) / 175 * 65535), round((self.rh + 6) / 125 * 65535)), 0.0083
            case 0x94:
                return (), 0.001
        return None
