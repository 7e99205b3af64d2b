"""One reading of each sensor, side by side and in bounded time: what `mysense check` and `mysense init` show."""

import copy
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import NamedTuple

from mysense import naming, options
from mysense.background import in_background
from mysense.errors import ConfigError
from mysense.fields import shown
from mysense.plugin import Sensor
from mysense.power import Power
from mysense.settings import End, SensorOptions
from mysense.shown import masked
from mysense.telegram import Field, Value, clean
from mysense.units import unit_sign
from mysense.worker import reason

PATIENCE = 15.0
"""Seconds in which a reading may come."""
MORE = 10.0
"""Seconds after that in which a sensor must have let go."""
SHOWN = 4
"""How many values of a reading are shown: what a kit's table has room for."""
PAUSE = 0.05
"""Seconds between two reads of a sensor that does not block."""


class Trial(NamedTuple):
    """How one section did: whether it works; what it says of itself, and of its first reading, or why there is none.

    *values* is that reading, by published names.
    """

    section: str
    ok: bool
    said: str
    reading: str = ""
    values: Mapping[str, Value] = {}

    @property
    def text(self) -> str:
        """All of it in one line."""
        return ": ".join(filter(None, (self.said, self.reading)))


def readings(
    ends: Sequence[End], patience: float = PATIENCE, tell: Callable[[Trial], None] = lambda _: None
) -> list[Trial]:
    """A trial of each sensor, in their order. *tell* hears of each as it comes.

    A device that must warm up is not waited for; its first reading is marked as such. Whatever ends
    this, the sensors are closed.
    """
    answers: queue.SimpleQueue[Trial] = queue.SimpleQueue()
    over = threading.Event()
    tries = {each.section: each for each in ends}
    names = naming.names({each.section: each.plugin for each in ends if isinstance(each.plugin, Sensor)})
    end = time.monotonic() + patience

    def work(section: str) -> None:
        answers.put(_guarded(tries[section], names[section], end, over))

    done: dict[str, Trial] = {}
    with in_background(work, tries, over):
        while len(done) < len(tries):
            try:
                trial = answers.get(timeout=max(0.0, end + MORE - time.monotonic()))
            except queue.Empty:
                break
            done[trial.section] = trial
            tell(trial)
    stuck = f"does not come back within {patience + MORE:.0f} s"
    return [done.get(each.section, Trial(each.section, False, stuck)) for each in ends]


def _guarded(end: End, names: Mapping[str, str], until: float, over: threading.Event) -> Trial:
    try:
        with _powered(end) as power:
            return _try(end.section, copy.copy(end.plugin), names, power, until, over)  # type: ignore[arg-type]
    except (OSError, ImportError, ConfigError) as error:
        return Trial(end.section, False, reason(error))
    except Exception as error:  # a plugin's bug must not hide what the others say
        return Trial(end.section, False, f"{type(error).__name__}: {reason(error)}")


@contextmanager
def _powered(end: End) -> Iterator[str]:
    """A device that is switched by a line has power; which line that is."""
    if not isinstance(end.options, SensorOptions) or not end.options.power_pin:
        yield ""
        return
    power = Power(end.options.power_pin, end.options.power_low)
    try:
        power.switch(True)
        threading.Event().wait(end.options.power_wait)
        yield power.check()
    finally:
        power.close()


def _try(
    section: str, sensor: Sensor, names: Mapping[str, str], power: str, until: float, over: threading.Event
) -> Trial:
    begun = time.monotonic()
    cold = _hurry(sensor)
    said = ", ".join(part for part in (masked(sensor.check()), power) if part not in ("", "ok"))
    if over.is_set():
        return Trial(section, False, said)
    with sensor:
        while time.monotonic() < until and not over.is_set():
            if values := clean(sensor.read() or {}):
                known = {field.name: field for field in sensor.measures}
                given = {
                    replace(known.get(name, Field(name)), name=names.get(name, name)): value
                    for name, value in values.items()
                }
                text = _said(given) + (", not warm yet" if cold else "")
                return Trial(section, True, said, text, {field.name: value for field, value in given.items()})
            over.wait(PAUSE)
    why = f": it {sensor.seldom}" if sensor.seldom else " yet"
    return Trial(section, True, said, f"no reading within {until - begun:.0f} s{why}")


def _hurry(sensor: Sensor) -> bool:
    """Let it give its first reading at once; whether that comes before it is warm."""
    known = options.declared(type(sensor))
    if "sample" in known:
        sensor.sample = known["sample"].least or 0.0  # type: ignore[attr-defined]
    cold = bool(getattr(sensor, "warm_up", 0.0)) and "warm_up" in known
    if cold:
        sensor.warm_up = 0.0  # type: ignore[attr-defined]
    return cold


def _said(values: Mapping[Field, Value]) -> str:
    """The first of the values, and how many more there are."""
    every = [
        f"{field.name} {shown(field.name, value)} {unit_sign(field.unit)}".rstrip() for field, value in values.items()
    ]
    more = len(every) - SHOWN
    return ", ".join(every[:SHOWN]) + (f" and {more} more" if more > 0 else "")
