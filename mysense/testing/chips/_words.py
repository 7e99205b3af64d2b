"""Sensirion's way to talk, seen from the sensor: commands of two bytes, words with checksums, and time to think."""

import time
from collections.abc import Callable, Sequence

from mysense.testing.i2c import refuse

Answer = tuple[Sequence[int], float]
"""The words of an answer, and the seconds until it is there (no commands are taken before)."""


def crc(data: bytes) -> int:
    """CRC-8, polynomial 0x31, begun with 0xFF; bit by bit, as the data sheets have it."""
    rest = 0xFF
    for byte in data:
        rest ^= byte
        for _ in range(8):
            rest = (rest << 1 ^ 0x31) & 0xFF if rest & 0x80 else rest << 1
    return rest


def words(*numbers: int) -> bytes:
    """Each number with its checksum."""
    return b"".join(part + bytes((crc(part),)) for part in (number.to_bytes(2, "big") for number in numbers))


class Talker:
    """A chip that takes commands; *length* bytes each, maybe with words behind."""

    length = 2

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.silent = False
        self._answer = b""
        self._busy = 0.0
        self.power_up()

    def power_up(self) -> None:
        """The supply was away."""
        self._answer, self._busy = b"", 0.0

    def do(self, command: int, arguments: Sequence[int]) -> Answer | None:
        """The answer to a command; None when the chip does not take it (now)."""
        raise NotImplementedError

    def write(self, data: bytes) -> None:
        if self.silent or self.clock() < self._busy or len(data) < self.length:
            raise refuse()
        command, rest = int.from_bytes(data[: self.length], "big"), data[self.length :]
        parts = [rest[n : n + 3] for n in range(0, len(rest), 3)]
        if any(len(part) != 3 or crc(part[:2]) != part[2] for part in parts):
            return  # it does nothing, and says nothing
        answer = self.do(command, [int.from_bytes(part[:2], "big") for part in parts])
        if answer is None:
            raise refuse()
        self._answer, self._busy = words(*answer[0]), self.clock() + answer[1]

    def read(self, count: int) -> bytes:
        if self.silent or not self._answer or self.clock() < self._busy:
            raise refuse()
        answer, self._answer = self._answer, b""
        return answer[:count].ljust(count, b"\xff")
