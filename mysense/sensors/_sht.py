"""What Sensirion's humidity sensors have in common: two families have the same addresses, and speak differently."""

from collections.abc import Mapping
from typing import ClassVar

from mysense.hardware.chip import Chip
from mysense.hardware.i2c import Address, Bus
from mysense.sensors._sensirion import answer

ADDRESSES = (0x44, 0x45, 0x46)
"""Where they can be; only an SHT4x is at the last."""
LIMITS = {"temp": (-40.0, 125.0)}
"""Between which temperatures (C) they measure (Sensirion, data sheets SHT3x-DIS and SHT4x)."""
QUESTIONS = {"sht4x": (b"\x89", 2, 0.01), "sht31": (b"\xf3\x2d", 1, 0.001)}
"""What each is asked (its serial number; its status), how many words come back, and after how long (s)."""


def name(bus: Bus, address: int) -> str:
    """The plugin for the sensor at *address*; empty when it is none of these.

    The other family does not know the question, and does nothing.
    """
    return next((name for name, question in QUESTIONS.items() if answer(bus, address, *question)), "")


class Humidity(Chip):
    """A humidity sensor of one of the families, named as its plugin is."""

    ranges: ClassVar[Mapping[str, tuple[float, float]]] = LIMITS

    def fits(self, bus: Bus, address: int) -> bool:
        return name(bus, address) == self.device.lower()

    def stranger(self, bus: Bus, address: int) -> str:
        if found := name(bus, address):
            where = f"{Address(address)} on {bus.path}"
            return f"the sensor at {where} is of the other family: call its section [sensor:{found}]"
        return super().stranger(bus, address)
