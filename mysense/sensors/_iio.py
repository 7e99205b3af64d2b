"""Devices of the kernel's subsystem for sensors, IIO: what is there, and what their files mean.

Files and units are those of Documentation/ABI/testing/sysfs-bus-iio: ``in_<type>[index][_modifier]_input``
holds a value; where that is missing it is ``(_raw + _offset) * _scale``. The units are those
of the ABI either way: 1/1000 °C, 1/1000 %, kPa, mV, …
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from mysense.errors import UnavailableError
from mysense.hardware.sysfs import below, number, words

DEVICES = Path("sys/bus/iio/devices")


class Device(NamedTuple):
    """A device: its folder in sysfs, the name that its driver gives it, and what it is connected as (``1-0076``)."""

    folder: Path
    name: str
    parent: str

    def __str__(self) -> str:
        return f"{self.name} at {self.parent}"


class Kind(NamedTuple):
    """What a type of channel is here: field, unit, and by what the ABI's unit is multiplied."""

    field: str
    unit: str
    factor: float = 1


KINDS = {
    "temp": Kind("temp", "C", 1e-3),
    "humidityrelative": Kind("rh", "%", 1e-3),
    "pressure": Kind("hpa", "hPa", 10),
    "illuminance": Kind("light", "lux"),
    "resistance": Kind("gas", "kOhm", 1e-3),
    "concentration_co2": Kind("co2", "ppm", 1e4),  # the ABI's is percent
    "concentration_voc": Kind("tvoc", "ppb", 1e7),
    "concentration_ethanol": Kind("eth", "ppb", 1e7),
    "concentration_h2": Kind("h2", "ppb", 1e7),
    "concentration_o2": Kind("o2", "%"),
    "concentration": Kind("concentration", "%"),
    "massconcentration_pm1": Kind("pm1", "ug/m3"),
    "massconcentration_pm2p5": Kind("pm25", "ug/m3"),
    "massconcentration_pm4": Kind("pm4", "ug/m3"),
    "massconcentration_pm10": Kind("pm10", "ug/m3"),
    "voltage": Kind("volt", "V", 1e-3),
    "current": Kind("current", "mA"),
    "power": Kind("power", "mW"),
    "energy": Kind("energy", "J"),
    "capacitance": Kind("capacitance", "nF"),
    "electricalconductivity": Kind("conductivity", "S/m"),
    "ph": Kind("ph", "pH"),
    "uvindex": Kind("uv", "UV index"),
    "distance": Kind("distance", "m"),
    "velocity": Kind("velocity", "m/s"),
    "accel": Kind("accel", "m/s2"),
    "anglvel": Kind("anglvel", "rad/s"),
    "angl": Kind("angl", "rad"),
    "incli": Kind("incli", "degrees"),
    "magn": Kind("magn", "Gauss"),
}
FOG = (-6.0, 119.0)
"""Where the formula of many humidity sensors ends (%): their data sheets want 0 to 100 of it, not all drivers do so."""
_FILE = re.compile(r"in_(?P<kind>[a-z]+)(?P<index>\d+(?:-[a-z]+\d+)?)?(?:_(?P<more>[a-z0-9_&]+?))?_(?P<how>input|raw)")
_NO_READING = re.compile(r"(?:.*_)?(?:peak|mean|trough)|quaternion")


class Channel(NamedTuple):
    """One channel of a device: the field that it is here, and the files that say its value."""

    name: str
    kind: Kind
    input: Path | None
    raw: Path
    offset: Path | None
    scale: Path | None

    def value(self) -> float:
        """Its value now, in the unit of its kind; OSError when the kernel cannot tell."""
        if self.input:
            said = number(self.input)
        else:
            offset = number(self.offset) if self.offset else 0
            said = scaled(number(self.raw), offset, number(self.scale) if self.scale else 1)
        value = round(said * self.kind.factor, 6)
        if self.kind.field == "rh" and FOG[0] <= value <= FOG[1]:
            return min(100.0, max(0.0, value))
        return value


def scaled(raw: float, offset: float = 0, scale: float = 1) -> float:
    """A raw value in the unit of the ABI. An MLX90614 that sees 22.85 °C, and an ADS1115 with 2.048 V on it:

    >>> scaled(14800, -13657.5, 20), scaled(16384, 0, 0.125)
    (22850.0, 2048.0)
    """
    return (raw + offset) * scale


def devices(root: Path) -> list[Device]:
    """All devices of a machine."""
    return [
        Device(folder, name, _parent(folder))
        for folder in below(root / DEVICES, "iio:device*")
        if (name := words(folder / "name"))
    ]


def _parent(folder: Path) -> str:
    """What a device is connected as: the folder that its own lies in, which no restart changes."""
    return folder.resolve().parent.name


def choose(root: Path, name: str, parent: str = "") -> Device:
    """The one device of that name (and parent, where that is given); UnavailableError when there is none, or more."""
    every = devices(root)
    found = [d for d in every if _matches(d, name) and parent in ("", d.parent)]
    if len(found) == 1:
        return found[0]
    what = " ".join(filter(None, ("an IIO device", name and f"named {name}", parent and f"at {parent}")))
    if found:
        raise UnavailableError(f"there is more than {what}; name one by 'name' and 'device': {_list(found)}")
    there = f"; there are: {_list(every)}" if every else ": is its overlay in /boot/firmware/config.txt?"
    raise UnavailableError(f"there is no {what.removeprefix('an ')}{there}")


def _matches(device: Device, name: str) -> bool:
    return name in ("", device.name, device.name.partition("@")[0])


def _list(some: Iterable[Device]) -> str:
    return ", ".join(map(str, some))


def channels(folder: Path) -> list[Channel]:
    """What a device measures: a processed value goes before a raw one."""
    files = {path.name: path for path in below(folder, "in_*")}
    stems = {name.rpartition("_")[0]: match for name in files if (match := _reading(name))}
    alike = Counter((match["kind"], match["more"]) for match in stems.values())
    made: dict[str, Channel] = {}
    for stem, match in stems.items():
        label = words(files[f"{stem}_label"]) if f"{stem}_label" in files else ""
        index = match["index"] if alike[match["kind"], match["more"]] > 1 else ""
        meant, name = _named(match["kind"], index or "", match["more"] or "", label)
        if name in made:
            name = stem.removeprefix("in_")
        offset, scale = (_shared(files, stem, match, what) for what in ("offset", "scale"))
        made[name] = Channel(name, meant, files.get(f"{stem}_input"), folder / f"{stem}_raw", offset, scale)
    return list(made.values())


def _reading(name: str) -> re.Match[str] | None:
    match = _FILE.fullmatch(name)
    return None if match and _NO_READING.fullmatch(match["more"] or "") else match


def _shared(files: Mapping[str, Path], stem: str, match: re.Match[str], what: str) -> Path | None:
    """The file with the offset or scale of a channel, which it may share with others of its kind."""
    kind, index, more = match["kind"], match["index"] or "", match["more"]
    names = [stem, f"in_{kind}{index}", f"in_{kind}_{more}", f"in_{kind}"]
    if "-" in index:
        names.insert(2, f"in_{kind}-{kind}")
    return next((files[f"{name}_{what}"] for name in names if f"{name}_{what}" in files), None)


def _named(kind: str, index: str, more: str, label: str) -> tuple[Kind, str]:
    """What a channel is, and the name of its field.

    >>> [_named(*said)[1] for said in (("temp", "", "ambient", ""), ("massconcentration", "", "pm2p5", ""))]
    ['temp_ambient', 'pm25']
    >>> [_named(*said)[1] for said in (("voltage", "3", "", ""), ("voltage", "0", "", "Solar cell"))]
    ['volt3', 'volt_solar_cell']
    """
    if meant := KINDS.get(f"{kind}_{more}"):
        more = ""
    else:
        meant = KINDS.get(kind) or Kind(kind, "")
    if label and index:
        index, more = "", "_".join(filter(None, (more, label)))
    name = meant.field + re.sub(r"-[a-z]+", "_", index) + (f"_{more}" if more else "")
    return meant, re.sub(r"[^a-z0-9_]+", "_", name.lower()).strip("_")
