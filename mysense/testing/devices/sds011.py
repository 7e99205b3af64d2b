"""A simulated SDS011: asleep it hears nothing but the call to wake up, and that only at the second time."""

from mysense.clock import Clock
from mysense.testing import serial

WARM_UP = 15.0
"""Seconds after waking in which it says too little dust."""


class Device(serial.Device):
    """One with *name* as its id; *dust* is what it measures, PM2.5 and PM10 in ug/m3.

    *deaf* is how many calls it does not hear while asleep.
    """

    def __init__(
        self, clock: Clock | None = None, name: str = "A160", dust: tuple[float, float] = (12.3, 26.1)
    ) -> None:
        super().__init__(clock)
        self.name, self.dust = bytes.fromhex(name), dust
        self.asleep, self.asks, self.period = False, False, 0
        self.deaf = 1
        self.laser = 0.0
        """Seconds for which the laser was on."""
        self._calls = 0
        self._since = self._spoke = self.clock.monotonic()
        self._buffer = b""

    def plugged(self) -> bytes:
        self._wake()
        return b""

    def hear(self, heard: bytes) -> bytes:
        self._buffer += heard
        said = b""
        while (begin := self._buffer.find(b"\xaa\xb4")) >= 0 and len(self._buffer) >= begin + 19:
            order, self._buffer = self._buffer[begin : begin + 19], self._buffer[begin + 19 :]
            if sum(order[2:17]) & 0xFF == order[17] and order[18] == 0xAB:
                said += self._obey(*order[2:5])
        return said

    def speak(self) -> bytes:
        now = self.clock.monotonic()
        if self.asleep or self.asks or now - self._spoke < 1:
            return b""
        self._spoke = now
        return self.data()

    def data(self) -> bytes:
        """What it says of the dust now."""
        share = min(1.0, (self.clock.monotonic() - self._since) / WARM_UP)
        words = (round(10 * share * each).to_bytes(2, "little") for each in self.dust)
        return self._frame(0xC0, b"".join(words))

    def _obey(self, word: int, sets: int, value: int) -> bytes:
        if self.asleep:
            if (word, sets, value) != (6, 1, 1):
                return b""
            self._calls += 1
            if self._calls <= self.deaf:
                return b""
            self._wake()
        match word:
            case 2:
                self.asks = bool(value) if sets else self.asks
                return self._frame(0xC5, bytes((2, sets, self.asks, 0)))
            case 4:
                return self.data()
            case 6:
                if sets and not value:
                    self.laser += self.clock.monotonic() - self._since
                    self.asleep, self._calls = True, 0
                return self._frame(0xC5, bytes((6, sets, not self.asleep, 0)))
            case 7:
                return self._frame(0xC5, bytes((7, 16, 11, 18)))
            case 8:
                self.period = value if sets else self.period
                return self._frame(0xC5, bytes((8, sets, self.period, 0)))
        return b""

    def _wake(self) -> None:
        self.asleep, self._since = False, self.clock.monotonic()

    def _frame(self, kind: int, data: bytes) -> bytes:
        body = data + self.name
        return bytes((0xAA, kind)) + body + bytes((sum(body) & 0xFF, 0xAB))
