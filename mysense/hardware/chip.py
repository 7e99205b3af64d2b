"""What all sensors on I2C share: their options, and the frame around a driver library or a parser.

A sensor derives from ``Chip``, and needs nothing else of this package.
"""

import os
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import field
from types import ModuleType
from typing import Any, ClassVar

from mysense import plugin
from mysense.errors import UnavailableError
from mysense.extras import library
from mysense.hardware.busio import BusIO
from mysense.hardware.i2c import Address, Bus, InUseError, listed
from mysense.hardware.wires import NACK, meant
from mysense.plugin import option

DAMAGED = 3
"""Readings in a row with a wrong checksum, or none at all, that are an outage."""
LIBRARIES = (RuntimeError, ArithmeticError)
"""What driver libraries raise when a checksum is wrong, a flag does not come, or numbers do not fit."""


class Chip(plugin.Sensor):
    """A sensor on I2C: its options, and the frame around a library or a parser.

    A subclass says what it is called and where it can be, and has ``fits`` and ``measure``; ``begin`` too where
    there is something to set up. While it is open, ``self.line`` is the bus, ``self.at`` its address there.
    What these raise becomes what the daemon understands: the OSErrors of the bus (``hardware.i2c.Bus``) with words
    for a person; RuntimeError and ArithmeticError mean a reading that came damaged: ``DAMAGED`` in a row are an outage.
    """

    device: ClassVar[str] = ""
    """What people call it."""
    library: ClassVar[str] = ""
    """The module of its driver library, one that is made for ``busio.I2C``; empty: it needs none."""
    addresses: ClassVar[tuple[int, ...]] = ()
    """Where such a sensor can be."""
    opening: ClassVar[float] = 5.0
    """Seconds in which it must be set up."""
    patience: ClassVar[float] = 0.9
    """Seconds in which a reading must be there."""

    bus: str = option(
        "1", "number of the I2C bus (1 is /dev/i2c-1), its path, or unix: and the path of a simulated one", parse=meant
    )
    i2c: Address | None = option(
        None, "address as i2cdetect shows it (0x76); empty: the only such sensor there is", parse=Address.parse
    )

    _driver: Any = field(init=False, repr=False, default=None)
    """The library's object, where there is one."""

    @abstractmethod
    def fits(self, bus: Bus, address: int) -> bool:
        """Whether such a sensor is at *address*: it does what is harmless to any other. Raises OSError.

        Where no chip answers, what the bus raises means no.
        """

    def begin(self, library: Any, bus: BusIO, address: int) -> None:
        """Set the sensor up, in ``opening`` seconds; *library* is the module, None where it needs none.

        Raises OSError, or what its library raises. Without this there is nothing to set up.
        """

    @abstractmethod
    def measure(self) -> Mapping[str, float | None] | None:
        """One reading in the units of ``measures``, or None when there is none yet; ``patience`` seconds at most.

        Raises OSError, and RuntimeError where what came is damaged.
        """

    def ask(self, out: bytes | None, count: int = 0) -> bytes:
        """Write *out* to the sensor (None: nothing), then read *count* bytes, in one transfer. Raises OSError."""
        return self.line.ask(self.at, out, count)

    def stranger(self, bus: Bus, address: int) -> str:
        """What to say about a chip that does not fit."""
        return f"what answers at {Address(address)} on {bus.path} is no {self.device}"

    def open(self) -> None:
        self._damaged = 0
        library = self._library()
        try:
            with self._found(self.opening):
                self.begin(library, self.line, self.at)
        except LIBRARIES as error:
            raise UnavailableError(f"the {self.device} on {self.line.path} cannot be set up: {error}") from error

    def check(self) -> str:
        self._library()
        try:
            with self._found(self.opening):
                return f"{self.device} at {self.at} on {self.line.path}"
        finally:
            self.close()

    def read(self) -> Mapping[str, float | None] | None:
        try:
            with self.line.within(self.patience):
                reading = self.measure()
        except LIBRARIES as error:  # once is chance
            self._damaged += 1
            if self._damaged >= DAMAGED:
                raise UnavailableError(f"{self.at} on {self.line.path}: {error}") from error
            return None
        if reading:
            self._damaged = 0
        return reading

    def close(self) -> None:
        if line := vars(self).pop("line", None):
            line.close()

    def _library(self) -> ModuleType | None:
        return adafruit(self.library) if self.library else None

    @contextmanager
    def _found(self, seconds: float) -> Iterator[None]:
        """The bus, open, and the sensor's address, for so many seconds; OSError when it is another chip."""
        self.line = BusIO(self.bus)
        with self.line.within(seconds):
            self.line.open()
            self.at = Address(self._place())
            yield

    def _place(self) -> int:
        """Where the one sensor is that is meant; it is claimed. Asking what another program has would disturb that."""
        places = (self.i2c,) if self.i2c else self.addresses
        fitting, taken = [], None
        for place in places:
            try:
                self.line.claim(place)
            except InUseError as error:
                taken = error
                continue
            if self._fits(place):
                fitting.append(place)
            else:
                self.line.release(place)
        if len(fitting) > 1:
            raise UnavailableError(
                f"there are several at {listed(fitting, ' and ')} on {self.line.path}: name one as 'i2c'"
            )
        if fitting:
            return fitting[0]
        if taken:
            raise taken
        for place in filter(self.line.hears, places):
            raise UnavailableError(self.stranger(self.line, place))
        raise self.line.nobody(places)

    def _fits(self, place: int) -> bool:
        try:
            return self.fits(self.line, place)
        except OSError as error:
            if error.errno in NACK:  # nobody is there
                return False
            raise


def adafruit(module: str) -> ModuleType:
    """A driver library of Adafruit. ImportError says what to install.

    They import Blinka, which on a terminal would ask and run pip, unless told to leave that.
    """
    os.environ.setdefault("BLINKA_SKIP_DEPENDENCY_CHECK", "1")
    try:
        return library(module, "adafruit")
    except (RuntimeError, NotImplementedError) as error:  # Blinka does not know this board, or misses gpiod
        raise ImportError(f"{module} cannot be used here ({error}): pip install 'mysense[adafruit]'") from None
