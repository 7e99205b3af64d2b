"""Plantower PMS5003, PMS7003 and kin: fine dust and particle counts by a laser and a fan, which rest in between.

Frames at 9600 baud, 8N1: 42 4D, a length, big-endian words, and the sum of all bytes before it
(Plantower, "PMS5003 series data manual", V2.3). Counts are of all particles above a size.
Of the words of dust, the first three are as the factory calibrated them (CF=1), the next three
for the atmosphere.
"""

from collections.abc import Mapping
from typing import Literal

from mysense.hardware.frames import split
from mysense.hardware.serial import Question
from mysense.plugin import option
from mysense.sensors._resting import Resting
from mysense.telegram import Field

HEAD = b"BM"
REPLY = 8
"""Bytes of the frame that confirms a command; every other one is data."""
LENGTHS = (4, 20, 28, 36)

_DUST = ("pm1_par", "pm25_par", "pm10_par", "pm1", "pm25", "pm10")
_COUNTS = ("pm03_cnt", "pm05_cnt", "pm1_cnt", "pm25_cnt", "pm5_cnt", "pm10_cnt")
WORDS: Mapping[str, tuple[str, ...]] = {
    "PMS3003": _DUST,
    "PMS5003": _DUST + _COUNTS,
    "PMS5003T": (*_DUST, *_COUNTS[:4], "temp", "rh"),
    "PMS5003ST": (*_DUST, *_COUNTS, "hcho", "temp", "rh"),
}
"""What the words of a frame are, by model."""
_LENGTH = {"PMS3003": 24, "PMS5003": 32, "PMS5003T": 32, "PMS5003ST": 40}
MOST = 10_000.0
"""Dust in ug/m3 up to which it is believed: the data sheet promises 1000 "and more", and smoke is more."""
_UNITS = {"temp": "C", "rh": "%"} | dict.fromkeys(_COUNTS, "pcs/L")


def measure(stream: bytes) -> int | None:
    """How long the good frame at the beginning of *stream* is; 0 if there is none, None if it is not whole."""
    if len(stream) < 4:
        return None
    inside = int.from_bytes(stream[2:4], "big")
    if inside not in LENGTHS:
        return 0
    length = inside + 4
    if len(stream) < length:
        return None
    return length if sum(stream[: length - 2]) == int.from_bytes(stream[length - 2 : length], "big") else 0


def decode(frame: bytes, model: str = "PMS5003") -> dict[str, float]:
    """What a good frame of data says: dust in ug/m3, counts per litre, °C, %.

    >>> said = decode(bytes.fromhex("424D001C 0005 0008 0009 0004 0007 0008 0384 00FA 0028 0003 0001 0000 9700 0318"))
    >>> said["pm25_par"], said["pm25"], said["pm03_cnt"], said["pm10_cnt"]
    (8, 7, 9000, 0)
    """
    said: dict[str, float] = {}
    for at, name in enumerate(WORDS[model]):
        word = int.from_bytes(frame[4 + 2 * at : 6 + 2 * at], "big", signed=name == "temp")
        said[name] = word * 10 if name in _COUNTS else word / 10 if name in ("temp", "rh") else word
    return said


def error(frame: bytes) -> int:
    """The error code of a frame of data; 0 is none."""
    return frame[-3] if len(frame) >= 32 else 0


def command(word: int, value: int) -> bytes:
    """A command with its sum.

    >>> command(0xE2, 0).hex()
    '424de200000171'
    """
    body = HEAD + bytes((word, 0, value))
    return body + sum(body).to_bytes(2, "big")


PASSIVE, ASK, SLEEP, WAKE = command(0xE1, 0), command(0xE2, 0), command(0xE4, 0), command(0xE4, 1)


class Sensor(Resting):
    """Plantower PMS5003, PMS7003 and kin: dust sensors whose fan rests between two readings."""

    questions = (Question(ASK), Question(WAKE, SLEEP, 10.0))
    farewell = SLEEP
    silence = 15.0  # after waking, the first frame may take 10

    model: Literal["PMS5003", "PMS3003", "PMS5003T", "PMS5003ST"] = option(
        "PMS5003", "PMS5003 is right for PMS1003, 6003, 7003, 9003 and A003, too"
    )
    particles: bool = option(True, "no: without particle counts, and without dust as the factory calibrated it")

    @property
    def measures(self) -> tuple[Field, ...]:  # type: ignore[override]
        return tuple(Field(name, _UNITS.get(name, "ug/m3"), self.model) for name in self._names())

    @property
    def ranges(self) -> Mapping[str, tuple[float, float]]:  # type: ignore[override]
        return {name: (0.0, MOST) for name in self._names() if name in _DUST}

    def _names(self) -> tuple[str, ...]:
        """What it gives, the usual first."""
        dust, more = WORDS[self.model][3:6], WORDS[self.model][6:]
        if self.particles:
            return dust + more + _DUST[:3]
        return dust + tuple(name for name in more if name not in _COUNTS)

    @classmethod
    def recognise(cls, heard: bytes) -> str | None:
        return "PMS" if split(heard, HEAD, measure)[0] else None

    def open(self) -> None:
        self.begin(HEAD, measure, self.model)

    def wake(self) -> bool:
        self._port.write(WAKE + PASSIVE)  # nothing confirms the first
        return True

    def question(self) -> bytes:
        return ASK

    def values(self, frame: bytes) -> Mapping[str, float] | None:
        if len(frame) == REPLY:
            return None
        self._look(frame)
        said = decode(frame, self.model)
        return {name: said[name] for name in self._names()}

    def _look(self, frame: bytes) -> None:
        """OSError for a frame of another model, and where the device itself tells of a fault."""
        if len(frame) != _LENGTH[self.model]:
            raise OSError(
                f"{self._port.name}: no {self.model} sends {len(frame)} bytes: which one is it? (option model)"
            )
        if self._duty.warm and (code := error(frame)):
            raise OSError(f"{self._port.name}: the {self.model} tells of a fault (code {code})")

    def check(self) -> str:
        """Whether it speaks: asked awake, it answers at once; asleep it takes some seconds."""
        with self:
            self.wake()
            for _ in range(10):
                frame = self._frames.ask(ASK, lambda frame: len(frame) > REPLY, 1.0)
                if frame is not None:
                    self._look(frame)
                    return f"{self.model}, version {frame[-4]:#x}, port {self._port.name}"
            self._frames.expect(0.0)
            return f"port {self._port.name}"


if __name__ == "__main__":
    from mysense import tryout

    tryout.sensor("pms")
