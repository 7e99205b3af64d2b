"""The one place that knows what a quantity is: unit, plausible range, how others call it.

Limits and classes come from data sheets of common sensors, Home Assistant's list of
device classes, the value types of Sensor.Community, and the European air quality index
(ETC HE report 2024/17, table 5.2: hourly means).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import inf
from types import MappingProxyType

from mysense.units import convert as convert
from mysense.units import mass as mass
from mysense.units import unit_name as unit_name
from mysense.units import unit_sign as unit_sign


@dataclass(frozen=True, slots=True)
class Quantity:
    """Something that can be measured.

    *unit* is the canonical one, in which *least* and *most* (what is plausible) and
    *scale* are given. *device_class* is Home Assistant's, *value_type* Sensor.Community's;
    empty where they have none. *scale* holds the upper bounds of the bands of air quality. *statistic* is
    what several readings become (``mysense.window``), where nobody says another.
    """

    name: str
    meaning: str
    unit: str = ""
    least: float = -inf
    most: float = inf
    decimals: int = 1
    device_class: str = ""
    value_type: str = ""
    scale: tuple[float, ...] = ()
    statistic: str = "mean"

    def plausible(self, value: float) -> bool:
        """Whether a value in the canonical unit can be true."""
        return self.least <= value <= self.most

    def band(self, value: float) -> "Band | None":
        """The band of air quality of a value in the canonical unit; None without a scale.

        >>> QUANTITIES["pm25"].band(15).name
        'fair'
        """
        if not self.scale:
            return None
        return BANDS[sum(value > bound for bound in self.scale)]


@dataclass(frozen=True, slots=True)
class Band:
    """One band of the European air quality index, with its colour."""

    name: str
    colour: str


BANDS = (
    Band("good", "#50f0e6"),
    Band("fair", "#50ccaa"),
    Band("moderate", "#f0e641"),
    Band("poor", "#ff5050"),
    Band("very poor", "#960032"),
    Band("extremely poor", "#7d2181"),
)

_COUNT = "pcs/0.01ft3"
_DUST = (("pm1", "1"), ("pm25", "2.5"), ("pm10", "10"))
_CLASSES = (  # name, size, and the value type of an SPS30's counts
    ("pm03", "0.3", ""), ("pm05", "0.5", "N05"), ("pm1", "1", "N1"), ("pm25", "2.5", "N25"),
    ("pm4", "4", "N4"), ("pm5", "5", ""), ("pm10", "10", "N10"),
)  # fmt: skip
_TABLE = (
    Quantity("pm1", "dust below 1 µm", "ug/m3", 0, 1000, 1, "pm1", "P0"),
    Quantity("pm25", "dust below 2.5 µm", "ug/m3", 0, 1000, 1, "pm25", "P2", (5, 15, 50, 90, 140)),
    Quantity("pm4", "dust below 4 µm", "ug/m3", 0, 1000, 1, "pm4", "P4"),
    Quantity("pm10", "dust below 10 µm", "ug/m3", 0, 2000, 1, "pm10", "P1", (15, 45, 120, 195, 270)),
    Quantity("pm_25", "small particles counted by a Dylos", _COUNT, 0, 65535, 0),
    Quantity("pm_10", "large particles counted by a Dylos", _COUNT, 0, 65535, 0),
    *(
        Quantity(f"{name}_cnt", f"particles of the class {size} µm", "pcs/L", 0, 3e6, 0, "", kind)
        for name, size, kind in _CLASSES
    ),
    *(
        Quantity(f"{name}_par", f"dust below {size} µm, as the factory calibrated it", "ug/m3", 0, 2000, 1, name)
        for name, size in _DUST
    ),
    Quantity("grain", "typical size of particles", "um", 0, 10, 2, "", "TS"),
    Quantity("temp", "temperature", "C", -40, 85, 1, "temperature", "temperature"),
    Quantity("dew", "dew point", "C", -60, 60, 1, "temperature"),
    Quantity("rh", "relative humidity", "%", 0, 100, 1, "humidity", "humidity"),
    Quantity("ah", "absolute humidity", "g/m3", 0, 100, 1, "absolute_humidity"),
    Quantity("hpa", "air pressure", "hPa", 300, 1100, 1, "atmospheric_pressure", "pressure"),
    Quantity("gas", "resistance of a gas sensor", "kOhm", 0, 10000, 1),
    Quantity("aqi", "air quality index", "", 0, 500, 0, "aqi"),
    Quantity("o3", "ozone", "ug/m3", 0, 1000, 1, "ozone", "", (60, 100, 120, 160, 180)),
    Quantity("no2", "nitrogen dioxide", "ug/m3", 0, 2000, 1, "nitrogen_dioxide", "", (10, 25, 60, 100, 150)),
    Quantity("so2", "sulphur dioxide", "ug/m3", 0, 5000, 1, "sulphur_dioxide", "", (20, 40, 125, 190, 275)),
    Quantity("no", "nitrogen monoxide", "ug/m3", 0, 2000, 1, "nitrogen_monoxide"),
    Quantity("nh3", "ammonia", "ug/m3", 0, 10000, 1),
    Quantity("co", "carbon monoxide", "ppm", 0, 1000, 2, "carbon_monoxide"),
    Quantity("co2", "carbon dioxide", "ppm", 300, 40000, 0, "carbon_dioxide", "co2_ppm"),
    Quantity("eth", "ethanol", "ppb", 0, 1e6, 0),
    Quantity("h2s", "hydrogen sulphide", "ppb", -1000, 100000, 0),
    Quantity("hcho", "formaldehyde", "ug/m3", 0, 10000, 0),
    Quantity("tvoc", "volatile organic compounds", "ppb", 0, 65000, 0, "volatile_organic_compounds_parts"),
    Quantity("dbv", "loudness, as the voltage of a microphone", "dBV", -120, 20, 1),
    Quantity("db", "loudness", "dB", 0, 150, 1, "sound_pressure", "noise_LAeq"),
    Quantity("rssi", "strength of a radio signal", "dBm", -150, 0, 0, "signal_strength"),
    Quantity("lat", "latitude", "degrees", -90, 90, 6, "", "lat"),
    Quantity("lon", "longitude", "degrees", -180, 180, 6, "", "lon", statistic="direction"),
    Quantity("alt", "height above sea level", "m", -500, 9000, 1, "distance", "height"),
    Quantity("ws", "wind speed", "m/s", 0, 115, 1, "wind_speed"),
    Quantity("wd", "where the wind comes from", "degrees", 0, 360, 0, "wind_direction", statistic="direction"),
    Quantity("rain", "rain intensity", "mm/h", 0, 500, 1, "precipitation_intensity"),
    Quantity("dayrain", "rain of the day", "mm", 0, 2000, 1, "precipitation", statistic="last"),
    Quantity("prevrain", "rain of the day before", "mm", 0, 2000, 1, "precipitation", statistic="last"),
    Quantity("light", "brightness", "lux", 0, 200000, 0, "illuminance"),
    Quantity("accu", "charge of the battery", "%", 0, 100, 0, "battery"),
    Quantity("volt", "supply voltage", "V", 0, 60, 2, "voltage"),
    Quantity("fix", "dimensions of a position: 2, 3, or 0 without one", "", 0, 3, 0, statistic="last"),
    Quantity("sats", "satellites that a position comes from", "", 0, 100, 0),
    Quantity("eph", "how far a position may be wrong", "m", 0, 1e6, 1, "distance"),
    Quantity("link", "quality of a radio link", "%", 0, 100, 0),
    Quantity("temp_cpu", "temperature of the processor", "C", -40, 125, 1, "temperature"),
    Quantity("undervolt", "1 when there was too little voltage", "", 0, 1, 0, statistic="max"),
    Quantity("throttled", "1 when the processor was slowed down", "", 0, 1, 0, statistic="max"),
    Quantity("disk_free", "free part of a disk", "%", 0, 100, 1),
    Quantity("mem_free", "free part of the memory", "%", 0, 100, 1),
    Quantity("load", "programs that want a processor, on average", "", 0, 1e4, 2),
    Quantity("uptime", "time since the start of the machine", "s", 0, 1e10, 0, "duration", statistic="last"),
)

QUANTITIES: Mapping[str, Quantity] = MappingProxyType({q.name: q for q in _TABLE})
"""All quantities by name."""

_ALIASES = {
    "pm": "pm10", "pm2.5": "pm25", "pm2_5": "pm25", "pm0.3_cnt": "pm03_cnt",
    **{f"{size}_pcs": f"{size}_cnt" for size, _, _ in _CLASSES},
    "temperature": "temp", "temperatuur": "temp", "dewpoint": "dew", "dew_point": "dew",
    "rv": "rh", "hum": "rh", "humidity": "rh", "vochtigheid": "rh",
    "luchtdruk": "hpa", "pressure": "hpa", "press": "hpa", "pres": "hpa", "pha": "hpa",
    "air": "gas", "voc": "gas", "air quality": "aqi", "lki": "aqi",
    "ozon": "o3", "ozone": "o3", "stikstofdioxide": "no2", "nitrogen dioxide": "no2",
    "stikstofmonoxide": "no", "nitrogen monoxide": "no", "koolmonoxide": "co", "carbon monoxide": "co",
    "kooldioxide": "co2", "carbon dioxide": "co2", "ammoniak": "nh3", "ammonia": "nh3",
    "windspeed": "ws", "wr": "wd", "winddirection": "wd", "lux": "light", "wifi": "rssi",
    "latitude": "lat", "long": "lon", "longitude": "lon", "altitude": "alt", "height": "alt", "battery": "accu",
}  # fmt: skip
_SECOND = re.compile(r"[a-z]_?(?=(temp|rh|hpa|hum)$)|(?<!pm)(?<![nc]o)_?\d$")
"""What makes a name that of a second sensor: a letter before it (dtemp), or a digit after it (but pm2, no2)."""
_DERIVED = frozenset(("count", "n", "rate", "ratio", "std", "var"))
"""What follows a name that is no longer that quantity."""


def quantity(name: str) -> Quantity | None:
    """What the field *name* measures, under whichever of its names; None if that is not known.

    >>> [quantity(name).name for name in ("rv", "dtemp", "temp2", "Humidity", "pm25_garden")]
    ['rh', 'temp', 'temp', 'rh', 'pm25']
    """
    for spelling in _spellings(name.lower().strip()):
        if found := QUANTITIES.get(_ALIASES.get(spelling, spelling)):
            return found
    return None


def shown(name: str, value: float | str) -> str:
    """A value for people, with as many decimals as make sense for it.

    >>> shown("temp", 21.4567), shown("pm03_cnt", 12), shown("open", True)
    ('21.5', '12', 'yes')
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, float):
        return str(value)
    known = quantity(name)
    return f"{value:.{known.decimals}f}" if known else f"{value:g}"


def _spellings(name: str) -> Iterable[str]:
    """The name, then what is left of it without what tells several sensors apart."""
    yield name
    yield _SECOND.sub("", name, count=1)
    plain, _, rest = name.rpartition("_")
    if plain and rest not in _DERIVED and not rest.isdigit():
        yield from _spellings(plain)
