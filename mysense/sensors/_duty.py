"""When a fan and a laser run: they warm up, measure, and rest for what is left of the interval."""

from collections.abc import Mapping
from statistics import fmean

from mysense.clock import Clock

REST = 10.0
"""Seconds of rest for which it pays to stop a fan."""


class Duty:
    """One turn after the other of a device that wakes up for *warm_up* and *sample* (s) of each *interval*."""

    def __init__(self, clock: Clock, warm_up: float, sample: float, interval: float) -> None:
        self._clock, self._warm_up, self._sample = clock, warm_up, sample
        self.rests = interval - warm_up - sample >= REST
        """Whether the device sleeps between two readings."""
        self.awake = False
        self._warm = self._end = 0.0
        self._samples = False
        self._readings: list[Mapping[str, float]] = []

    def wake(self) -> None:
        """The device was woken: it warms up from now on."""
        self.awake = True
        self._warm = self._clock.monotonic() + self._warm_up
        self._samples = False
        self._readings.clear()

    def sleep(self) -> None:
        """The device was put to sleep."""
        self.awake = False

    @property
    def warm(self) -> bool:
        """Whether what it measures now can be believed."""
        return self.awake and self._clock.monotonic() >= self._warm

    def begins(self) -> bool:
        """Whether sampling begins with this read: what was heard before is old, or was said while it was cold."""
        begins = self.warm and not self._samples
        self._samples |= begins
        return begins

    def add(self, values: Mapping[str, float]) -> dict[str, float] | None:
        """Take in what one frame says; when *sample* is over, the mean of all."""
        if not self.warm:
            return None
        now = self._clock.monotonic()
        if not self._readings:
            self._end = now + self._sample
        self._readings.append(values)
        if now < self._end:
            return None
        mean = {name: round(fmean(each[name] for each in self._readings), 2) for name in values}
        self._readings.clear()
        self._samples = False
        return mean
