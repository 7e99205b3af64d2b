"""Which of Sensirion's humidity sensors is at an address: two families have the same ones."""

from mysense.sensors._i2c import Address, Bus
from mysense.sensors._sensirion import answer

ADDRESSES = (0x44, 0x45, 0x46)
"""Where they can be; only an SHT4x is at the last."""
QUESTIONS = {"sht4x": (b"\x89", 2, 0.01), "sht31": (b"\xf3\x2d", 1, 0.001)}
"""What each is asked (its serial number; its status), how many words come back, and after how long (s)."""


def name(bus: Bus, address: int) -> str:
    """The plugin for the sensor at *address*; empty when it is none of these.

    The other family does not know the question, and does nothing.
    """
    return next((name for name, question in QUESTIONS.items() if answer(bus, address, *question)), "")


def stranger(bus: Bus, address: int, wanted: str) -> str:
    """What to say about a sensor of the other family, or of none."""
    where = f"{Address(address)} on {bus.path}"
    if found := name(bus, address):
        return f"the sensor at {where} is of the other family: call its section [sensor:{found}]"
    return f"what answers at {where} is no {wanted}"
