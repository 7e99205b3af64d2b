"""A simulated Dylos DC1100: a line of counts every minute, and it hears nothing."""

from mysense.clock import Clock
from mysense.testing import serial


class Device(serial.Device):
    """One that counts *small* and *large* particles per 0.01 cubic foot, every *interval* seconds."""

    def __init__(self, clock: Clock | None = None, small: int = 511, large: int = 21, interval: float = 60.0) -> None:
        super().__init__(clock)
        self.small, self.large, self.interval = small, large, interval
        self._spoke = self.clock.monotonic()

    def speak(self) -> bytes:
        now = self.clock.monotonic()
        if now - self._spoke < self.interval:
            return b""
        self._spoke = now
        return f"{self.small},{self.large}\r\n".encode()
