"""Which of Sensirion's humidity sensors is at an address: two families have the same ones."""

from mysense.errors import UnavailableError
from mysense.sensors._i2c import Address, Bus
from mysense.sensors._sensirion import answer

ADDRESSES = (0x44, 0x45, 0x46)
"""Where they can be; only an SHT4x is at the last."""
SERIAL = {"sht4x": (b"\x89", 0.01), "sht31": (b"\x37\x80", 0.001)}
"""How each is asked for its serial number, two words, and how long that takes (s)."""


def name(bus: Bus, address: int) -> str:
    """The plugin for the sensor at *address*; empty when it is none of these.

    Asks for serial numbers. The other family does not know the question, and does nothing.
    """
    return next((name for name, (ask, wait) in SERIAL.items() if answer(bus, address, ask, 2, wait)), "")


def insist(bus: Bus, address: int, wanted: str) -> None:
    """OSError when the sensor at *address* is of the other family, or of none."""
    found = name(bus, address)
    if found == wanted:
        return
    where = f"{Address(address)} on {bus.path}"
    if found:
        raise UnavailableError(f"the sensor at {where} is of the other family: call its section [sensor:{found}]")
    bus.ask(address, b"")  # that nothing answers is told better elsewhere
    raise UnavailableError(f"what answers at {where} is no {wanted.upper()}: it does not say a serial number")
