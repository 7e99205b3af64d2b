"""Which sensor is behind a serial port: by what it says, or by its answer to questions that harm no other."""

import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from mysense import registry
from mysense.sensors._frames import TICK
from mysense.sensors._serial import Question, SerialSensor, connect

LISTEN = 3.0
"""Seconds in which a device that speaks by itself has spoken; but a Dylos only speaks once a minute."""
ENOUGH = 4096
"""Bytes, the newest, in which a device is looked for."""


class Found(NamedTuple):
    """A sensor that was recognised: its plugin, what its section needs, and what the device calls itself."""

    plugin: str
    options: dict[str, str]
    device: str


def recognise(port: str, patience: float = 0.0) -> Found | None:
    """What is behind *port*; None when nothing that speaks is known.

    Listens first, then asks, which takes half a minute at most; then listens on until *patience*
    seconds are over in all. The device is left as it was: one that slept sleeps again. Raises
    OSError that says what to do when the port cannot be opened.
    """
    end = time.monotonic() + patience
    kinds = serial_sensors()
    slow = min(kind.baudrate for kind in kinds.values())
    line = connect(port, slow, TICK)
    try:
        ear = _Ear(port, line, kinds)
        found = ear.listen(LISTEN)
        for speed, question in () if found else _questions(kinds):
            if found := ear.ask(speed, question):
                break
        return found or ear.tune(slow).listen(end - time.monotonic())
    finally:
        line.close()


def serial_sensors() -> Mapping[str, type[SerialSensor]]:
    """The sensors on serial lines, by name."""
    found = {name: registry.find("sensor", name) for name in registry.names("sensor")}
    return {name: kind for name, kind in found.items() if issubclass(kind, SerialSensor)}


def _questions(kinds: Mapping[str, type[SerialSensor]]) -> Iterator[tuple[int, Question]]:
    """What to ask at which speed: first what wakes nobody, the slow lines first, short questions first.

    A short one is no command to anybody else, while the letters in a long one are some to a device of text.
    """
    asked = {
        (bool(question.undo), question.patience * bool(question.undo), kind.baudrate, len(question.ask), question)
        for kind in kinds.values()
        for question in kind.questions
    }
    for _, _, speed, _, question in sorted(asked):
        yield speed, question


class _Ear:
    """Listens to one line."""

    def __init__(self, port: str, line: Any, kinds: Mapping[str, type[SerialSensor]]) -> None:
        self._port, self._line, self._kinds, self._heard = port, line, kinds, b""

    def tune(self, speed: int) -> "_Ear":
        """Listen at another speed; what was heard at the old one means nothing then."""
        if self._line.baudrate != speed:
            self._line.baudrate, self._heard = speed, b""
        return self

    def ask(self, speed: int, question: Question) -> Found | None:
        self.tune(speed)
        self._line.write(question.ask)
        found = self.listen(question.patience)
        if question.undo:
            self._line.write(question.undo)
        return found

    def listen(self, seconds: float) -> Found | None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if heard := self._line.read(self._line.in_waiting or 1):
                self._heard = (self._heard + heard)[-ENOUGH:]
                for name, kind in self._kinds.items():
                    if kind.baudrate == self._line.baudrate and (device := kind.recognise(self._heard)):
                        return Found(name, {"port": self._port}, device)
        return None
