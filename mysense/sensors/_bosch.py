"""What the weather sensors of Bosch have in common: addresses, identity, and a sign that they were reset."""

from mysense.errors import UnavailableError
from mysense.sensors._i2c import Address, Bus

ADDRESSES = (0x76, 0x77)
IDENTITY, CONFIG = b"\xd0", 0xF5
"""Registers of the BME280 and BMP280. The BME680 has its identity at the same place."""
NAMES = {0x60: "bme280", 0x58: "bmp280", 0x56: "bmp280", 0x57: "bmp280", 0x61: "bme680"}
"""Which plugin a chip is for, by its identity."""
MARK = 0xA0
"""A standby time, which means nothing to a chip that measures when told: power-on leaves another there."""


def name(bus: Bus, address: int) -> str:
    """The plugin for the chip at *address*; empty when it is none of these. Reads one register."""
    return NAMES.get(bus.ask(address, IDENTITY, 1)[0], "")


def insist(bus: Bus, address: int, wanted: str) -> None:
    """OSError when the chip at *address* is not the one that *wanted* is for, and which section is."""
    identity = bus.ask(address, IDENTITY, 1)[0]
    found = NAMES.get(identity, "")
    if found == wanted:
        return
    where = f"{Address(address)} on {bus.path}"
    if found:
        raise UnavailableError(f"the chip at {where} is a {found.upper()}: call its section [sensor:{found}]")
    raise UnavailableError(f"the chip at {where} is no {wanted.upper()}: its identity is {identity:#04x}")


def mark(bus: Bus, address: int) -> None:
    """Leave a sign in a register that a reset wipes out."""
    bus.ask(address, bytes((CONFIG, MARK)))


def look_at_mark(bus: Bus, address: int) -> None:
    """OSError when the chip was reset since: its values are wrong until it is set up anew."""
    if bus.ask(address, bytes((CONFIG,)), 1)[0] != MARK:
        raise UnavailableError(
            f"the sensor at {Address(address)} on {bus.path} was reset: its supply dipped; it is set up anew"
        )
