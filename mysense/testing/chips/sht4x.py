"""An SHT40: commands of one byte (Sensirion's data sheet SHT4x)."""

from collections.abc import Sequence

from mysense.testing.chips._sht import Humidity
from mysense.testing.chips._words import Answer


class Chip(Humidity):
    """Measures ``temp`` (C) and ``rh`` (%)."""

    length = 1

    def do(self, command: int, arguments: Sequence[int]) -> Answer | None:
        match command:
            case 0x89:
                return self.number, 0.0005
            case 0xFD:
                return self.shot(-6, 125), 0.0083
            case 0x94:
                return (), 0.001
        return None
