"""A BME280, or a BMP280: registers and forced conversions (Bosch's data sheet BST-BME280-DS002).

The trim constants of temperature and pressure are those of the example in Bosch's data sheet of
the BMP280; those of humidity are invented.
"""

import struct
import time
from collections.abc import Callable, Sequence

from mysense.testing.i2c import refuse

T = (27504, 26435, -1000)
P = (36477, -10685, 3024, 2855, 140, -7, 15500, -14600, 6000)
H = (75, 362, 0, 333, 0, 30)
_TIMES = (0, 1, 2, 4, 8, 16, 16, 16)


def temperature(adc: int) -> tuple[float, float]:
    """t_fine, and the temperature in C."""
    a = (adc / 16384 - T[0] / 1024) * T[1] + (adc / 131072 - T[0] / 8192) ** 2 * T[2]
    return a, a / 5120


def pressure(adc: int, fine: float) -> float:
    """In hPa."""
    a = fine / 2 - 64000
    b = (a * a * P[5] / 32768 + a * P[4] * 2) / 4 + P[3] * 65536
    c = (1 + (P[2] * a * a / 524288 + P[1] * a) / 524288 / 32768) * P[0]
    p = (1048576 - adc - b / 4096) * 6250 / c
    return (p + (P[8] * p * p / 2147483648 + p * P[7] / 32768 + P[6]) / 16) / 100


def humidity(adc: int, fine: float) -> float:
    """In %."""
    x = fine - 76800
    y = (adc - (H[3] * 64 + H[4] / 16384 * x)) * (H[1] / 65536 * (1 + H[5] / 67108864 * x * (1 + H[2] / 67108864 * x)))
    return y * (1 - H[0] * y / 524288)


def search(function: Callable[[int], float], target: float, bits: int) -> int:
    """The number of so many bits for which a monotonous *function* comes nearest to *target*."""
    low, high = 0, (1 << bits) - 1
    rising = function(high) > function(low)
    while high - low > 1:
        middle = (low + high) // 2
        if (function(middle) < target) == rising:
            low = middle
        else:
            high = middle
    return min(low, high, key=lambda adc: abs(function(adc) - target))


class Chip:
    """Measures ``temp`` (C), ``hpa`` and ``rh`` (%), or what ``adc`` says (temperature, pressure, humidity).

    ``stuck`` leaves the bit that says "measuring" set. ``conversions`` counts them.
    """

    def __init__(
        self, *, temp: float = 21.0, rh: float = 45.0, hpa: float = 1013.25, adc: Sequence[int] | None = None,
        identity: int = 0x60, clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self.temp, self.rh, self.hpa, self.adc = temp, rh, hpa, adc
        self.identity, self.stuck, self.conversions = identity, False, 0
        self._clock, self._until = clock, 0.0
        self.power_up()

    def power_up(self) -> None:
        self.registers = r = bytearray(256)
        r[0xD0] = self.identity
        r[0x88:0xA0] = struct.pack("<HhhHhhhhhhhh", *T, *P)
        if self.identity == 0x60:
            r[0xA1] = H[0]
            r[0xE1:0xE8] = struct.pack(
                "<hBbBbb", H[1], H[2], H[3] >> 4, (H[3] & 15) | (H[4] & 15) << 4, H[4] >> 4, H[5]
            )
        self._pointer, self._until, self._result = 0, 0.0, b""
        self._show(0x80000, 0x80000, 0x8000)

    def _show(self, temperature: int, pressure: int, humidity: int) -> None:
        data = (pressure << 4).to_bytes(3, "big") + (temperature << 4).to_bytes(3, "big")
        self._result = data + (humidity.to_bytes(2, "big") if self.identity == 0x60 else b"\0\0")
        if not self._until:
            self.registers[0xF7:0xFF] = self._result

    def write(self, data: bytes) -> None:
        self._settle()
        self._pointer = data[0]
        for register, value in zip(data[0::2], data[1::2], strict=False):
            if register == 0xE0 and value == 0xB6:
                self.power_up()
            elif register in (0xF2, 0xF4, 0xF5):
                self.registers[register] = value
                if register == 0xF4 and value & 3:
                    self._convert(value)

    def read(self, count: int) -> bytes:
        self._settle()
        if self._pointer + count > 256:
            raise refuse()
        answer = bytes(self.registers[self._pointer : self._pointer + count])
        self._pointer += count
        return answer

    def _convert(self, control: int) -> None:
        times = _TIMES[control >> 5], _TIMES[control >> 2 & 7], _TIMES[self.registers[0xF2] & 7]
        self.conversions += 1
        seconds = (
            1.25 + 2.3 * times[0] + (2.3 * times[1] + 0.575) + (2.3 * times[2] + 0.575)
        )  # data sheet, 9.1: longest
        self._until = self._clock() + seconds / 1000
        self.registers[0xF3] = 0x08
        if self.adc:
            self._show(*self.adc)
            return
        t = search(lambda adc: temperature(adc)[1], self.temp, 20) if times[0] else 0x80000
        fine = temperature(t)[0]
        p = search(lambda adc: pressure(adc, fine), self.hpa, 20) if times[1] else 0x80000
        h = search(lambda adc: humidity(adc, fine), self.rh, 16) if times[2] else 0x8000
        self._show(t, p, h)

    def _settle(self) -> None:
        """A conversion whose time is over has its result in the registers, and the chip sleeps."""
        if self._until and self._clock() >= self._until and not self.stuck:
            self._until = 0.0
            self.registers[0xF7:0xFF] = self._result
            self.registers[0xF3] = 0
            self.registers[0xF4] &= 0xFC
