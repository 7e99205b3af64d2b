"""Units of measurement: one spelling for each, and conversion between those of a kind."""

from math import pi
from typing import NamedTuple

PARTICLES = 3531.5
"""How many times 0.01 cubic foot goes into a cubic metre, as the dust formula takes it."""
DENSITY = 1.65e12
"""Of a dust particle, in ug/m3."""
RADIUS = {"pm1": 0.17e-6, "pm25": 0.44e-6, "pm10": 2.60e-6}
"""Of a sphere that stands for all particles of a size class, in metres.

Density and radii of PM2.5 and PM10: the Philadelphia sensor network's comparison of Dylos
counters with reference monitors. The radius of PM1 is an estimate.
"""
MOLAR_MASS = {
    "so2": 64.0, "no2": 46.0, "no": 30.01, "o3": 48.0, "co": 28.01, "co2": 44.01, "nh3": 17.031,
}  # fmt: skip
"""Of a gas, in g/mol."""


class _Unit(NamedTuple):
    """A unit in terms of its kind's first one: ``(value + shift) * times / by``."""

    kind: str
    times: float = 1
    by: float = 1
    shift: float = 0
    sign: str = ""


_UNITS = {
    "pcs/L": _Unit("count"),
    "pcs/0.1L": _Unit("count", 10),
    "pcs/cm3": _Unit("count", 1000),
    "pcs/m3": _Unit("count", 1, 1000),
    "pcs/0.01ft3": _Unit("count", 1, 0.28316846592),  # a foot is 0.3048 m
    "pcs/ft3": _Unit("count", 1, 28.316846592),
    "ug/m3": _Unit("mass", sign="µg/m³"),
    "mg/m3": _Unit("mass", 1000, sign="mg/m³"),
    "ppb": _Unit("share"),
    "ppm": _Unit("share", 1000),
    "C": _Unit("temperature", sign="°C"),
    "K": _Unit("temperature", shift=-273.15),
    "F": _Unit("temperature", 5, 9, -32, "°F"),
    "hPa": _Unit("pressure"),
    "Pa": _Unit("pressure", 1, 100),
    "kPa": _Unit("pressure", 10),
    "m/s": _Unit("speed"),
    "km/h": _Unit("speed", 1, 3.6),
    "V": _Unit("voltage"),
    "mV": _Unit("voltage", 1, 1000),
    "Ohm": _Unit("resistance", sign="Ω"),
    "kOhm": _Unit("resistance", 1000, sign="kΩ"),
}
_SIGNS = {"um": "µm", "degrees": "°", "lux": "lx", "g/m3": "g/m³"}
_SPELLINGS = {
    "pcs/qf": "pcs/0.01ft3", "0.01pcs/qf": "pcs/0.01ft3", "pcs/0.01qf": "pcs/0.01ft3",
    "pcs/dm3": "pcs/L", "pcs/l": "pcs/L", "pcs/0.1dm3": "pcs/0.1L", "pcs/0.1l": "pcs/0.1L",
    "pcs/cc": "pcs/cm3", "#/cm3": "pcs/cm3",
    "oC": "C", "degC": "C", "celsius": "C", "oF": "F", "degF": "F", "fahrenheit": "F", "kelvin": "K",
    "mbar": "hPa", "mb": "hPa", "hpa": "hPa", "pa": "Pa", "kpa": "kPa",
    "m/sec": "m/s", "kmh": "km/h", "degree": "degrees", "deg": "degrees", "lx": "lux", "%rh": "%", "percent": "%",
    "ohm": "Ohm", "kohm": "kOhm",
}  # fmt: skip
_PLAIN = str.maketrans({"µ": "u", "μ": "u", "³": "3", "²": "2", "Ω": "Ohm", "℃": "C", "℉": "F", " ": None})


def unit_name(unit: str) -> str:
    """The one spelling of a unit that has several; one that is not known stays as it is.

    >>> unit_name("pcs/qf"), unit_name("µg/m³"), unit_name("oC"), unit_name("furlong")
    ('pcs/0.01ft3', 'ug/m3', 'C', 'furlong')
    """
    plain = unit.translate(_PLAIN).replace("°", "" if len(unit) > 1 else "degrees")
    for spelling in (plain, plain.lower()):
        if spelling in _SPELLINGS:
            return _SPELLINGS[spelling]
    return plain if plain in _UNITS or plain in _SIGNS else unit


def unit_sign(unit: str) -> str:
    """A unit as people write it.

    >>> unit_sign("ug/m3"), unit_sign("oC"), unit_sign("hPa")
    ('µg/m³', '°C', 'hPa')
    """
    name = unit_name(unit)
    return (_UNITS[name].sign if name in _UNITS else _SIGNS.get(name, "")) or name


def mass(size: str, count: float) -> float:
    """Dust in ug/m3 from *count* particles per 0.01 cubic foot; *size* is pm1, pm25 or pm10.

    All particles are taken for equal spheres, so this is an estimate. A Dylos that shows
    ``1050,31``:

    >>> round(mass("pm25", 1050), 2), round(mass("pm10", 31), 2)
    (2.18, 13.3)
    """
    if size not in RADIUS:
        raise ValueError(f"no mass is known for particles of size {size!r}; those are {', '.join(RADIUS)}")
    return count * PARTICLES * DENSITY * 4 / 3 * pi * RADIUS[size] ** 3


def convert(
    value: float, unit: str, to: str, *, of: str = "", temperature: float = 20.0, pressure: float = 1013.25
) -> float:
    """*value* in another unit; ValueError where there is no such conversion.

    *of* says what is measured, where that matters: a gas (``no2``) between ppb and ug/m3,
    a size of dust (``pm25``) between counts and ug/m3. A gas has the given temperature (C)
    and pressure (hPa); without them those at which the European Union reports.

    >>> convert(77, "F", "C"), convert(101325, "Pa", "hPa"), round(convert(100, "pcs/0.1L", "pcs/qf"), 1)
    (25.0, 1013.25, 283.2)
    >>> round(convert(10, "ppb", "ug/m3", of="no2", temperature=25), 1)
    18.8
    """
    source, target = unit_name(unit), unit_name(to)
    if source == target:
        return value
    if source not in _UNITS or target not in _UNITS:
        unknown = unit if source not in _UNITS else to
        raise ValueError(f"cannot convert {unit!r} to {to!r}: the unit {unknown!r} is not known")
    here, there = _UNITS[source], _UNITS[target]
    based = (value + here.shift) * here.times / here.by
    if here.kind != there.kind:
        based *= _across(here.kind, there.kind, of, temperature, pressure, f"cannot convert {unit!r} to {to!r}")
    return based * there.by / there.times - there.shift


def _across(kind: str, to: str, of: str, temperature: float, pressure: float, failure: str) -> float:
    """The factor between the first units of two kinds."""
    if {kind, to} == {"count", "mass"}:
        if of not in RADIUS:
            raise ValueError(f"{failure}: say of which size of dust: {', '.join(RADIUS)}")
        factor = mass(of, 0.28316846592)
    elif {kind, to} == {"share", "mass"}:
        if of not in MOLAR_MASS:
            raise ValueError(f"{failure}: say of which gas: {', '.join(MOLAR_MASS)}")
        # the ideal gas law with R = 8.314462618 J/(mol K): a ppb weighs so many ug in a cubic metre
        factor = MOLAR_MASS[of] * pressure * 100 / (8.314462618 * (273.15 + temperature)) / 1000
    else:
        raise ValueError(f"{failure}: {kind} is not {to}")
    return factor if to == "mass" else 1 / factor
