"""Bosch's way to talk, seen from the sensor: registers, and a conversion that takes its time."""

import time
from collections.abc import Callable, Collection

from mysense.testing.i2c import refuse

TIMES = (0, 1, 2, 4, 8, 16, 16, 16)
"""How often a quantity is measured, by the three bits that say so."""


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


class Registers:
    """A chip of registers that is told to measure by one of them, *control*.

    ``stuck``: no conversion ever comes to its end. ``conversions`` counts them.
    """

    writable: Collection[int] = ()
    control = 0
    result = 0
    """The first register of a result."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.stuck, self.conversions, self._clock = False, 0, clock
        self.power_up()

    def power_up(self) -> None:
        """The supply was away."""
        self.registers = bytearray(256)
        self._pointer, self._until, self._measured = 0, 0.0, b""

    def convert(self, control: int) -> tuple[bytes, float]:
        """A result as its registers have it, and the seconds that it takes."""
        raise NotImplementedError

    def busy(self, yes: bool) -> None:
        """Show in the status whether a conversion is on."""
        raise NotImplementedError

    def write(self, data: bytes) -> None:
        self._settle()
        self._pointer = data[0]
        for register, value in zip(data[0::2], data[1::2], strict=False):
            if register == 0xE0 and value == 0xB6:
                self.power_up()
            elif register in self.writable:
                self.registers[register] = value
                if register == self.control and value & 3:
                    self._convert(value)

    def read(self, count: int) -> bytes:
        self._settle()
        if self._pointer + count > 256:
            raise refuse()
        answer = bytes(self.registers[self._pointer : self._pointer + count])
        self._pointer += count
        return answer

    def _convert(self, control: int) -> None:
        self.conversions += 1
        self._measured, seconds = self.convert(control)
        self._until = self._clock() + seconds
        self.busy(True)

    def _settle(self) -> None:
        """A conversion whose time is over has its result in the registers, and the chip sleeps."""
        if self._until and self._clock() >= self._until and not self.stuck:
            self._until = 0.0
            self.registers[self.result : self.result + len(self._measured)] = self._measured
            self.registers[self.control] &= 0xFC
            self.busy(False)
