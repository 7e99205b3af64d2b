"""DS18B20 and its kin on the 1-wire bus: a probe for air, soil or water, read through the kernel.

``dtoverlay=w1-gpio`` in /boot/firmware/config.txt switches the bus on (pin 4). A probe has the
number of its own, ``28-0316a2794cff``, so that many can hang on one wire: a section for each.
Facts: DS18B20 data sheet (19-7487), Documentation/w1/slaves/w1_therm.rst.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import ClassVar

from mysense import plugin
from mysense.errors import UnavailableError
from mysense.hardware.lapses import Lapses
from mysense.hardware.sysfs import ROOT, below, number, text
from mysense.plugin import Found, option
from mysense.telegram import Field

DEVICES = Path("sys/bus/w1/devices")
LAPSES = 4
"""Readings in a row that may fail: long wires do."""
RANGE = (-55.0, 125.0)
"""What it can measure, in °C."""
POWER_ON = 85.0
"""What a probe shows that has not measured since it was switched on, in °C."""
_NOT_MEASURED = 0x0C
"""Byte 6 of the scratchpad until the first measurement."""
_FAMILY = re.compile(r"(10|22|28|42)-[0-9a-f]{12}", re.IGNORECASE)
_SAID = re.compile(
    r"((?:[0-9a-f]{2} ){9}): crc=([0-9a-f]{2}) (YES|NO)\s+((?:[0-9a-f]{2} ){9})t=(-?\d+)", re.IGNORECASE | re.ASCII
)


def crc8(data: Iterable[int]) -> int:
    """The checksum of Maxim's 1-wire chips (polynomial x⁸+x⁵+x⁴+1, lowest bit first).

    >>> hex(crc8(bytes.fromhex("72014b467fff0e10")))
    '0x57'
    """
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x8C if crc & 1 else 0)
    return crc


def parse(said: str, steps: int = 16) -> float:
    """The temperature (°C) in what ``w1_slave`` says; ValueError tells why there is none.

    *steps* is how many the probe counts to a degree: 16, or 2 of a DS18S20 (whose rest of the
    count makes it finer).

    >>> parse("72 01 4b 46 7f ff 0e 10 57 : crc=57 YES\\n72 01 4b 46 7f ff 0e 10 57 t=23125\\n")
    23.125
    """
    match = _SAID.fullmatch(said.strip())
    if not match:
        raise ValueError("the kernel says something else than a temperature" if said.strip() else "no answer")
    scratchpad = bytes.fromhex(match[1])
    if match[3].upper() != "YES" or int(match[2], 16) != scratchpad[8] or crc8(scratchpad[:8]) != scratchpad[8]:
        raise ValueError("the checksum is wrong")
    if bytes.fromhex(match[4]) != scratchpad or not any(scratchpad):  # a wire that lies at ground sends zeros
        raise ValueError("the kernel says something else than a temperature")
    temp = int(match[5]) / 1000
    raw = int.from_bytes(scratchpad[:2], "little", signed=True)
    if abs(temp - raw / steps) > (0.001 if steps == 16 else 0.75) or not RANGE[0] <= temp <= RANGE[1]:
        raise ValueError(f"{temp} °C cannot be")
    if temp == POWER_ON and scratchpad[6] == _NOT_MEASURED:
        raise ValueError("85 °C: it has not measured since it was switched on")
    return temp


class Sensor(plugin.Sensor):
    """DS18B20 temperature probe on the 1-wire bus; a section for each probe."""

    measures = (Field("temp", "C", "DS18B20"),)
    ranges: ClassVar[Mapping[str, tuple[float, float]]] = {"temp": RANGE}

    id: str = option("", "number of the probe, as 28-0316a2794cff; empty: the only one on the bus")
    root: Path = option(ROOT, "the folder that /sys lies in")

    def open(self) -> None:
        self._folder = self._probe()
        self._lapses = Lapses(LAPSES)

    def read(self) -> Mapping[str, float] | None:
        """Takes 0.75 s: so long does a probe measure."""
        try:
            temp = self._temp()
        except FileNotFoundError:
            self._probe()  # says what is there
            raise
        except (ValueError, OSError) as error:  # the kernel's EIO: no answer, or a wrong checksum
            self._lapses.failed(f"{self._folder.name}: {getattr(error, 'strerror', None) or error}")
            return None
        self._lapses.well()
        return {"temp": temp}

    def _temp(self) -> float:
        if (file := self._folder / "w1_slave").exists():  # the one with the checksum
            return parse(text(file), 2 if self._folder.name.startswith("10-") else 16)
        temp = number(self._folder / "temperature") / 1000
        if temp == POWER_ON:
            raise ValueError("85 °C: it may not have measured since it was switched on")
        if not RANGE[0] <= temp <= RANGE[1]:
            raise ValueError(f"{temp} °C cannot be")
        return temp

    def _probe(self) -> Path:
        """The folder of the probe; UnavailableError when it is not there, or not clear which is meant."""
        probes = {folder.name.lower(): folder for folder in _probes(self.root)}
        if self.id.lower() in probes:
            return probes[self.id.lower()]
        if not probes:
            off = not (self.root / DEVICES).is_dir()
            raise UnavailableError(
                "the 1-wire bus is off: write dtoverlay=w1-gpio into /boot/firmware/config.txt and restart the Pi"
                if off
                else "no probe answers on the 1-wire bus: is there a resistor of 4.7 kOhm from the data wire to 3.3 V?"
            )
        if self.id:
            raise UnavailableError(f"the probe {self.id} is not on the bus; there are: {', '.join(probes)}")
        if len(probes) > 1:
            raise UnavailableError(f"there are several probes: name one as 'id': {', '.join(probes)}")
        return next(iter(probes.values()))

    def check(self) -> str:
        with self:
            return f"probe {self._folder.name}"

    @classmethod
    def found(cls, root: Path = ROOT) -> Iterable[Found]:
        return [Found({"id": folder.name}, f"probe {folder.name}") for folder in _probes(root)]


def _probes(root: Path) -> Iterable[Path]:
    return (folder for folder in below(root / DEVICES, "*-*") if _FAMILY.fullmatch(folder.name))


if __name__ == "__main__":
    from mysense import tryout

    tryout.sensor("ds18b20")
