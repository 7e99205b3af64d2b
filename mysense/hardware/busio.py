"""The I2C bus as a driver library is given it.

The libraries of Adafruit were made for microcontrollers: they wait for a lock in a spin, ask for
a status bit without end, and measure anew for each value. The bus that they get from here blocks
on a lock, ends every loop when the time of a reading is over, and answers from memory what was
measured already.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mysense.hardware.i2c import CANNOT, Bus


class BusIO(Bus):
    """Has the methods that Adafruit's libraries ask of ``busio.I2C``."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self._forget()

    def _forget(self) -> None:
        self._memory: dict[tuple[int, bytes], bytes] = {}
        self._said: dict[int, bytes] = {}
        self._unsaid: set[int] = set()
        self._again = False

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        self._forget()
        with super().within(seconds):
            yield

    @contextmanager
    def again(self) -> Iterator[None]:
        """What was written or asked in this ``within`` is not sent again, but answered from memory.

        So all values of a library that measures for each of them are of one moment, and the
        sensor measures once.
        """
        self._again = True
        try:
            yield
        finally:
            self._again = False

    def answers(self, address: int, register: bytes) -> bytes:
        """What was last read in this ``within`` after writing *register*; empty if nothing was."""
        return self._memory.get((address, register), b"")

    def try_lock(self) -> bool:
        """Wait for the bus; unlike a spin this costs nothing."""
        self._lock()
        return True

    def unlock(self) -> None:
        self._bus.lock.release()

    def writeto(self, address: int, buffer: Any, *, start: int = 0, end: int | None = None) -> None:
        out = bytes(buffer[start:end])
        if self._again and (address, out) in self._memory:
            self._said[address] = out
            self._unsaid.add(address)
            return
        try:
            self._transfer(address, out, 0)
        except OSError as error:
            if out or error.errno not in CANNOT:  # a library that looks whether somebody is there
                raise
        self._memory.setdefault((address, out), b"")
        self._said[address] = out
        self._unsaid.discard(address)

    def readfrom_into(self, address: int, buffer: Any, *, start: int = 0, end: int | None = None) -> None:
        end = len(buffer) if end is None else end
        buffer[start:end] = self._read(address, end - start)

    def writeto_then_readfrom(
        self, address: int, out_buffer: Any, in_buffer: Any, *,
        out_start: int = 0, out_end: int | None = None, in_start: int = 0, in_end: int | None = None,
    ) -> None:  # fmt: skip
        out, in_end = bytes(out_buffer[out_start:out_end]), len(in_buffer) if in_end is None else in_end
        known = self._memory.get((address, out), b"") if self._again else b""
        if len(known) != in_end - in_start:
            known = self._memory[address, out] = self._transfer(address, out, in_end - in_start)
        buffer = in_buffer
        buffer[in_start:in_end] = known

    def _read(self, address: int, count: int) -> bytes:
        said = self._said.get(address, b"")
        known = self._memory.get((address, said), b"") if self._again else b""
        if len(known) == count:
            return known
        if address in self._unsaid:
            self._transfer(address, said, 0)
            self._unsaid.discard(address)
        answer = self._memory[address, said] = self._transfer(address, None, count)
        return answer
