"""A simulated SPEC DGS gas sensor: silent until something is sent, then one line, a second later."""

from math import inf

from mysense.clock import Clock
from mysense.testing import serial

SLOW = 0.8
"""Seconds in which it measures."""


class Device(serial.Device):
    """One with the serial number *name* in air with *ppb* of its gas; it has run for *runs* seconds."""

    def __init__(
        self, clock: Clock | None = None, name: str = "110816020533", ppb: int = 12, runs: float = 7200.0
    ) -> None:
        super().__init__(clock)
        self.name, self.ppb = name, ppb
        self._began = self.clock.monotonic() - runs
        self._due = inf

    def hear(self, heard: bytes) -> bytes:
        if harm := set(heard) & set(b"ZABSLlr"):
            raise AssertionError(f"{bytes(harm)!r} changes how it is set")
        self._due = min(self._due, self.clock.monotonic() + SLOW)
        return b""

    def speak(self) -> bytes:
        if self.clock.monotonic() < self._due:
            return b""
        self._due = inf
        minutes, second = divmod(int(self.clock.monotonic() - self._began), 60)
        hours, minute = divmod(minutes, 60)
        day, hour = divmod(hours, 24)
        runs = f"{day:02}, {hour:02}, {minute:02}, {second:02}"
        return f"{self.name}, {self.ppb}, 21, 44, 32531, 26051, 27117, {runs}\r\n".encode()
