"""A simulated Arduino with a Shinyei PPD42NS: it starts anew when its port is opened, and measures when asked."""

import json
from math import inf

from mysense.clock import Clock
from mysense.testing import serial

START = 2.0
"""Seconds in which it hears nothing after it was started."""


class Device(serial.Device):
    """One that counts *counts* particles per 0.01 cubic foot, small and large; None where no light was scattered."""

    def __init__(
        self,
        clock: Clock | None = None,
        counts: tuple[float | None, float | None] = (341.2, 12.5),
        version: str = "1.08",
    ) -> None:
        super().__init__(clock)
        self.counts, self.version = counts, version
        self.interval, self.sample, self.request = 60, 15, False
        self._ready = self._due = inf
        self._buffer = b""

    def plugged(self) -> bytes:
        self.interval, self.sample, self.request = 60, 15, False
        self._ready = self.clock.monotonic() + START
        self._due = self._ready + self.interval
        return b"{}\n"

    def hear(self, heard: bytes) -> bytes:
        if self.clock.monotonic() < self._ready:
            return b""
        self._buffer += heard
        *lines, self._buffer = self._buffer.split(b"\n")
        return b"".join(map(self._obey, lines))

    def speak(self) -> bytes:
        if self.clock.monotonic() < self._due:
            return b""
        self._due = inf if self.request else self._due + self.interval
        small, large = self.counts
        said = {"pm25_count": 1, "pm25_ratio": 1.2, "pm25_pcs/qf": small, "pm25_ug/m3": small and small * 0.0016}
        said |= {"pm10_count": 1, "pm10_ratio": 0.1, "pm10_pcs/qf": large, "pm10_ug/m3": large and large * 0.32}
        return json.dumps(said).encode() + b"\r\n"

    def _obey(self, line: bytes) -> bytes:
        if line[:1] != b"C":
            if self.request and self._due == inf:
                self._due = self.clock.monotonic() + 2 * self.sample
            return b""
        _, interval, sample, *request = line.split()
        self.interval, self.sample, self.request = int(interval), int(sample), bool(request)
        self._due = inf if self.request else self.clock.monotonic() + self.interval
        said = {"version": self.version, "type": "PPD42NS", "interval": self.interval, "sample": self.sample}
        return json.dumps(said | {"request": self.request}).encode() + b"\r\n"
