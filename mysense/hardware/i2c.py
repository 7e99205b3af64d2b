"""An I2C bus as one sensor sees it: its transfers end in time, its chip is its own, its errors are for a person."""

import errno
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Self

from mysense.errors import UnavailableError
from mysense.hardware.wires import NACK, Shared, where

IDLE = 1.0
"""Seconds that one transfer may take outside of ``within``."""
LOOK = 0.3
"""Seconds for finding out who answers, to tell it in a message."""
CANNOT = (errno.EOPNOTSUPP, errno.EINVAL)
"""What Linux says when the controller cannot write nothing."""
IN_USE = "in use by another program; where that is mysense, mysense tap shows what it reads"
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


class InUseError(UnavailableError):
    """Another program works with a chip."""


class Bus:
    """One sensor's view of a bus; the bus itself is shared.

    Whatever is done with it can raise OSError, and TimeoutError when the time of ``within`` is over.
    """

    def __init__(self, path: str) -> None:
        self.path = where(path)
        self._shared: Shared | None = None
        self._claimed: list[int] = []
        self._deadline: float | None = None
        self._trouble_at = 0

    def open(self) -> None:
        """Get hold of the bus; OSError says what to do when it is not there."""
        self._shared = Shared.join(self.path)
        with self._locked():
            self._shared.connect()

    def close(self) -> None:
        """Let go, of chips too. Safe at any time."""
        shared, self._shared = self._shared, None
        if shared:
            shared.leave(self._claimed)
        self._claimed.clear()

    def claim(self, address: int) -> None:
        """Have the chip at *address* for this process alone; InUseError while another one has it."""
        with self._locked():
            try:
                self._bus.claim(address)
            except BlockingIOError:
                raise InUseError(f"{Address(address)} on {self.path} is {IN_USE}") from None
        self._claimed.append(address)

    def release(self, address: int) -> None:
        """Let others have a chip that was claimed."""
        with self._locked():
            self._bus.release(address)
        self._claimed.remove(address)

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """All that is done in here ends after *seconds*, if need be by TimeoutError.

        What went wrong on the bus comes out as it was, even where a library hid it behind
        another exception, and with words for a person.
        """
        self._trouble_at = 0
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

    @property
    def _bus(self) -> Shared:
        if not self._shared:
            raise UnavailableError(f"{self.path} is closed")
        return self._shared

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._lock()
        try:
            yield
        finally:
            self._bus.lock.release()

    def _lock(self) -> None:
        if not self._bus.lock.acquire(timeout=self._left()):
            raise TimeoutError(f"{self.path} was busy with other sensors all the time")

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
