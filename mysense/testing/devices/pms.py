"""A simulated Plantower PMS: awake or asleep, speaking by itself or asked, and slow after waking."""

from mysense.clock import Clock
from mysense.testing import serial

FIRST = 3.0
"""Seconds from waking to the first frame."""


class Device(serial.Dust):
    """One whose *words* (PM1, PM2.5, PM10 twice, six counts) are what it measures; *extra* are words behind those."""

    head, size = b"BM", 7
    warm_up = 25.0

    def __init__(
        self,
        clock: Clock | None = None,
        words: tuple[int, ...] = (5, 8, 9, 4, 7, 8, 900, 250, 40, 3, 1, 0),
        extra: tuple[int, ...] = (),
        error: int = 0,
    ) -> None:
        super().__init__(clock)
        self.words, self.extra, self.error, self.passive = words, extra, error, False

    def wake(self) -> None:
        super().wake()
        self.passive = False

    def speak(self) -> bytes:
        if self.asleep or self.passive or self.awake < FIRST or not self.is_time(0.8):
            return b""
        return self.data()

    def data(self) -> bytes:
        """What it says of the air now."""
        words = [*(round(word * self.share) for word in self.words), *self.extra, 0x9700 + self.error]
        return self._frame(b"".join(word.to_bytes(2, "big", signed=word < 0) for word in words))

    def good(self, order: bytes) -> bool:
        return sum(order[:5]) == int.from_bytes(order[5:], "big")

    def obey(self, order: bytes) -> bytes:
        word, value = order[2], order[4]
        if word == 0xE4:
            if not value:
                self.sleep()
                return self._frame(bytes((word, value)))
            if self.asleep:
                self.wake()
            return b""
        if self.asleep:
            return b""
        if word == 0xE1:
            self.passive = not value
            return self._frame(bytes((word, value)))
        return self.data() if word == 0xE2 and self.awake >= FIRST else b""

    def _frame(self, data: bytes) -> bytes:
        body = b"BM" + (len(data) + 2).to_bytes(2, "big") + data
        return body + sum(body).to_bytes(2, "big")
