"""A BME280, or a BMP280: registers and forced conversions (Bosch's data sheet BST-BME280-DS002).

The trim constants of temperature and pressure are those of the example in Bosch's data sheet of
the BMP280; those of humidity are invented.
"""

import struct
import time
from collections.abc import Callable, Sequence

from mysense.testing.chips._registers import TIMES, Registers, search

T = (27504, 26435, -1000)
P = (36477, -10685, 3024, 2855, 140, -7, 15500, -14600, 6000)
H = (75, 362, 0, 333, 0, 30)


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


class Chip(Registers):
    """Measures ``temp`` (C), ``hpa`` and ``rh`` (%), or what ``adc`` says (temperature, pressure, humidity)."""

    writable, control, result = (0xF2, 0xF4, 0xF5), 0xF4, 0xF7

    def __init__(
        self, *, temp: float = 21.0, rh: float = 45.0, hpa: float = 1013.25, adc: Sequence[int] | None = None,
        identity: int = 0x60, clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self.temp, self.rh, self.hpa, self.adc, self.identity = temp, rh, hpa, adc, identity
        super().__init__(clock)

    def power_up(self) -> None:
        super().power_up()
        r = self.registers
        r[0xD0] = self.identity
        r[0x88:0xA0] = struct.pack("<HhhHhhhhhhhh", *T, *P)
        if self.identity == 0x60:
            r[0xA1] = H[0]
            r[0xE1:0xE8] = struct.pack(
                "<hBbBbb", H[1], H[2], H[3] >> 4, (H[3] & 15) | (H[4] & 15) << 4, H[4] >> 4, H[5]
            )
        r[0xF7:0xFF] = self._shown(0x80000, 0x80000, 0x8000)

    def _shown(self, temperature: int, pressure: int, humidity: int) -> bytes:
        data = (pressure << 4).to_bytes(3, "big") + (temperature << 4).to_bytes(3, "big")
        return data + (humidity.to_bytes(2, "big") if self.identity == 0x60 else b"\0\0")

    def busy(self, yes: bool) -> None:
        self.registers[0xF3] = 0x08 * yes

    def convert(self, control: int) -> tuple[bytes, float]:
        times = TIMES[control >> 5], TIMES[control >> 2 & 7], TIMES[self.registers[0xF2] & 7]
        seconds = 0.00125 + 0.0023 * sum(times) + 2 * 0.000575  # data sheet, 9.1: longest
        if self.adc:
            return self._shown(*self.adc), seconds
        t = search(lambda adc: temperature(adc)[1], self.temp, 20) if times[0] else 0x80000
        fine = temperature(t)[0]
        p = search(lambda adc: pressure(adc, fine), self.hpa, 20) if times[1] else 0x80000
        h = search(lambda adc: humidity(adc, fine), self.rh, 16) if times[2] else 0x8000
        return self._shown(t, p, h), seconds
