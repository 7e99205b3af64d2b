"""Dust sensors on a serial line: woken for each reading, for their fan and laser wear."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from mysense.hardware.frames import Measure
from mysense.hardware.serial import SerialSensor
from mysense.options import seconds
from mysense.plugin import option
from mysense.sensors._duty import Duty


class Resting(SerialSensor):
    """A dust sensor that warms up, measures, and rests for what is left of the interval."""

    pace: ClassVar[float] = 1.0
    """Seconds between two questions for data."""
    silence: ClassVar[float] = 5.0
    """Seconds without a word, of one that is awake, after which it counts as gone."""

    interval: float = option(120.0, "seconds from one reading to the next", parse=seconds)
    warm_up: float = option(30.0, "seconds after waking of which nothing is believed", parse=seconds)
    sample: float = option(10.0, "seconds over which a reading is the mean", parse=seconds)

    @abstractmethod
    def wake(self) -> bool:
        """Wake it up, in a second; whether it is awake."""

    @abstractmethod
    def question(self) -> bytes:
        """What asks it for data; empty where it speaks by itself."""

    @abstractmethod
    def values(self, frame: bytes) -> Mapping[str, float] | None:
        """What a frame of data says; None for any other. OSError where it tells of a fault."""

    def begin(self, head: bytes, measure: Measure, device: str) -> None:
        """Open the port; call it at the beginning of ``open``."""
        self._frames = self.frames(device, head, measure)
        self._duty = Duty(self.clock, self.warm_up, self.sample, self.interval)
        self._asked = 0.0

    def read(self) -> Mapping[str, float] | None:
        if not self._duty.awake:
            if not self.wake():
                return None
            self._duty.wake()
        if self._duty.begins():
            self._frames.forget()
        asks = self.question()
        if asks and self._duty.warm and self.clock.monotonic() - self._asked >= self.pace:
            self._asked = self.clock.monotonic()
            self._frames.send(asks)
        frame = self._frames.next(0.7)
        values = self.values(frame) if frame else None
        if values is None:
            if self._frames.unanswered or not asks:
                self._frames.expect(self.silence)
            return None
        reading = self._duty.add(values)
        if reading and self._duty.rests:
            self._port.write(self.farewell)
            self._duty.sleep()
        return reading
