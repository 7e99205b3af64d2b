"""Which sensors are on an I2C bus: known addresses are asked harmless questions."""

import re

from mysense.hardware.i2c import Address, Bus, InUseError
from mysense.hardware.wires import DEVICES
from mysense.sensors import _bosch, _scd, _sht
from mysense.sensors._sensirion import answer

WHOLE = 3.0
"""Seconds that a look at one bus may take."""
QUESTIONS = {
    0x61: ("scd30", _scd.QUESTIONS["SCD30"]),
    0x62: ("scd4x", _scd.QUESTIONS["SCD4x"]),
    0x69: ("sps30", (b"\xd1\x00", 1, 0.02)),
}
"""What is asked where: see ``_scd.QUESTIONS``. An SPS30 tells its version."""


def buses() -> list[str]:
    """The I2C buses of this machine, as option ``bus`` names them."""
    names = (match[1] for path in DEVICES.glob("i2c-*") if (match := re.fullmatch(r"i2c-(\d+)", path.name)))
    return sorted(names, key=int)


def recognise(path: str) -> dict[Address, str]:
    """The sensors on a bus: their plugins by address, or nothing where another program has what is there.

    Only chips that identify themselves are named: by a register that says which chip it is, or by
    an answer with the right checksum. Raises OSError when the bus is not there or does not move.
    """
    bus, found = Bus(path), {}
    try:
        with bus.within(WHOLE):
            bus.open()
            for address in map(Address, sorted({*_bosch.ADDRESSES, *_sht.ADDRESSES, *QUESTIONS})):
                try:
                    bus.claim(address)
                except InUseError:
                    found[address] = ""
                    continue
                if plugin := _name(bus, address):
                    found[address] = plugin
                bus.release(address)
    finally:
        bus.close()
    return found


def _name(bus: Bus, address: int) -> str:
    if address in _bosch.ADDRESSES:
        return _bosch.NAMES.get(_bosch.identity(bus, address), "")
    if address in _sht.ADDRESSES:
        return _sht.name(bus, address)
    plugin, question = QUESTIONS[address]
    return plugin if answer(bus, address, *question) else ""
