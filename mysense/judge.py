"""Which values of a reading are doubted: outside what can be true, or always the same."""

from collections.abc import Mapping
from typing import NamedTuple

from mysense.fields import convert, quantity
from mysense.perfield import PerField, Range
from mysense.plugin import Sensor
from mysense.telegram import Value

OUTSIDE = "cannot be true"
"""The reason for which a value that lies outside its range is doubted."""
STATIC = "does not change"
"""The reason for which one is doubted that has been the same for too long."""


class Doubts(NamedTuple):
    """What is doubted of a reading, by the sensor's own names: *wrong* counts for nothing, *static* may be true."""

    wrong: Mapping[str, Range]
    static: Mapping[str, int]


_NONE: Mapping[str, int] = {}


class Judge:
    """Judges the readings of one sensor, one after the other."""

    def __init__(self, sensor: Sensor, ranges: PerField[Range | None], static: PerField[int | None]) -> None:
        self._sensor, self._said, self._static = sensor, ranges, static
        self._ranges: dict[str, Range | None] = {}
        self._limits: dict[str, int] = {}
        self._last: dict[str, tuple[Value, int]] = {}
        self._watches = sensor.static > 0 or bool(static.every) or any(static.named.values())

    def __call__(self, reading: Mapping[str, Value], names: Mapping[str, str]) -> Doubts:
        """The doubts about a reading; *names* are those under which its fields are published."""
        wrong: dict[str, Range] = {}
        for name, value in reading.items():
            try:
                limits = self._ranges[name]
            except KeyError:
                limits = self._ranges[name] = self._range(name, names[name])
            if limits is not None and not isinstance(value, (str, bool)) and not limits[0] <= value <= limits[1]:
                wrong[name] = limits
        return Doubts(wrong, self._same(reading, names) if self._watches else _NONE)

    def _range(self, name: str, published: str) -> Range | None:
        """What can be true: as MySense.conf says, the driver, or what is plausible for the quantity."""
        renamed = self._sensor.renamed(name)
        if said := self._said.of(published, renamed, name):
            return said
        if name in self._sensor.ranges:
            return Range(*self._sensor.ranges[name])
        known = quantity(renamed) or quantity(name)
        unit = next((field.unit for field in self._sensor.measures if field.name == name), "")
        if known is None or (known.unit and not unit):  # nobody says in which unit it is
            return None
        try:
            return Range(*(convert(each, known.unit, unit, of=known.name) for each in (known.least, known.most)))
        except ValueError:
            return None

    def _same(self, reading: Mapping[str, Value], names: Mapping[str, str]) -> dict[str, int]:
        """For how many readings values have been the same, where those are too many."""
        static: dict[str, int] = {}
        for name, value in reading.items():
            if name not in self._limits:
                self._limits[name] = self._limit(name, names[name], value)
            if limit := self._limits[name]:
                last, count = self._last.get(name, (None, 0))
                count = count + 1 if value == last else 1
                self._last[name] = value, count
                if count >= limit:
                    static[name] = count
        return static

    def _limit(self, name: str, published: str, value: Value) -> int:
        known = (published, self._sensor.renamed(name), name)
        if any(each in self._static.named for each in known):
            return self._static.of(*known) or 0
        if isinstance(value, (str, bool)):  # a word may well hold for weeks
            return 0
        return self._sensor.static if self._static.every is None else self._static.every
