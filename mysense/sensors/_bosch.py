"""What the weather sensors of Bosch have in common: they sleep, and are told to measure for each reading (forced mode).

They have no checksum: their trim constants are read twice when one is set up, and a sign is left in a register
that shows whether it was reset since.
"""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

from mysense.errors import UnavailableError
from mysense.hardware.busio import BusIO
from mysense.hardware.chip import Chip
from mysense.hardware.i2c import Address, Bus
from mysense.hardware.wires import NACK

ADDRESSES = (0x76, 0x77)
"""Where they can be."""
IDENTITY = b"\xd0"
"""The register that says which chip it is; the same in all of them."""
NAMES = {0x60: "bme280", 0x58: "bmp280", 0x56: "bmp280", 0x57: "bmp280", 0x61: "bme680"}
"""Which plugin a chip is for, by its identity."""
QUANTITIES = {"temp": "temperature", "rh": "humidity", "hpa": "pressure"}
"""What the libraries call the fields."""
LIMITS = {"temp": (-40.0, 85.0), "hpa": (300.0, 1100.0)}
"""Between which values these chips can measure (C, hPa; their data sheets)."""
MARK = 0xA0
"""What is left in a register that nobody needs. After power-on it holds 0."""


def identity(bus: Bus, address: int) -> int:
    """What the chip at *address* says it is; 0 when there is none. Reads one register."""
    try:
        return bus.ask(address, IDENTITY, 1)[0]
    except OSError as error:
        if error.errno in NACK:
            return 0
        raise


def compare(bus: BusIO, address: int, *registers: bytes, skip: int = 0) -> None:
    """Read what the library has read from *registers* once more; RuntimeError when it is not the same.

    These chips have no checksum: a bit that turned on the way would be 20 C more. The first *skip* bytes of
    each may differ: flags that a chip may take back when they were read.
    """
    for register in registers:
        known = bus.answers(address, register)[skip:]
        if bus.ask(address, bytes((register[0] + skip,)), len(known)) != known:
            raise RuntimeError("it does not say the same twice: check cable, contacts and pull-ups")


class Result(NamedTuple):
    """Where a raw value is: so many bytes behind a register, as the library asks for that.

    A quantity that is not measured shows *nothing*. So does one in a thousand that is, in a room of 26 C with 60 %:
    that it is not measured is sure when *bits* of the register *control*, how often it is measured, are 0.
    """

    register: bytes
    behind: int
    nothing: bytes
    control: int
    bits: int


TEMPERATURE = Result(b"\xfa", 0, b"\x80\x00\x00", 0xF4, 0xE0)
PRESSURE = Result(b"\xf7", 0, b"\x80\x00\x00", 0xF4, 0x1C)
"""As the BMP280 and the BME280 have them."""


class Weather(Chip):
    """A weather sensor of Bosch: all that it measures is of one moment."""

    addresses: ClassVar[tuple[int, ...]] = ADDRESSES
    trim: ClassVar[tuple[bytes, ...]] = ()
    """The registers of its trim constants, as the library asks for them."""
    spare: ClassVar[int] = 0xF5
    """A register that nobody needs (in most, the standby time of a chip that measures by itself)."""
    results: ClassVar[tuple[Result, ...]] = ()
    """Where its raw values are."""

    @abstractmethod
    def driver(self, library: Any, bus: BusIO, address: int) -> Any:
        """The library's object, which resets the chip and reads its trim constants; set to measure once."""

    def fits(self, bus: Bus, address: int) -> bool:
        return NAMES.get(identity(bus, address)) == self.device.lower()

    def stranger(self, bus: Bus, address: int) -> str:
        where, number = f"{Address(address)} on {bus.path}", identity(bus, address)
        if found := NAMES.get(number):
            return f"the chip at {where} is a {found.upper()}: call its section [sensor:{found}]"
        return f"the chip at {where} is no {self.device}: its identity is {number:#04x}"

    def begin(self, library: Any, bus: BusIO, address: int) -> None:
        self._driver = self.driver(library, bus, address)
        compare(bus, address, *self.trim)
        bus.ask(address, bytes((self.spare, MARK)))
        self._measure()  # the first after a reset can be far off

    def measure(self) -> Mapping[str, float]:
        if self.line.ask(self.at, bytes((self.spare,)), 1)[0] != MARK:
            raise self._doubt("was reset: its supply dipped")
        return self._measure()

    def values(self) -> dict[str, float]:
        """What the library makes of the result."""
        fields = (field.name for field in self.measures if field.name in QUANTITIES)
        return {name: getattr(self._driver, QUANTITIES[name]) for name in fields}

    def confirm(self) -> None:
        """Whether the chip says the same result once more."""
        compare(self.line, self.at, *(result.register for result in self.results))

    def _measured(self) -> bool:
        """Whether all of the raw values were measured."""
        empty = [result for result in self.results if self._raw(result) == result.nothing]
        if len(empty) == len(self.results):
            return False
        return all(self.line.ask(self.at, bytes((result.control,)), 1)[0] & result.bits for result in empty)

    def _raw(self, result: Result) -> bytes:
        return self.line.answers(self.at, result.register)[result.behind :][: len(result.nothing)]

    def _measure(self) -> Mapping[str, float]:
        """Its values; OSError where they cannot be: then the chip, or its library, has lost the trim constants."""
        _ = self._driver.temperature  # measures
        with self.line.again():  # the library would measure for each value
            values = self.values()
        self.confirm()
        if not self._measured():
            raise self._doubt("did not measure")
        for name, (least, most) in LIMITS.items():
            if not least <= values[name] <= most:
                raise self._doubt(f"says {name} = {values[name]:.1f}, which cannot be")
        return {name: round(value, 3) for name, value in values.items()}

    def _doubt(self, what: str) -> UnavailableError:
        return UnavailableError(f"the sensor at {self.at} on {self.line.path} {what}; it is set up anew")
