"""Nova SDS011: fine dust by a laser and a fan, which rest between two readings.

Frames of 10 bytes at 9600 baud, 8N1 (Nova Fitness, "Laser Dust Sensor Control Protocol", V1.3). The
laser lasts some 8000 hours. The device keeps its modes when it has no power: they are set
at each open.
"""

from collections.abc import Mapping
from typing import Literal

from mysense.hardware.frames import split
from mysense.hardware.serial import Question, refuse_other
from mysense.options import seconds
from mysense.plugin import option
from mysense.sensors._resting import Resting
from mysense.telegram import Field

HEAD = b"\xaa"
DATA, REPLY = 0xC0, 0xC5
MODE, DATUM, STATE, FIRMWARE, PERIOD = 2, 4, 6, 7, 8
CALLS = 10
"""How often it is called to wake up."""


def measure(stream: bytes) -> int | None:
    """How long the good frame at the beginning of *stream* is; 0 if there is none, None if it is not whole."""
    if len(stream) > 1 and stream[1] not in (DATA, REPLY):
        return 0
    if len(stream) < 10:
        return None
    return 10 if stream[9] == 0xAB and sum(stream[2:8]) & 0xFF == stream[8] else 0


def decode(frame: bytes) -> dict[str, float]:
    """Dust in ug/m3, as a good frame of data says it.

    >>> decode(bytes.fromhex("AAC0D4043A0AA1601DAB"))
    {'pm25': 123.6, 'pm10': 261.8}
    """
    return {"pm25": int.from_bytes(frame[2:4], "little") / 10, "pm10": int.from_bytes(frame[4:6], "little") / 10}


def command(*words: int) -> bytes:
    """A command to whichever device hears it.

    >>> command(STATE, 1, 1).hex()
    'aab406010100000000000000000000ffff06ab'
    """
    body = bytes(words).ljust(13, b"\0") + b"\xff\xff"
    return b"\xaa\xb4" + body + bytes((sum(body) & 0xFF, 0xAB))


def name(frame: bytes) -> str:
    """The id of the device that sent a frame, as its label has it."""
    return frame[6:8].hex().upper()


def _replies(frame: bytes, *words: int) -> bool:
    return frame[1] == REPLY and frame[2:].startswith(bytes(words))


WAKE, SLEEP = command(STATE, 1, 1), command(STATE, 1, 0)


class Sensor(Resting):
    """Nova SDS011 dust sensor: woken for each reading, so that its laser lasts for years."""

    questions = (Question(command(FIRMWARE)), Question(WAKE * 2, SLEEP))  # the first call is often lost
    farewell = SLEEP
    pace = 3.0  # more often it should not be asked

    warm_up: float = option(20.0, "seconds after waking of which nothing is believed", parse=seconds)
    device: str = option("", "id of the device that is meant, as in A160; empty: any")
    mode: Literal["active", "query"] = option("active", "it speaks every second while awake, or is asked every 3 s")

    @property
    def measures(self) -> tuple[Field, ...]:  # type: ignore[override]
        device = f"SDS011 {self.device.upper()}".rstrip()
        return Field("pm25", "ug/m3", device), Field("pm10", "ug/m3", device)

    @classmethod
    def recognise(cls, heard: bytes) -> str | None:
        frames = split(heard, HEAD, measure)[0]
        return f"SDS011 {name(frames[0])}" if frames else None

    def open(self) -> None:
        self.begin(HEAD, measure, "SDS011")
        self._calls = 0
        self._sure(STATE, 1, 1)
        self._duty.wake()
        self._sure(MODE, 1, self.mode == "query")
        self._sure(PERIOD, 1, 0)
        reply = self._sure(FIRMWARE)
        refuse_other(self._port.name, "SDS011", name(reply), self.device)
        year, month, day = reply[3:6]
        self._told = f"SDS011 {name(reply)} of 20{year:02}-{month:02}-{day:02}, port {self._port.name}"
        self.log.info("%s", self._told)

    def wake(self) -> bool:
        """The first call is often lost, then the next read calls again."""
        self._calls += 1
        self._frames.forget()
        if self._answer(0.4, STATE, 1, 1) is None:
            self._frames.expect(self.silence)
            if self._calls == CALLS:
                raise self._disobedient()
            return False
        self._calls = 0
        return True

    def question(self) -> bytes:
        return command(DATUM) if self.mode == "query" else b""

    def values(self, frame: bytes) -> Mapping[str, float] | None:
        return decode(frame) if frame[1] == DATA else None

    def _sure(self, *words: int) -> bytes:
        """The reply to a command, which is said again when it is lost."""
        for _ in range(4):
            if reply := self._answer(0.5, *words):
                return reply
            self._frames.expect(1.8)
        raise self._disobedient()

    def _answer(self, patience: float, *words: int) -> bytes | None:
        return self._frames.ask(command(*words), lambda frame: _replies(frame, *words), patience)

    def _disobedient(self) -> TimeoutError:
        return TimeoutError(f"{self._port.name}: the SDS011 speaks but does not obey: is our TX at its RX?")

    def check(self) -> str:
        with self:
            return self._told


if __name__ == "__main__":
    from mysense import tryout

    tryout.sensor("sds011")
