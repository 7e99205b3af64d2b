"""The I2C bus as a driver library is given it.

The libraries of Adafruit were made for microcontrollers: they wait for a lock in a spin, ask for
a status bit without end, and measure anew for each value. The bus that they get from here blocks
on a lock, ends every loop when the time of a reading is over, and answers from memory what was
measured already.
"""

import errno
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Self

from mysense.errors import UnavailableError
from mysense.sensors._wires import NACK, Shared, where

IDLE = 1.0
"""Seconds that one transfer may take outside of ``within``."""
LOOK = 0.3
"""Seconds for finding out who answers, to tell it in a message."""
CANNOT = (errno.EOPNOTSUPP, errno.EINVAL)
"""What Linux says when the controller cannot write nothing."""
_LAST = 0x77
_never = threading.Event()


class Address(int):
    """A place on the bus, shown as i2cdetect shows it."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """
        >>> Address.parse("0x76")
        0x76
        """
        try:
            number = int(text, 16 if text.lower().startswith("0x") else 10)
        except ValueError:
            raise ValueError(f"{text!r} is no address: write it as i2cdetect shows it, with 0x: 0x76") from None
        if not text.lower().startswith("0x") and number < 100:
            raise ValueError(f"{text!r}: write the address with 0x, as 0x{text}")
        if not 0x08 <= number <= _LAST:
            raise ValueError(f"{text!r} is no address: those are 0x08 to 0x77")
        return cls(number)

    def __str__(self) -> str:
        return f"{int(self):#04x}"

    __repr__ = __str__


class Bus:
    """One sensor's view of a bus; the bus itself is shared.

    Has the methods that Adafruit's libraries ask of ``busio.I2C``. Each can raise OSError, and
    TimeoutError when the time of ``within`` is over.
    """

    def __init__(self, path: str) -> None:
        self.path = where(path)
        self._shared: Shared | None = None
        self._deadline: float | None = None
        self._begin()

    def _begin(self) -> None:
        self._memory: dict[tuple[int, bytes], bytes] = {}
        self._said: dict[int, bytes] = {}
        self._unsaid: set[int] = set()
        self._trouble_at = 0
        self._again = False

    def open(self) -> None:
        """Get hold of the bus; OSError says what to do when it is not there."""
        self._shared = Shared.join(self.path)
        with self._locked():
            self._shared.connect()

    def close(self) -> None:
        """Let go. Safe at any time."""
        shared, self._shared = self._shared, None
        if shared:
            shared.leave()

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """All that is done in here ends after *seconds*, if need be by TimeoutError.

        What went wrong on the bus comes out as it was, even where a library hid it behind
        another exception, and with words for a person.
        """
        self._begin()
        self._deadline = time.monotonic() + seconds
        try:
            yield
        except OSError as error:
            raise self._told(error) from None
        except Exception as error:
            if trouble := _behind(error):
                raise self._told(trouble) from None
            raise
        finally:
            self._deadline = None

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

    def pause(self, seconds: float) -> None:
        """Give a sensor time."""
        _never.wait(min(seconds, max(0.0, self._left())))
        self._left()

    def ask(self, address: int, out: bytes | None, count: int = 0) -> bytes:
        """Write *out* (None: nothing), then read *count* bytes, in one transfer that nobody gets between."""
        with self._locked():
            return self._transfer(address, out, count)

    def scan(self) -> list[int]:
        """The addresses where a chip answers."""
        return [address for address in range(0x08, _LAST + 1) if self.hears(address)]

    def hears(self, address: int) -> bool:
        """Whether a chip answers at *address*.

        It is written nothing to. Where the controller cannot do that (Raspberry Pi 5) it is read
        from, and sensors that only speak when asked are not heard.
        """
        for out, count in ((b"", 0), (None, 1)):
            try:
                self.ask(address, out, count)
            except OSError as error:
                if error.errno in (*NACK, errno.EIO):
                    return False
                if out is None or error.errno not in CANNOT:
                    raise
            else:
                return True
        return False

    # What Adafruit's libraries call

    def try_lock(self) -> bool:
        """Wait for the bus; unlike a spin this costs nothing."""
        if not self._bus.lock.acquire(timeout=self._left()):
            raise TimeoutError(f"{self.path} was busy with other sensors all the time")
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

    @property
    def _bus(self) -> Shared:
        if not self._shared:
            raise UnavailableError(f"{self.path} is closed")
        return self._shared

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.try_lock()
        try:
            yield
        finally:
            self.unlock()

    def _transfer(self, address: int, out: bytes | None, count: int) -> bytes:
        try:
            return self._bus.transfer(address, out, count, self._left())
        except OSError:
            self._trouble_at = address
            raise

    def _left(self) -> float:
        """Seconds that are left; TimeoutError when there are none."""
        if self._deadline is None:
            return IDLE
        if (left := self._deadline - time.monotonic()) <= 0:
            raise TimeoutError("it did not come to an end in time: a status that never changes")
        return left

    def _told(self, error: OSError) -> OSError:
        """An error of the bus in words for a person."""
        if error.errno in NACK:
            return self.nobody([self._trouble_at])
        if error.errno == errno.ETIMEDOUT:
            return UnavailableError(
                f"{self.path} does not move: a sensor without supply or a short holds it; switch the supply off and on"
            )
        if isinstance(error, UnavailableError | TimeoutError):
            return error
        return UnavailableError(f"{self.path} fails ({error.strerror or error}): was its adapter pulled out?")

    def nobody(self, addresses: Iterable[int]) -> UnavailableError:
        """That nothing answers at *addresses*, with who does elsewhere."""
        self._deadline = time.monotonic() + LOOK
        try:
            others = f" (what answers: {listed(found)})" if (found := self.scan()) else " (nor anywhere on it)"
        except OSError:
            others = ""
        return UnavailableError(
            f"nothing answers at {listed(addresses, ' or ')} on {self.path}{others}: "
            "check the wiring, the supply and the address"
        )


def _behind(error: BaseException | None) -> OSError | None:
    """The OSError for which a library raised something else."""
    while error:
        error = error.__cause__ or error.__context__
        if isinstance(error, OSError):
            return error
    return None


def listed(addresses: Iterable[int], between: str = ", ") -> str:
    """
    >>> listed([0x76, 0x77], " or ")
    '0x76 or 0x77'
    """
    return between.join(str(Address(address)) for address in addresses)
