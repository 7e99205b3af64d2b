"""A MySense.conf for the sensors that were found: commented, and such that each section means one device."""

from collections import Counter
from collections.abc import Mapping, Sequence

from mysense import options, registry, sample
from mysense.finding import Device
from mysense.settings import CORE

HEADER = """\
# MySense.conf: what this kit measures, and where it publishes. Written by mysense init.
#
#   ## explains an option      # shows its default: take the # away to change it
#   enabled = no               switches a section off
#
# When you have changed something, mysense check tells whether everything is there."""

Sections = Mapping[str, Mapping[str, str]]


def sensors(devices: Sequence[Device]) -> dict[str, dict[str, str]]:
    """A section for each device that a sensor is known for, with its options.

    Where there are several of a kind, each section has a label, and names its device by what only
    that one has: its own id, its address, its adapter.
    """
    those = known(devices)
    count = Counter(device.sensor for device in those)
    sections: dict[str, dict[str, str]] = {}
    for device in those:
        section, texts = f"sensor:{device.sensor}", dict(device.options)
        if count[device.sensor] > 1:
            if "port" in texts and device.identity:
                texts["device"] = device.identity
            section = _labelled(section, device.identity, sections)
        sections[section] = texts
    return sections


def known(devices: Sequence[Device]) -> list[Device]:
    """Those that there is a sensor for."""
    return [device for device in devices if device.sensor]


def _labelled(section: str, identity: str, taken: Mapping[str, object]) -> str:
    """A section's name with a label that no other has: letters that may be part of a field's name."""
    label = "".join(c if c.isalnum() or c in "-_." else "_" for c in identity)
    if label and (name := f"{section}:{label}") not in taken:
        return name
    number = 1
    while (name := f"{section}:{label}{'-' * bool(label)}{number}") in taken:
        number += 1
    return name


def missing(section: str, texts: Mapping[str, str]) -> list[options.Option]:
    """The options of a section that somebody must set, and that nobody has."""
    kind, name, *_ = section.split(":")
    return [o for o in options.declared(registry.find(kind, name)).values() if o.required and not texts.get(o.name)]


def text(core: Sections, ends: Sections, about: Mapping[str, str]) -> str:
    """The file: sections of the core, then those of sensors and publishers; *about* says a line on some of them.

    A section that is not complete is switched off.
    """
    parts = [HEADER]
    for name, cls in CORE.items():
        parts.append("\n".join(sample.of_class(cls, name, core.get(name, {}))))
    complete = {section: {**texts, **_off(section, texts)} for section, texts in ends.items()}
    for section, lines in zip(ends, sample.of_plugins(complete), strict=True):
        parts.append("\n".join([f"# {about[section]}", *lines] if section in about else lines))
    return "\n\n".join(parts) + "\n"


def _off(section: str, texts: Mapping[str, str]) -> dict[str, str]:
    return {"enabled": "no"} if missing(section, texts) else {}
