"""A simulated MH-Z19: it says 410 ppm until it is warm."""

from mysense.clock import Clock
from mysense.testing import serial

WARM_UP = 60.0


class Device(serial.Device):
    """One in air of *co2* ppm; *confirms* whether it answers the command for its baseline."""

    def __init__(self, clock: Clock | None = None, co2: int = 608, confirms: bool = True) -> None:
        super().__init__(clock)
        self.co2, self.confirms = co2, confirms
        self.abc = True
        self._since = self.clock.monotonic()
        self._buffer = b""

    def plugged(self) -> bytes:
        self._since, self.abc = self.clock.monotonic(), True
        return b""

    def hear(self, heard: bytes) -> bytes:
        self._buffer += heard
        said = b""
        while (begin := self._buffer.find(b"\xff\x01")) >= 0 and len(self._buffer) >= begin + 9:
            order, self._buffer = self._buffer[begin : begin + 9], self._buffer[begin + 9 :]
            if (0x100 - sum(order[1:8])) & 0xFF == order[8]:
                said += self._obey(order[2], order[3])
        return said

    def _obey(self, word: int, value: int) -> bytes:
        if word == 0x86:
            warm = self.clock.monotonic() - self._since >= WARM_UP
            co2 = self.co2 if warm else 410
            return _frame(bytes((0x86, co2 >> 8, co2 & 0xFF, 0x47, 0, 0, 0)))
        if word == 0x79:
            self.abc = value == 0xA0
            return _frame(bytes((0x79, 1, 0, 0, 0, 0, 0))) if self.confirms else b""
        raise AssertionError(f"command {word:#x} changes its calibration")


def _frame(inside: bytes) -> bytes:
    return b"\xff" + inside + bytes(((0x100 - sum(inside)) & 0xFF,))
