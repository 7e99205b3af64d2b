"""All sensors of a node: which fields there are, how each is called, and what is made of its readings."""

import json
import threading
from collections.abc import Iterator, Mapping

from mysense import naming
from mysense.plugin import Sensor
from mysense.settings import SensorOptions
from mysense.source import Source
from mysense.telegram import Field, Value
from mysense.trouble import Troubles
from mysense.window import How

STRANGE = 100
"""Fields of a sensor that it has not announced: where there are more, a disturbed line makes up names."""

Shape = dict[str, tuple[tuple[Field, ...], tuple[str, ...]]]
"""By section, what a sensor measures, and which other names that is given."""


class Sources:
    """The sensors of a node, by section. *kept* is what ``saved`` gave before the last stop.

    Fields belong to the node once they have come: a sensor that takes its time, or has never
    given anything, has none. What came before a restart is there at once.
    """

    def __init__(
        self,
        sensors: Mapping[str, Sensor],
        options: Mapping[str, SensorOptions],
        troubles: Troubles,
        kept: str = "",
    ) -> None:
        self._troubles, self._lock = troubles, threading.RLock()
        self._known: dict[str, dict[str, str]] = json.loads(kept) if kept else {}
        self._sources: dict[str, Source] = {}
        self._shape: Shape = {}
        self._hows: dict[str, How] = {}
        self.positions: list[tuple[str, ...]] = []
        """What each sensor that knows its place calls that, in their order: latitude, longitude, height."""
        self.version = 0
        """Another number whenever the fields are others."""
        self.exchange(sensors, options)
        self.moved = self._moved(json.loads(kept) if kept else {})
        """Other names that fields have had before the last stop, and what is called like them now."""

    def __iter__(self) -> Iterator[Source]:
        return iter(self._sources.values())

    def get(self, section: str) -> Source | None:
        """The sensor of a section, if there is one."""
        return self._sources.get(section)

    def exchange(self, sensors: Mapping[str, Sensor], options: Mapping[str, SensorOptions]) -> None:
        """Other sensors from now on; those that stay do not notice."""
        with self._lock:
            before, self._sources = self._sources, {}
            for section, sensor in sensors.items():
                source, said = before.get(section), options.get(section) or SensorOptions()
                if source is None or source.sensor is not sensor or source.options != said:
                    source = Source(section, sensor, said, self._troubles)
                    declared = {field.name for field in sensor.measures}
                    source.came = {own: None for own in self._known.get(section, ()) if own in declared or not declared}
                self._sources[section] = source
            self._known = {section: self._known.get(section, {}) for section in self._sources}
            gone = [section for section, source in before.items() if self._sources.get(section) is not source]
            self._rename()
        for section in gone:
            self._troubles.forget(section)

    def fits(self, sensors: Mapping[str, Sensor], options: Mapping[str, SensorOptions]) -> bool:
        """Whether these sensors measure the same, by the same names, and the same is made of it."""
        if _shape(sensors) != self._shape:
            return False
        pairs = ((source.options, options.get(section) or SensorOptions()) for section, source in self._sources.items())
        return all(a.statistic == b.statistic and a.outliers == b.outliers for a, b in pairs)

    def _rename(self) -> None:
        sensors = {section: source.sensor for section, source in self._sources.items()}
        names, self._shape = naming.names(sensors), _shape(sensors)
        taken = {name for fields in names.values() for name in fields.values()}
        counts = {name for source in self for name in source.counts.values()}
        for section, source in sorted(self._sources.items()):  # what was never announced gives way, and keeps its name
            fields = dict(names[section])
            for own, name in self._known[section].items():
                if own not in fields:
                    fields[own] = naming.free(section, own, taken) if name in taken else name
                    taken.add(fields[own])
            source.names = fields
        for section, source in sorted(self._sources.items()):
            for own in source.came:
                if own not in source.names:
                    free = own not in taken and own not in counts
                    source.names[own] = own if free else naming.free(section, own, taken | counts)
                    taken.add(source.names[own])
            self._known[section] |= {own: source.names[own] for own in source.came}
        counts = set()
        for _, source in sorted(self._sources.items()):
            called = {}
            for own, name in source.names.items() if source.options.counts else ():
                called[own] = naming.count(name, taken | counts)
                counts.add(called[own])
            source.counts = called
        self._hows = {source.names[own]: source.how(own) for source in self for own in source.names}
        self.positions = list(filter(None, (source.position() for source in self)))
        self.version += 1

    def _moved(self, before: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
        """What fields are called now that had other names *before*; one whose sensor is gone gives way."""
        taken = {name for source in self for name in source.names.values()}
        moved: dict[str, str] = {}
        for section, fields in sorted(before.items()):
            names = self._sources[section].names if section in self._sources else {}
            for own, name in fields.items():
                now = names.get(own) or (naming.free(section, own, taken) if name in taken else name)
                taken.add(now)
                if now != name:
                    moved[name] = now
        return moved

    def join(self, source: Source, reading: Mapping[str, Value]) -> Mapping[str, Value]:
        """Take in the fields of a reading, where they come for the first time; what of it can have a name."""
        if reading.keys() <= source.came.keys() and self._shape.get(source.section) == _shape_of(source.sensor):
            return reading
        with self._lock:
            if self._sources.get(source.section) is not source:
                return {}
            room = STRANGE + len(source.sensor.measures) - len(self._known[source.section])
            new = [own for own in reading if own not in source.came][: max(0, room)]
            source.came |= dict.fromkeys(new)
            self._rename()
        return {own: value for own, value in reading.items() if own in source.came}

    def fields(self) -> tuple[Field, ...]:
        """All fields that have come."""
        with self._lock:
            return tuple(field for source in self for field in source.fields())

    def how(self, published: str) -> How:
        """What is made of the readings of a field in a window."""
        return self._hows.get(published) or How()

    def static(self) -> set[str]:
        """The published fields that do not change."""
        return {name for source in list(self) for name in source.static}

    def doubted(self, section: str, removed: Mapping[str, int]) -> tuple[int, int]:
        """Values of a sensor that could not be true, and those that were *removed* as outliers, so far."""
        source = self._sources.get(section)
        return (source.doubted, sum(removed.get(n, 0) for n in source.names.values())) if source else (0, 0)

    def saved(self) -> str:
        """Which fields have come, as text."""
        return json.dumps(self._known)


def _shape(sensors: Mapping[str, Sensor]) -> Shape:
    """What sensors measure, by section."""
    return {section: _shape_of(sensor) for section, sensor in sensors.items()}


def _shape_of(sensor: Sensor) -> tuple[tuple[Field, ...], tuple[str, ...]]:
    return sensor.measures, sensor.fields
