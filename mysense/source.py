"""One sensor as its node sees it: names for its fields, and which of its values count."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from mysense.fields import quantity
from mysense.judge import OUTSIDE, STATIC, Judge
from mysense.perfield import Range
from mysense.plugin import Sensor
from mysense.settings import SensorOptions
from mysense.telegram import Field, Value
from mysense.trouble import RANGE, Troubles
from mysense.trouble import STATIC as STANDS_STILL
from mysense.window import DIRECTION, How

STEADY = 10
"""Values in a row within the range of a field that say: it is well again; each further time twice as many.
So one that is wrong now and then, for weeks, is not told every few minutes."""
STEADIEST = 5120
"""The most that are asked for."""


class Judged(NamedTuple):
    """A reading by published names, what is doubted of it and why, and those of its values that count."""

    values: Mapping[str, Value]
    flags: Mapping[str, str]
    good: Mapping[str, Value]


class Source:
    """What is known of one sensor."""

    def __init__(self, section: str, sensor: Sensor, options: SensorOptions, troubles: Troubles) -> None:
        self.section, self.sensor, self.options = section, sensor, options
        self.name = section.partition(":")[2]
        self.names: dict[str, str] = {}
        """How each field is published, by the sensor's own name."""
        self.counts: dict[str, str] = {}
        """What the number of readings of each field is called, by the sensor's own name, where that is told."""
        self.came: dict[str, None] = {}
        """The fields that have come, by the sensor's own name."""
        self.static: dict[str, int] = {}
        """Published fields that do not change, and for how many readings."""
        self.doubted = 0
        """Values that did not count, so far."""
        self._judge = Judge(sensor, options.ranges, options.static)
        self._troubles = troubles
        self._outside: dict[str, int] = {}  # published fields with values that cannot be true: good ones since then
        self._steady: dict[str, int] = {}  # how many good ones it takes next time

    def judged(self, reading: Mapping[str, Value]) -> Judged:
        """What a reading is worth, of which each field has a name."""
        values = {self.names[name]: value for name, value in reading.items()}
        wrong, static = self._judge(reading, self.names)
        if static or self.static:
            self._look_for_static({self.names[name]: count for name, count in static.items()}, values)
        if not (wrong or self._outside or self.static):
            return Judged(values, {}, values)
        outside = {self.names[name]: limits for name, limits in wrong.items()}
        self._look_for_outside(outside, values)
        flags = dict.fromkeys(self.static.keys() & values.keys(), STATIC) | dict.fromkeys(outside, OUTSIDE)
        return Judged(values, flags, {name: value for name, value in values.items() if name not in outside})

    def _look_for_static(self, static: Mapping[str, int], values: Mapping[str, Value]) -> None:
        for name in static.keys() - self.static.keys():
            text = f"{name} has been {values[name]} for {static[name]} readings"
            self._troubles.begin(self.section, STANDS_STILL, text, name)
        for name in (self.static.keys() & values.keys()) - static.keys():
            self._troubles.end(self.section, STANDS_STILL, name)
        self.static = {n: c for n, c in self.static.items() if n not in values} | dict(static)

    def _look_for_outside(self, outside: Mapping[str, Range], values: Mapping[str, Value]) -> None:
        self.doubted += len(outside)
        for name, limits in outside.items():
            if name not in self._outside:
                text = f"{name} = {values[name]} {OUTSIDE}, it goes from {limits.least:g} to {limits.most:g}"
                self._troubles.begin(self.section, RANGE, text, name)
            self._outside[name] = 0
        for name in (self._outside.keys() & values.keys()) - outside.keys():
            self._outside[name] += 1
            if self._outside[name] >= (steady := self._steady.get(name, STEADY)):
                del self._outside[name]
                self._steady[name] = min(2 * steady, STEADIEST)
                self._troubles.end(self.section, RANGE, name)

    def how(self, own: str) -> How:
        """What is made of the readings of a field in a window."""
        said, known = self.options, (self.names[own], self.sensor.renamed(own), own)
        return How(
            said.statistic.of(*known) or self._statistic(own), said.outliers.of(*known), self.counts.get(own, "")
        )

    def _statistic(self, own: str) -> str:
        """What makes sense for a field: as the driver says, or as it is with its quantity."""
        if said := self.sensor.statistics.get(own):
            return said
        known = quantity(self.sensor.renamed(own)) or quantity(own)
        unit = next((field.unit for field in self.sensor.measures if field.name == own), "")
        if known is None or (known.statistic == DIRECTION and unit not in ("", known.unit)):
            return "mean"
        return known.statistic

    def position(self) -> tuple[str, ...]:
        """What latitude, longitude and, if there is one, height are called; nothing where it tells no place."""
        found: dict[str, str] = {}
        for own, name in self.names.items():
            for known in filter(None, (quantity(own), quantity(self.sensor.renamed(own)))):
                found.setdefault(known.name, name)
        return (
            tuple(found[each] for each in ("lat", "lon", "alt") if each in found)
            if {"lat", "lon"} <= found.keys()
            else ()
        )

    def fields(self) -> Iterator[Field]:
        """The fields that have come, as an ident names them."""
        plugin = self.name.partition(":")[0]
        declared = {field.name: field for field in self.sensor.measures}
        for own in [*(name for name in declared if name in self.came), *(n for n in self.came if n not in declared)]:
            field = declared.get(own, Field(own))
            device = field.device or plugin
            yield Field(self.names[own], field.unit, device)
            if own in self.counts:
                yield Field(self.counts[own], "", device)
