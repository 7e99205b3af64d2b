"""An SPS30 on I2C: the one that ``mysense.testing.devices.sps30`` plays on a serial line."""

import struct
from collections.abc import Sequence

from mysense.clock import Clock
from mysense.testing.chips._words import Answer, Talker
from mysense.testing.devices.sps30 import Model


class Chip(Talker):
    """Measures *air*: the ten values of a reading, dust in ug/m3, counts per cm3, size in um."""

    def __init__(
        self, *, serial: str = "8BA5D1B2C3E4F5A6", air: tuple[float, ...] = Model.AIR, clock: Clock | None = None
    ) -> None:
        clock = clock or Clock()
        self.model = Model(clock, serial, air)
        self._new = b""
        self._calls = 0
        super().__init__(clock.monotonic)

    def power_up(self) -> None:
        super().power_up()
        self.model.power()
        self._new = b""

    def do(self, command: int, arguments: Sequence[int]) -> Answer | None:
        model = self.model
        if model.asleep:
            self._calls += command == 0x1103
            if self._calls < 2:
                return None
            model.asleep, self._calls = False, 0
            return (), 0.005
        match command:
            case 0x0010 if not model.format:
                model.start(arguments[0] >> 8)
            case 0x0104:
                model.format = 0
            case 0x0202:
                self._new = self._new or (model.measurement() if model.format else b"")
                return (bool(self._new),), 0.0
            case 0x0300:
                new, self._new = self._new, b""
                return struct.unpack(f">{len(new) // 2}H", new), 0.0
            case 0xD033:
                return struct.unpack(">16H", model.serial.encode().ljust(32, b"\0")), 0.0
            case 0xD100:
                return (0x0202,), 0.0
            case 0xD206:
                return divmod(model.status, 0x10000), 0.0
            case 0x1001 if not model.format:
                model.asleep = True
            case 0x1103:
                return (), 0.0
            case _:
                return None
        return (), 0.005
