"""SPEC DGS (ULPSM): one gas each, by an electrochemical cell: ozone, nitrogen dioxide, sulphur dioxide, …

Eleven numbers in a line at 9600 baud, 8N1: serial number, ppb, °C, %, three raw values, and how
long it has run (SPEC Sensors, "DGS series user manual", 2017). A carriage return asks for one. Other
letters are commands, some of which change its calibration: they are never sent.
"""

import re
import time
from collections.abc import Mapping
from math import inf
from typing import NamedTuple

from mysense.errors import UnavailableError
from mysense.hardware.frames import lines, split
from mysense.hardware.serial import Question, SerialSensor
from mysense.options import seconds
from mysense.plugin import option
from mysense.telegram import Field

GASES = ("o3", "no2", "so2", "co", "eth", "h2s")
LIMITS = (-10_000.0, 1_000_000.0)
"""Between which ppb a cell is believed: an offset may lie below zero, and no cell is made for more than 1000 ppm."""
ASK = b"\r"
PACE = 3.0
"""Seconds after which a question counts as lost."""
PATIENCE = 8.0
"""Seconds of silence after which it counts as gone."""
LONGEST = 120
"""Bytes without an end of line that are no line any more."""

_LINE = re.compile(
    rb"\s*(\d{12}), ?(-?\d{1,7}), ?(-?\d{1,2}), ?(\d{1,3}), ?\d+, ?\d+, ?\d+, ?(\d+), ?(\d\d?), ?(\d\d?), ?(\d\d?)\s*"
)


class Measured(NamedTuple):
    """What a line says: which device, ppb of its gas, °C, %, and for how many seconds it has run."""

    serial: str
    ppb: int
    temp: int
    rh: int
    runs: int


def parse(line: bytes) -> Measured:
    """One line; ValueError where it is none.

    >>> parse(b"110816020533, 12, 21, 44, 32531, 26051, 27117, 00, 01, 02, 03\\r\\n")
    Measured(serial='110816020533', ppb=12, temp=21, rh=44, runs=3723)
    """
    match = _LINE.fullmatch(line)
    if not match:
        raise ValueError("not eleven numbers, the first a serial number")
    ppb, temp, rh, days, hours, minutes, secs = map(int, match.groups()[1:])
    if rh > 100 or hours > 23 or minutes > 59 or secs > 59:
        raise ValueError("a number that cannot be")
    return Measured(match[1].decode(), ppb, temp, rh, ((days * 24 + hours) * 60 + minutes) * 60 + secs)


measure = lines(parse, LONGEST)


def gases(text: str) -> str:
    """*text* if it names a gas, or one for each serial number; else ValueError.

    >>> gases("110816020533: no2, 111116010138: o3")
    '110816020533: no2, 111116010138: o3'
    """
    for serial, gas in _pairs(text):
        if gas not in GASES:
            raise ValueError(f"{gas!r} is no gas of a SPEC DGS; those are {', '.join(GASES)}")
        if serial and not re.fullmatch(r"\d{12}", serial):
            raise ValueError(f"{serial!r} is no serial number: those are 12 digits, on the back of the cell")
    if "," in text and not all(serial for serial, _ in _pairs(text)):
        raise ValueError("one gas, or each with its serial number: 110816020533: no2, 111116010138: o3")
    return text


def _pairs(text: str) -> list[tuple[str, str]]:
    parts = (part.rpartition(":") for part in text.split(","))
    return [(serial.strip(), gas.strip()) for serial, _, gas in parts]


class Sensor(SerialSensor):
    """SPEC DGS gas sensor; two of them are told apart by their serial numbers."""

    questions = (Question(ASK, patience=1.5),)

    interval: float = option(15.0, "seconds between two readings", parse=seconds)
    gas: str = option(
        help="its gas (o3, no2, so2, co, eth, h2s), or that of each serial number: 110816020533: no2, 111116010138: o3",
        parse=gases,
    )
    warm_up: float = option(3600.0, "seconds after it got power of which nothing is believed", parse=seconds)

    @property
    def measures(self) -> tuple[Field, ...]:  # type: ignore[override]
        """With a list of serial numbers it is known once the device has said its own."""
        [(serial, gas), *more] = _pairs(self.gas)
        gas = vars(self).get("_gas", "" if more else gas)
        if not gas:
            return ()
        device = f"SPEC DGS {vars(self).get('_serial') or serial}".rstrip()
        return Field(gas, "ppb", device), Field("gtemp", "C", device), Field("grh", "%", device)

    @property
    def ranges(self) -> Mapping[str, tuple[float, float]]:  # type: ignore[override]
        return {field.name: LIMITS for field in self.measures if field.name in GASES}

    @classmethod
    def recognise(cls, heard: bytes) -> str | None:
        lines = split(heard, b"", measure)[0]
        return f"SPEC DGS {parse(lines[0]).serial}" if lines else None

    def open(self) -> None:
        self._frames = self.frames("SPEC DGS", b"", measure)
        self._frames.forget()
        self._asked = -inf
        while (line := self._frames.ask(ASK, bool, 2.0)) is None:
            self._frames.expect(PATIENCE / 2)
        self._serial = parse(line).serial
        self._gas = self._gas_of(self._serial)

    def _gas_of(self, serial: str) -> str:
        known = dict(_pairs(self.gas))
        if gas := known.get("") or known.get(serial):
            return gas
        raise UnavailableError(f"{self._port.name} leads to the SPEC DGS {serial}, not to {' or '.join(known)} (gas)")

    def read(self) -> Mapping[str, float] | None:
        if time.monotonic() - self._asked >= PACE:
            self._frames.forget()
            self._asked = time.monotonic()
            self._frames.send(ASK)
        line = self._frames.next(0.7)
        if line is None:
            self._frames.expect(PATIENCE)
            return None
        self._asked = -inf
        said = parse(line)
        if said.serial != self._serial or said.runs < self.warm_up:
            return None
        return {self._gas: said.ppb, "gtemp": said.temp, "grh": said.rh}

    def check(self) -> str:
        with self:
            return f"SPEC DGS {self._serial} ({self._gas}), port {self._port.name}"


if __name__ == "__main__":
    from mysense import tryout

    tryout.sensor("spec_dgs")
