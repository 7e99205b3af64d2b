"""Winsen MH-Z19, B and C: carbon dioxide by infrared light.

Commands and replies of 9 bytes at 9600 baud, 8N1 (Winsen, "MH-Z19B/MH-Z19C manual"). Its automatic
baseline correction (ABC) takes the least value of each day for fresh air of 400 ppm: right
outdoors and in rooms that are aired, wrong in stables and greenhouses.
"""

from collections.abc import Mapping

from mysense.hardware.frames import split
from mysense.hardware.serial import Question, SerialSensor
from mysense.options import seconds
from mysense.plugin import option
from mysense.telegram import SECOND, Field

HEAD = b"\xff"
READ, ABC = 0x86, 0x79
PATIENCE = 4.0
"""Seconds without an answer after which it counts as gone: it answers within 50 ms."""


def checksum(inside: bytes) -> int:
    """Of the seven bytes behind the first one.

    >>> checksum(bytes.fromhex("86026047000000")) == 0xD1
    True
    """
    return -sum(inside) & 0xFF


def measure(stream: bytes) -> int | None:
    """How long the good frame at the beginning of *stream* is; 0 if there is none, None if it is not whole."""
    if len(stream) > 1 and stream[1] not in (READ, ABC):
        return 0
    if len(stream) < 9:
        return None
    return 9 if checksum(stream[1:8]) == stream[8] else 0


def decode(frame: bytes) -> int:
    """Carbon dioxide in ppm, as a good frame says it; 0 while there is no value yet.

    >>> decode(bytes.fromhex("FF86026047000000D1"))
    608
    """
    return int.from_bytes(frame[2:4], "big")


def command(word: int, value: int = 0) -> bytes:
    """A command with its checksum.

    >>> command(READ).hex(), command(ABC, 0xA0).hex()
    ('ff0186000000000079', 'ff0179a000000000e6')
    """
    inside = bytes((1, word, value, 0, 0, 0, 0))
    return HEAD + inside + bytes((checksum(inside),))


class Sensor(SerialSensor):
    """Winsen MH-Z19 (B, C) carbon dioxide sensor."""

    questions = (Question(command(READ)),)
    measures = (Field("co2", "ppm", "MH-Z19"),)

    warm_up: float = option(
        180.0, "seconds after it got power of which nothing is believed: 60 for B and C", parse=seconds
    )
    abc: bool = option(True, "no: no automatic baseline correction, for places without fresh air every day")

    @classmethod
    def recognise(cls, heard: bytes) -> str | None:
        return "MH-Z19" if split(heard, HEAD, measure)[0] else None

    def open(self) -> None:
        # At the first time it may have had power for as long as this machine; what comes back had none.
        before = vars(self).get("_warm")
        up = self.clock.uptime() / SECOND if before is None else 0.0
        self._frames = self.frames("MH-Z19", HEAD, measure)
        self._warm = self.clock.monotonic() + self.warm_up - up
        self._frames.forget()
        self._port.write(command(ABC, 0xA0 if self.abc else 0))  # older ones do not confirm it

    def read(self) -> Mapping[str, int] | None:
        self._frames.forget()
        frame = self._frames.ask(command(READ), lambda frame: frame[1] == READ, 0.7)
        if frame is None:
            self._frames.expect(PATIENCE)
            return None
        ppm = decode(frame)
        return {"co2": ppm} if ppm and self.clock.monotonic() >= self._warm else None

    def check(self) -> str:
        with self:
            while self._frames.ask(command(READ), lambda frame: frame[1] == READ, 0.7) is None:
                self._frames.expect(PATIENCE)
            return f"MH-Z19, port {self._port.name}"


if __name__ == "__main__":
    from mysense import tryout

    tryout.sensor("mhz19")
