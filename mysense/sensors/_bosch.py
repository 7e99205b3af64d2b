"""What the weather sensors of Bosch have in common: addresses, identity, and a sign that they were reset."""

from collections.abc import Mapping

from mysense.errors import UnavailableError
from mysense.sensors._i2c import Address, Bus
from mysense.sensors._wires import NACK

ADDRESSES = (0x76, 0x77)
IDENTITY = b"\xd0"
"""The register that says which chip it is; the same in all of them."""
NAMES = {0x60: "bme280", 0x58: "bmp280", 0x56: "bmp280", 0x57: "bmp280", 0x61: "bme680"}
"""Which plugin a chip is for, by its identity."""
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


def stranger(bus: Bus, address: int, wanted: str) -> str:
    """What to say about a chip that is none of the *wanted* ones: which it is, and which section is for it."""
    where, number = f"{Address(address)} on {bus.path}", identity(bus, address)
    if found := NAMES.get(number):
        return f"the chip at {where} is a {found.upper()}: call its section [sensor:{found}]"
    return f"the chip at {where} is no {wanted}: its identity is {number:#04x}"


def compare(bus: Bus, address: int, *registers: bytes, skip: int = 0) -> None:
    """Read what the library has read from *registers* once more; RuntimeError when it is not the same.

    These chips have no checksum: a bit that turned on the way would be 20 C more. The first *skip* bytes of
    each may differ: flags that a chip may take back when they were read.
    """
    for register in registers:
        known = bus.answers(address, register)[skip:]
        if bus.ask(address, bytes((register[0] + skip,)), len(known)) != known:
            raise RuntimeError("it does not say the same twice: check cable, contacts and pull-ups")


def mark(bus: Bus, address: int, register: int) -> None:
    """Leave a sign in a register that a reset wipes out."""
    bus.ask(address, bytes((register, MARK)))


def look_at_mark(bus: Bus, address: int, register: int) -> None:
    """OSError when the chip was reset since: its values are wrong until it is set up anew."""
    if bus.ask(address, bytes((register,)), 1)[0] != MARK:
        raise UnavailableError(
            f"the sensor at {Address(address)} on {bus.path} was reset: its supply dipped; it is set up anew"
        )


def believe(bus: Bus, address: int, values: Mapping[str, float], *, measured: bool) -> None:
    """OSError when the registers say that nothing was *measured*, or one of the *values* cannot be.

    Then the chip, or its library, has lost the trim constants: they are read when it is set up anew.
    """
    where = f"the sensor at {Address(address)} on {bus.path}"
    if not measured:
        raise UnavailableError(f"{where} did not measure; it is set up anew")
    for name, (least, most) in LIMITS.items():
        if not least <= values[name] <= most:
            raise UnavailableError(f"{where} says {name} = {values[name]:.1f}, which cannot be; it is set up anew")
