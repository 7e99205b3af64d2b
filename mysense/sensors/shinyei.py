"""Shinyei PPD42NS behind an Arduino: small and large particles by the time that light is scattered.

The board's program (version 1) speaks JSON, one a line, at 9600 baud, 8N1: what it is set to, and what it
counted, in particles per 0.01 cubic foot. It is asked for each reading and measures one size
after the other. Its own micrograms are not used: they are a quarter too low.
"""

import json
from collections.abc import Mapping
from math import inf
from typing import Any, ClassVar, Literal

from mysense.hardware.frames import lines, split
from mysense.hardware.serial import Question, SerialSensor
from mysense.options import seconds
from mysense.plugin import option
from mysense.telegram import Field
from mysense.units import mass

HEAD = b"{"
LONGEST = 400
"""Bytes without an end of line that are no line any more."""
AGAIN = 3.0
"""Seconds after which it is told or asked again: opening the port starts it anew, which takes 2."""
TRIES = 12
"""How often."""
PATIENCE = 20.0
"""Seconds of silence, besides what it needs to measure, after which it counts as gone."""
_SMALL, _LARGE = "pm25_pcs/qf", "pm10_pcs/qf"


def decode(line: bytes) -> dict[str, Any]:
    """What a line says; ValueError where it is none.

    >>> decode(b'{"pm25_pcs/qf": 341.2, "pm10_pcs/qf": null}')
    {'pm25_pcs/qf': 341.2, 'pm10_pcs/qf': None}
    """
    try:
        said = json.loads(line)
    except RecursionError:
        raise ValueError("too deeply nested") from None
    if not isinstance(said, dict):
        raise ValueError("no object")
    for name in (_SMALL, _LARGE):
        value = said.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or value < 0):
            raise ValueError(f"{name} is no number of particles")
    return said


measure = lines(decode, LONGEST)


class Sensor(SerialSensor):
    """Arduino with a Shinyei PPD42NS dust sensor."""

    seldom: ClassVar[str] = "measures for 20 s or longer"
    questions = (Question(b"C 60 20 R\n"),)  # opening the port has set it back anyway

    interval: float = option(60.0, "seconds from one reading to the next", parse=seconds)
    sample: float = option(
        20.0, "seconds for which it measures each of the two sizes", parse=seconds, least=10, most=3600
    )
    unit: Literal["pcs/0.01ft3", "ug/m3"] = option("pcs/0.01ft3", "particles, or dust as estimated from them")

    @property
    def measures(self) -> tuple[Field, ...]:  # type: ignore[override]
        return Field("pm_25", self.unit, "PPD42NS"), Field("pm_10", self.unit, "PPD42NS")

    @classmethod
    def recognise(cls, heard: bytes) -> str | None:
        for said in map(decode, split(heard, HEAD, measure)[0]):
            if said.get("type") == "PPD42NS" or _SMALL in said:
                return "Arduino with PPD42NS"
        return None

    def open(self) -> None:
        self._frames = self.frames("PPD42NS", HEAD, measure)
        self._set, self._asked, self._due, self._tries = False, False, -inf, 0

    def read(self) -> Mapping[str, float | None] | None:
        self._speak()
        line = self._frames.next(0.7)
        if line is None:
            self._frames.expect(PATIENCE + 4 * self.sample * self._asked)  # an answer may be lost
            return None
        said = decode(line)
        if "type" in said:
            self._agree(said)
        elif not said:  # so it begins, when it was started anew
            self._set, self._asked, self._due = False, False, -inf
        if not self._set or not self._asked or _SMALL not in said or _LARGE not in said:
            return None
        self._asked, self._due = False, -inf
        return {"pm_25": self._amount("pm25", said[_SMALL]), "pm_10": self._amount("pm10", said[_LARGE])}

    def _speak(self) -> None:
        """Tell the board how it is to measure; then ask it, once for each reading, and anew where that is lost."""
        now = self.clock.monotonic()
        if now < self._due:
            return
        if not self._set:
            if self._tries == TRIES:
                raise OSError(
                    f"{self._port.name}: the board does not do as it is told: is version 1 of its program on it?"
                )
            self._tries += 1
        self._asked = self._set
        self._due = now + AGAIN + 2 * self.sample * self._asked
        self._frames.send(b"\n" if self._asked else self._setting())

    def _setting(self) -> bytes:
        return b"C %d %d R\n" % (max(self.interval, 2 * self.sample), self.sample)

    def _agree(self, said: Mapping[str, Any]) -> None:
        """Whether the board is what we take it for, and measures as it was told."""
        if said["type"] != "PPD42NS" or str(said.get("version"))[:1] != "1":
            raise OSError(f"{self._port.name}: the board has {said['type']} {said.get('version')}, not PPD42NS 1")
        self._set = bool(said.get("request")) and said.get("sample") == int(self.sample)
        self._asked = self._asked and self._set
        if self._set and not self._asked:
            self._due = -inf

    def _amount(self, size: str, count: float | None) -> float | None:
        if count is None or self.unit != "ug/m3":
            return count
        return round(mass(size, count), 3)

    def check(self) -> str:
        with self:
            while not self._set:
                self.read()
            return f"PPD42NS, port {self._port.name}"


if __name__ == "__main__":
    from mysense import tryout

    tryout.sensor("shinyei")
