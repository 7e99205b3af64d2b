"""Which sensor is behind a serial port: by what it says, or by its answer to questions that harm no other."""

import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from mysense import registry
from mysense.hardware.frames import TICK
from mysense.hardware.serial import Question, SerialSensor, connect

LISTEN = 3.0
"""Seconds in which a device that speaks by itself has spoken; but a Dylos only speaks once a minute."""
ENOUGH = 4096
"""Bytes, the newest, in which a device is looked for."""


class Heard(NamedTuple):
    """A device that was recognised: the plugin for it, and what it calls itself."""

    sensor: str
    device: str


def recognise(port: str, patience: float = 0.0, over: threading.Event | None = None) -> Heard | None:
    """What is behind *port*; None when nothing that speaks is known.

    Listens first, then asks, which takes half a minute at most; then listens on until *patience*
    seconds are over in all, or it is *over*. The device is left as it was: one that slept sleeps
    again. Raises OSError that says what to do when the port cannot be opened.
    """
    end = time.monotonic() + patience
    kinds = serial_sensors()
    slow = min(kind.baudrate for kind in kinds.values())
    line = connect(port, slow, TICK)
    try:
        ear = _Ear(line, kinds, over or threading.Event())
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

    def __init__(self, line: Any, kinds: Mapping[str, type[SerialSensor]], over: threading.Event) -> None:
        self._line, self._kinds, self._over, self._heard = line, kinds, over, b""

    def tune(self, speed: int) -> "_Ear":
        """Listen at another speed; what was heard at the old one means nothing then."""
        if self._line.baudrate != speed:
            self._line.baudrate, self._heard = speed, b""
        return self

    def ask(self, speed: int, question: Question) -> Heard | None:
        if self._over.is_set():
            return None
        self.tune(speed)
        try:
            self._line.write(question.ask)
            return self.listen(question.patience)
        finally:
            self._line.write(question.undo)

    def listen(self, seconds: float) -> Heard | None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self._over.is_set():
            if heard := self._line.read(self._line.in_waiting or 1):
                self._heard = (self._heard + heard)[-ENOUGH:]
                for name, kind in self._kinds.items():
                    if kind.baudrate == self._line.baudrate and (device := kind.recognise(self._heard)):
                        return Heard(name, device)
        return None
