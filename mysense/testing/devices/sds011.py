"""A simulated SDS011: asleep it hears nothing but the call to wake up, and that only at the second time."""

from mysense.clock import Clock
from mysense.testing import serial


class Device(serial.Dust):
    """One with *name* as its id; *dust* is what it measures, PM2.5 and PM10 in ug/m3.

    *deaf* is how many calls it does not hear while asleep.
    """

    head, size = b"\xaa\xb4", 19
    warm_up = 15.0

    def __init__(
        self, clock: Clock | None = None, name: str = "A160", dust: tuple[float, float] = (12.3, 26.1)
    ) -> None:
        super().__init__(clock)
        self.name, self.dust = bytes.fromhex(name), dust
        self.asks, self.period = False, 0
        self.deaf, self._calls = 1, 0

    def speak(self) -> bytes:
        return b"" if self.asleep or self.asks or not self.is_time(1) else self.data()

    def data(self) -> bytes:
        """What it says of the dust now."""
        words = (round(10 * self.share * each).to_bytes(2, "little") for each in self.dust)
        return self._frame(0xC0, b"".join(words))

    def good(self, order: bytes) -> bool:
        return sum(order[2:17]) & 0xFF == order[17] and order[18] == 0xAB

    def obey(self, order: bytes) -> bytes:
        return self._obey(*order[2:5])

    def _obey(self, word: int, sets: int, value: int) -> bytes:
        if self.asleep:
            if (word, sets, value) != (6, 1, 1):
                return b""
            self._calls += 1
            if self._calls <= self.deaf:
                return b""
            self.wake()
        match word:
            case 2:
                self.asks = bool(value) if sets else self.asks
                return self._frame(0xC5, bytes((2, sets, self.asks, 0)))
            case 4:
                return self.data()
            case 6:
                if sets and not value:
                    self.sleep()
                    self._calls = 0
                return self._frame(0xC5, bytes((6, sets, not self.asleep, 0)))
            case 7:
                return self._frame(0xC5, bytes((7, 16, 11, 18)))
            case 8:
                self.period = value if sets else self.period
                return self._frame(0xC5, bytes((8, sets, self.period, 0)))
        return b""

    def _frame(self, kind: int, data: bytes) -> bytes:
        body = data + self.name
        return bytes((0xAA, kind)) + body + bytes((sum(body) & 0xFF, 0xAB))
