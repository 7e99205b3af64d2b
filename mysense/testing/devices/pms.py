"""A simulated Plantower PMS: awake or asleep, speaking by itself or asked, and slow after waking."""

from mysense.clock import Clock
from mysense.testing import serial

FIRST = 3.0
"""Seconds from waking to the first frame."""
WARM_UP = 25.0
"""Seconds after waking in which it says too little."""


class Device(serial.Device):
    """One whose *words* (PM1, PM2.5, PM10 twice, six counts) are what it measures; *extra* are words behind those."""

    def __init__(
        self,
        clock: Clock | None = None,
        words: tuple[int, ...] = (5, 8, 9, 4, 7, 8, 900, 250, 40, 3, 1, 0),
        extra: tuple[int, ...] = (),
        error: int = 0,
    ) -> None:
        super().__init__(clock)
        self.words, self.extra, self.error = words, extra, error
        self.asleep, self.passive = False, False
        self.fan = 0.0
        """Seconds for which the fan ran."""
        self._since = self._spoke = self.clock.monotonic()
        self._buffer = b""

    def plugged(self) -> bytes:
        self._wake()
        return b""

    def hear(self, heard: bytes) -> bytes:
        self._buffer += heard
        said = b""
        while (begin := self._buffer.find(b"BM")) >= 0 and len(self._buffer) >= begin + 7:
            order, self._buffer = self._buffer[begin : begin + 7], self._buffer[begin + 7 :]
            if sum(order[:5]) == int.from_bytes(order[5:], "big"):
                said += self._obey(order[2], order[4])
        return said

    def speak(self) -> bytes:
        now = self.clock.monotonic()
        if self.asleep or self.passive or now - self._since < FIRST or now - self._spoke < 0.8:
            return b""
        self._spoke = now
        return self.data()

    def data(self) -> bytes:
        """What it says of the air now."""
        share = min(1.0, (self.clock.monotonic() - self._since) / WARM_UP)
        words = [*(round(word * share) for word in self.words), *self.extra, 0x9700 + self.error]
        return self._frame(b"".join(word.to_bytes(2, "big", signed=word < 0) for word in words))

    def _obey(self, word: int, value: int) -> bytes:
        if word == 0xE4:
            if value:
                if self.asleep:
                    self._wake()
                return b""
            if not self.asleep:
                self.fan += self.clock.monotonic() - self._since
                self.asleep = True
            return self._frame(bytes((word, value)))
        if self.asleep:
            return b""
        if word == 0xE1:
            self.passive = not value
            return self._frame(bytes((word, value)))
        awake = self.clock.monotonic() - self._since
        return self.data() if word == 0xE2 and awake >= FIRST else b""

    def _wake(self) -> None:
        self.asleep, self.passive, self._since = False, False, self.clock.monotonic()

    def _frame(self, data: bytes) -> bytes:
        body = b"BM" + (len(data) + 2).to_bytes(2, "big") + data
        return body + sum(body).to_bytes(2, "big")
