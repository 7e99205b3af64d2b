"""Under which names sensors publish what they measure, where several measure the same.

The names follow from the sections alone, in whatever order they stand: of a field that
several sensors measure, each gets the label of its section behind its name. One without a
label keeps the name, if it is the only one; else it gets the name of its plugin.
"""

import re
from collections.abc import Container, Iterator, Mapping

from mysense import options
from mysense.plugin import Sensor

MEANT = frozenset(("port", "i2c", "id", "device", "pin"))
"""Options by which a section says which device of its kind it means; a sensor without any has none to name."""


def names(sensors: Mapping[str, Sensor]) -> dict[str, dict[str, str]]:
    """By section, the name that is published for each that the sensor itself gives."""
    wanted = {section: _wanted(sensor) for section, sensor in sorted(sensors.items())}
    owners = _owners(wanted)
    kept = {(section, name) for name, sections in owners.items() for section in sections if _keeps(section, sections)}
    taken = {name for _, name in kept}
    result: dict[str, dict[str, str]] = {}
    for section, fields in wanted.items():
        result[section] = {}
        for own, name in fields.items():
            if (section, name) in kept:
                kept.discard((section, name))  # a second one of the same sensor gets another
                result[section][own] = name
            else:
                result[section][own] = free(section, name, taken)
                taken.add(result[section][own])
    return result


def _wanted(sensor: Sensor) -> dict[str, str]:
    return {own.name: field.name for own, field in zip(sensor.measures, sensor.named(), strict=False)}


def _owners(wanted: Mapping[str, Mapping[str, str]]) -> dict[str, list[str]]:
    """The sections that measure each field."""
    owners: dict[str, list[str]] = {}
    for section, fields in wanted.items():
        for name in dict.fromkeys(fields.values()):
            owners.setdefault(name, []).append(section)
    return owners


def _keeps(section: str, sections: list[str]) -> bool:
    """Whether a field of several *sections* keeps its name in this one."""
    return len(sections) == 1 or [each for each in sections if each.count(":") < 2] == [section]


def free(section: str, name: str, taken: Container[str]) -> str:
    """The first name for a field of *section* that is not taken: with its label, its plugin, a number behind it.

    >>> free("sensor:bme280:the shed", "temp", {"temp"}), free("sensor:bme280", "temp", {"temp", "temp_bme280"})
    ('temp_the_shed', 'temp_bme280_2')
    """
    return next(each for each in _candidates(section, name) if each not in taken)


def _candidates(section: str, name: str) -> Iterator[str]:
    plugin, _, label = (re.sub(r"\W+", "_", part) for part in section.partition(":")[2].partition(":"))
    if label:
        yield f"{name}_{label}"
    yield (longest := "_".join(filter(None, (name, plugin, label))))
    number = 2
    while True:
        yield f"{longest}_{number}"
        number += 1


def count(name: str, taken: Container[str]) -> str:
    """What the number of readings of a field is called: another where a field has that name.

    >>> count("temp", {"temp"}), count("temp", {"temp", "temp_n"})
    ('temp_n', 'temp_count')
    """
    return next(each for each in (f"{name}_n", f"{name}_count", f"{name}_n_n", f"{name}_n_count") if each not in taken)


def told(sensors: Mapping[str, Sensor]) -> Iterator[str]:
    """A sentence for each field that several sensors measure."""
    wanted = {section: _wanted(sensor) for section, sensor in sorted(sensors.items())}
    published = names(sensors)
    for name, sections in _owners(wanted).items():
        if len(sections) > 1:
            those = {s: next(published[s][own] for own, each in wanted[s].items() if each == name) for s in sections}
            said = " and ".join(f"{called} ([{section}])" for section, called in those.items())
            yield f"several sensors measure {name}: it is called {said}"


def alike(sensors: Mapping[str, Sensor]) -> Iterator[str]:
    """A sentence for each two sections that say the same of which device they mean."""
    every = options.declared(Sensor)
    seen: dict[tuple[object, ...], str] = {}
    for section, sensor in sorted(sensors.items()):
        own = options.declared(type(sensor)).keys() - every.keys()
        if MEANT & own:
            said = (type(sensor), *((name, getattr(sensor, name)) for name in sorted(own)))
            if (other := seen.setdefault(said, section)) != section:
                yield f"[{other}] and [{section}] mean the same device"
