"""A simulated MH-Z19: it says 410 ppm until it is warm."""

from mysense.clock import Clock
from mysense.testing import serial

WARM_UP = 60.0


class Device(serial.Obedient):
    """One in air of *co2* ppm; *confirms* whether it answers the command for its baseline."""

    head, size = b"\xff\x01", 9

    def __init__(self, clock: Clock | None = None, co2: int = 608, confirms: bool = True) -> None:
        super().__init__(clock)
        self.co2, self.confirms = co2, confirms
        self.abc = True
        self._since = self.clock.monotonic()

    def plugged(self) -> bytes:
        self._since, self.abc = self.clock.monotonic(), True
        return b""

    def good(self, order: bytes) -> bool:
        return _frame(order[1:8]) == order

    def obey(self, order: bytes) -> bytes:
        word, value = order[2], order[3]
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
