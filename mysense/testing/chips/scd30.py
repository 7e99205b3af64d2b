"""An SCD30: measures at its interval, also after switching on; settings stay (Sensirion's interface description)."""

import struct
import time
from collections.abc import Callable, Sequence

from mysense.testing.chips._words import Answer, Talker

_STORED = {0x4600: "interval", 0x5306: "asc", 0x5403: "offset", 0x5102: "altitude"}


class Chip(Talker):
    """Measures ``co2`` (ppm), ``temp`` (C) and ``rh`` (%).

    ``writes`` counts what went into its memory, ``starts`` how often it was told to measure, which goes there, too.
    """

    def __init__(
        self, *, co2: float = 420.0, temp: float = 21.0, rh: float = 45.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.co2, self.temp, self.rh = co2, temp, rh
        self.interval, self.asc, self.offset, self.altitude = 2, 0, 0, 0
        self.measuring, self.writes, self.starts = True, 0, 0
        super().__init__(clock)

    def power_up(self) -> None:
        super().power_up()
        self.pressure = 0
        self._next = self.clock() + self.interval

    def do(self, command: int, arguments: Sequence[int]) -> Answer | None:
        if command in _STORED:
            return self._stored(_STORED[command], arguments)
        match command:
            case 0x0010 if arguments:
                if not self.measuring:
                    self._next = self.clock() + self.interval
                self.measuring, self.pressure = True, arguments[0]
                self.starts += 1
                return (), 0.003
            case 0x0010:
                return (self.pressure,), 0.003
            case 0x0104:
                self.measuring = False
                return (), 0.003
            case 0x0202:
                return (self._ready(),), 0.003
            case 0x0300:
                return self._values(), 0.003
            case 0xD100:
                return (0x0342,), 0.003
            case 0xD304:
                self.power_up()
                return (), 0.03
        return None

    def _stored(self, name: str, arguments: Sequence[int]) -> Answer:
        if not arguments:
            return (getattr(self, name),), 0.003
        setattr(self, name, arguments[0])
        self.writes += 1
        return (), 0.003

    def _ready(self) -> bool:
        return self.measuring and self.clock() >= self._next

    def _values(self) -> Sequence[int]:
        if self._ready():
            self._next = self.clock() + self.interval
        return struct.unpack(">6H", struct.pack(">3f", self.co2, self.temp, self.rh))
