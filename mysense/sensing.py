"""The worker of a sensor: when to read, what to do about one that fails, and its power."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from math import inf

from mysense.clock import Clock
from mysense.errors import ConfigError, UnavailableError
from mysense.plugin import Sensor
from mysense.power import Power
from mysense.settings import SensorOptions
from mysense.telegram import Value, clean
from mysense.trouble import ERRORS, FAILED, SILENT, STUCK, Troubles
from mysense.worker import READING, Worker, log

SOON = 1.0
"""The most seconds after which a sensor is asked again that had no reading yet."""
NO_READING = "opened again; there is no reading yet"
"""What is said of one that was in trouble until it has given something."""
BRIEF = 0.1
"""Seconds: what took longer has waited for its device, and sets the pace; no answer on a bus takes so long."""
SPARE = 60.0
"""Seconds for which a sensor may give no value, besides those that it needs to warm up and to measure."""


def silence(sensor: Sensor, options: SensorOptions) -> float:
    """Seconds without a value that are told: as MySense.conf says, or the driver; else what it may well need.

    Some measure two things one after the other, each for *sample* (s), and some keep to the interval by themselves.
    """
    said = sensor.silent if options.silent is None else options.silent
    if said is None and sensor.interval:
        needs: list[float] = [getattr(sensor, name, 0.0) for name in ("warm_up", "sample", "sample")]
        return sensor.interval + sum(needs) + SPARE
    return said or inf


class SensorWorker(Worker):
    """Reads a sensor at its interval and gives the readings on; tells when too many fail, and switches its power."""

    plugin: Sensor

    def __init__(
        self,
        section: str,
        plugin: Sensor,
        stop: threading.Event,
        clock: Clock,
        give: Callable[[str, Mapping[str, Value | None]], None],
        troubles: Troubles,
        options: SensorOptions,
    ) -> None:
        super().__init__(section, plugin, stop, clock)
        self._give, self._troubles, self._options = give, troubles, options
        self._power = Power(options.power_pin, options.power_low) if options.power_pin else None
        self._cut = False  # the power was switched off under a read that hung
        self._errors = self._good = 0
        self._begun: float | None = None
        self._mute: float | None = None  # since when it is read and gives nothing
        self._silent = False  # that is told

    def run(self) -> None:
        """Work with the power on."""
        try:
            super().run()
        finally:
            self._troubles.end(self.section, STUCK)  # it came back from being closed
            if self._power:
                self._power.close()

    def prepare(self) -> None:
        """Switch the power on; after so many failures in a row off before that, for a while."""
        if not self._power:
            return
        cut, self._cut = self._cut, False
        if cut or (self._failures and self._failures % self._options.power_after == 0):
            level = logging.INFO if self._failures == self._options.power_after else logging.DEBUG
            log.log(level, "%s: its power is switched off and on", self.section)
            self._power.switch(False)
            self.clock.wait(self.stop, self._options.power_wait)
        elif self._power.on:
            return
        self._power.switch(True)
        self.clock.wait(self.stop, self._options.power_wait)

    def step(self) -> None:
        """Read once. A reading may take several reads; the interval is from the first of them to that of the next."""
        begun, really = self.clock.monotonic(), time.monotonic()
        self.busy(READING)
        first, self._begun = self._begun, None
        try:
            reading = self.plugin.read()
        finally:
            self.busy_since = None
            self._back()
        if self._cut:
            raise UnavailableError("its power was switched off, so that it came back")
        if first is None:
            first = begun
        if reading:
            if values := clean(reading):
                self._give(self.section, values)
                self._succeeded()
                self.well()
            else:
                self._nothing(begun)
            if self.plugin.interval >= self.plugin.pace:
                self.clock.wait(self.stop, self.plugin.interval - (self.clock.monotonic() - first))
            elif (early := self.plugin.pace - (time.monotonic() - really)) > 0:
                self.stop.wait(early)
            return
        self._begun = first
        self._nothing(begun)
        if time.monotonic() - really >= BRIEF:
            return  # one that does not wait itself must not spin
        if self.plugin.interval >= BRIEF:
            self.clock.wait(self.stop, min(self.plugin.interval, SOON))
        else:
            self.stop.wait(BRIEF)

    def _nothing(self, begun: float) -> None:
        """It was read, from *begun* on, and there was no value."""
        if self._mute is None:
            self._mute = begun
        most = silence(self.plugin, self._options)
        if self.clock.monotonic() - self._mute >= most:
            text = f"has given no value for {most:.0f} s"
            self._silent = True
            self.become("silent", text, logging.DEBUG)
            self._troubles.begin(self.section, SILENT, text)
        elif self.status.state == "waiting":  # what was wrong may be over, and the sensor warm up for an hour
            self.become("waiting", NO_READING, logging.DEBUG)

    def hangs(self, seconds: float) -> None:
        """It does not come back from what it does; where its power can be switched off, that ends most of it."""
        text = f"does not come back from {self.busy_with} for {seconds:.0f} s"
        self.become("stuck", text, logging.DEBUG)
        self._troubles.begin(self.section, STUCK, text)
        if self._power and self._power.on:
            self._cut = True
            with suppress(OSError):  # the read may still come back by itself
                self._power.switch(False)

    def _back(self) -> None:
        if self.status.state == "stuck":
            self.become("running", level=logging.DEBUG)
            self._troubles.end(self.section, STUCK)

    def failed(self, error: Exception, text: str) -> None:
        self._back()
        self._mute = None
        if isinstance(error, ImportError | ConfigError):
            self._troubles.begin(self.section, FAILED, text, logged=True)
            return
        self._errors, self._good = self._errors + 1, 0
        if self._errors > self._options.errors:
            self.quiet = True
            self._troubles.begin(self.section, ERRORS, f"failed {self._errors} times, at last: {text}")

    def _succeeded(self) -> None:
        """Silence is over; errors are forgotten after as many good readings in a row as there may be errors."""
        self._mute = None
        if self._silent:
            self._silent = False
            self.become("running", level=logging.DEBUG)
            self._troubles.end(self.section, SILENT)
        if self._errors:
            self._good += 1
            if self._good >= self._options.errors:
                self._errors, self.quiet = 0, False
                self._troubles.end(self.section, ERRORS)
