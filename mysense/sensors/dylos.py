"""Dylos DC1100 (Pro) and DC1700: small and large particles, counted once a minute.

The counter sends a line ``small,large`` over RS-232 (9600 baud, 8N1), in particles per 0.01
cubic foot. "small" holds all particles, the large ones too: those above 0.5 µm (Pro; the
DC1100 without Pro: 1 µm); "large" those above 2.5 µm (5 µm).
"""

import re
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import ClassVar, Literal

from mysense.hardware.serial import SerialSensor
from mysense.options import seconds
from mysense.plugin import option
from mysense.telegram import Field
from mysense.units import mass

QUIET = 0.03
"""Seconds without a byte that say: no line is on its way (a byte takes 1 ms, an adapter up to 16)."""
STALE = 10.0
"""Seconds after which half a line belongs to nothing that still comes."""
LONGEST = 80
"""Bytes without an end of line that are no line any more."""
_NUMBERS = re.compile(rb"\s*(\d{1,5})\s*,\s*(\d{1,5})\s*", re.ASCII)


def parse(line: bytes) -> tuple[int, int]:
    """The counts of small and large particles in one line; ValueError says what is wrong with it.

    >>> parse(b"511,21\\r\\n")
    (511, 21)
    """
    match = _NUMBERS.fullmatch(line)
    if not match:
        count = line.count(b",") + 1
        raise ValueError(f"{count} value{'s' * (count != 1)} instead of 2" if count != 2 else "not two whole numbers")
    small, large = int(match[1]), int(match[2])
    if small > 65535:
        raise ValueError("more than the counter can count")
    if large > small:
        raise ValueError("more large particles than particles")
    return small, large


class Sensor(SerialSensor):
    """Dylos DC1100 or DC1700 particle counter on a serial line."""

    silent = 0.0  # it tells that itself, after its patience
    seldom: ClassVar[str] = "sends once a minute"

    interval: float = option(0.0, "seconds between two readings; 0: each line as it comes", parse=seconds)
    unit: Literal["pcs/0.01ft3", "ug/m3"] = option("pcs/0.01ft3", "particles, or dust as estimated from them")
    subtract: bool = option(False, "yes: small particles without the large ones")
    patience: float = option(
        180.0, "seconds without a line after which it counts as gone; over an hour in its monitor mode", parse=seconds
    )

    @property
    def measures(self) -> tuple[Field, ...]:  # type: ignore[override]
        return Field("pm_25", self.unit, "Dylos DC1100"), Field("pm_10", self.unit, "Dylos DC1100")

    @classmethod
    def recognise(cls, heard: bytes) -> str | None:
        for line in re.split(rb"[\r\n]+", heard)[:-1]:
            with suppress(ValueError):
                return "Dylos DC1100" if parse(line) else None
        return None

    def open(self) -> None:
        self._lines: deque[bytes] = deque()
        self._half = b""
        self._heard = 0.0
        self._good = time.monotonic()
        self._passed = 0
        self.connect(QUIET)
        # A line that is under way while we open would give its last digits as a number.
        self._midway = self._port.read(1) not in (b"", b"\r", b"\n")
        self._port.wait(0.5)

    def read(self) -> Mapping[str, float] | None:
        if not self._lines:
            self._lines.extend(self._split(self._port.read(self._port.in_waiting or 1)))
        while self._lines:
            line = self._lines.popleft()
            try:
                counts = parse(line)
            except ValueError as error:
                self._pass_over(line, str(error))
            else:
                self._good = time.monotonic()
                return self._reading(*counts)
        if time.monotonic() - self._good > self.patience:
            raise TimeoutError(
                f"{self._port.name}: the Dylos says nothing: after a power cut somebody has to press its button"
            )
        return None

    def _split(self, heard: bytes) -> Iterator[bytes]:
        """The lines that are whole now; the last half of one is kept until the rest comes."""
        now = time.monotonic()
        if not heard:
            return
        if self._half and now - self._heard > STALE:
            self._pass_over(self._half, "the rest of the line did not come")
            self._half = b""
        self._heard = now
        *lines, self._half = re.split(rb"[\r\n]+", self._half + heard)
        if self._midway and lines:
            self._midway = False
            del lines[0]
        yield from filter(None, lines)
        if len(self._half) > LONGEST:
            self._pass_over(self._half, "no end of line")
            self._half, self._midway = b"", True

    def _pass_over(self, line: bytes, reason: str) -> None:
        self._passed += 1
        if self._passed == 1:
            self.log.warning("passed over %r: %s", line[:LONGEST], reason)

    def _reading(self, small: int, large: int) -> Mapping[str, float]:
        if self._passed > 1:
            self.log.warning("%d lines were passed over", self._passed)
        self._passed = 0
        fine = small - large if self.subtract else small
        if self.unit == "ug/m3":
            return {"pm_25": round(mass("pm25", fine), 3), "pm_10": round(mass("pm10", large), 3)}
        return {"pm_25": fine, "pm_10": large}

    def check(self) -> str:
        with self:
            return f"port {self._port.name}"


if __name__ == "__main__":
    from mysense import tryout

    tryout.sensor("dylos")
