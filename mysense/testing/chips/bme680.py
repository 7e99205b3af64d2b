"""A BME680, or a BME688: registers, forced conversions, the heated gas sensor (Bosch's data sheets, BME68x API).

The trim constants are invented; the formulas are those for floating point in Bosch's API.
"""

import struct
import time
from collections.abc import Callable

from mysense.testing.chips._registers import TIMES, Registers, search

T = (26130, 26312, 3)
P = (36480, -10420, 88, 7180, -115, 30, 52, -3350, -2230, 30)
H = (781, 1013, 0, 45, 20, 120, -100)
GAS = (-30, -5969, 18)
HEAT_RANGE, HEAT_VALUE, SWITCHING_ERROR = 1, -12, -3
_K1 = (0, 0, 0, 0, 0, -1, 0, -0.8, 0, 0, -0.2, -0.5, 0, -1, 0, 0)
_K2 = (0, 0, 0, 0, 0.1, 0.7, 0, -0.8, -0.1, 0, 0, 0, 0, 0, 0, 0)


def temperature(adc: int) -> float:
    """In C."""
    return ((adc / 16384 - T[0] / 1024) * T[1] + (adc / 131072 - T[0] / 8192) ** 2 * T[2] * 16) / 5120


def pressure(adc: int, temp: float) -> float:
    """In hPa."""
    a = temp * 5120 / 2 - 64000
    b = (a * a * P[5] / 131072 + a * P[4] * 2) / 4 + P[3] * 65536
    c = (1 + (P[2] * a * a / 16384 + P[1] * a) / 524288 / 32768) * P[0]
    p = (1048576 - adc - b / 4096) * 6250 / c
    p += (P[8] * p * p / 2147483648 + p * P[7] / 32768 + (p / 256) ** 3 * P[9] / 131072 + P[6] * 128) / 16
    return p / 100


def humidity(adc: int, temp: float) -> float:
    """In %."""
    a = adc - (H[0] * 16 + H[2] / 2 * temp)
    b = a * (H[1] / 262144 * (1 + H[3] / 16384 * temp + H[4] / 1048576 * temp * temp))
    return b + (H[5] / 16384 + H[6] / 2097152 * temp) * b * b


def resistance(adc: int, step: int, variant: int) -> float:
    """In kOhm."""
    if variant:
        return 1e3 * (262144 >> step) / (4096 + (adc - 512) * 3)
    a = (1340 + 5 * SWITCHING_ERROR) * (1 + _K1[step] / 100)
    return 1e-3 / ((1 + _K2[step] / 100) * 0.000000125 * (1 << step) * ((adc - 512) / a + 1))


class Chip(Registers):
    """Measures ``temp`` (C), ``rh`` (%), ``hpa`` and ``gas`` (kOhm). *variant* 1 is a BME688.

    ``cold``: the plate does not get hot. ``plate`` is the temperature (C) to which the kit has it heated.
    """

    writable, control, result = range(0x50, 0x76), 0x74, 0x1F

    def __init__(
        self, *, temp: float = 21.0, rh: float = 45.0, hpa: float = 1013.25, gas: float = 50.0, variant: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self.temp, self.rh, self.hpa, self.gas, self.variant, self.cold = temp, rh, hpa, gas, variant, False
        super().__init__(clock)

    def power_up(self) -> None:
        super().power_up()
        r = self.registers
        r[0xD0], r[0xF0] = 0x61, self.variant
        r[0x00], r[0x02], r[0x04] = HEAT_VALUE & 0xFF, HEAT_RANGE << 4, (SWITCHING_ERROR & 0x0F) << 4
        r[0x8A:0xA1] = struct.pack(
            "<hbBHhbBhhbbHhhB", T[1], T[2], 0, P[0], P[1], P[2], 0, P[3], P[4], P[6], P[5], 0, P[7], P[8], P[9]
        )
        shared = H[0] & 15 | (H[1] & 15) << 4
        r[0xE1:0xEF] = struct.pack(
            "<BBBbbbBbHhbb", H[1] >> 4, shared, H[0] >> 4, H[2], H[3], H[4], H[5], H[6], T[0], GAS[1], GAS[0], GAS[2]
        )
        r[0x1F:0x27] = b"\x80\0\0\x80\0\0\x80\0"

    @property
    def plate(self) -> float:
        """The temperature that belongs to the heater's setting, at an ambient temperature of 25 C."""
        target = self.registers[0x5A] / 3.4 + 25
        whole = target * (4 + HEAT_RANGE) / 4 * (1 + HEAT_VALUE * 0.002)
        steep = GAS[1] / 32768 * 0.0005 + 0.00235
        return ((whole - GAS[2] / 1024 * 25) / (GAS[0] / 16 + 49) - 1) / steep

    def busy(self, yes: bool) -> None:
        self.registers[0x1D] = 0x20 if yes else 0x80

    def convert(self, control: int) -> tuple[bytes, float]:
        times = TIMES[control >> 5], TIMES[control >> 2 & 7], TIMES[self.registers[0x72] & 7]
        wait, heated = self.registers[0x64], self.registers[0x71] & (0x20 if self.variant else 0x10)
        seconds = sum(times) * 0.001963 + 0.0048 + ((wait & 63) * 4 ** (wait >> 6) / 1000 if heated else 0)
        t = search(temperature, self.temp, 20) if times[0] else 0x80000
        temp = temperature(t)
        p = search(lambda adc: pressure(adc, temp), self.hpa, 20) if times[1] else 0x80000
        h = search(lambda adc: humidity(adc, temp), self.rh, 16) if times[2] else 0x8000
        result = b"".join((n << 4).to_bytes(3, "big") for n in (p, t)) + h.to_bytes(2, "big") + bytes(3)
        return result + (self._gas() if heated else bytes(4)), seconds

    def _gas(self) -> bytes:
        def found(step: int, adc: int) -> float:
            return abs(resistance(adc, step, self.variant) - self.gas)

        steps = range(15)
        best = {n: search(lambda adc, n=n: resistance(adc, n, self.variant), self.gas, 10) for n in steps}  # type: ignore[misc]
        step = min(steps, key=lambda n: found(n, best[n]))
        flags = 0x20 | (0 if self.cold else 0x10)
        result = (best[step] << 6 | flags | step).to_bytes(2, "big")
        return bytes(2) + result if self.variant else result + bytes(2)
