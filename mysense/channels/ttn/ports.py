"""The bytes of MySense kits, by LoRaWAN port: 2 and 4 carry values, 3 says what the kit is and what happened.

All numbers are big-endian. The layouts are those of the kits' own firmware (LoPy, 2018 to
2021) and of the kits of 2017 that measured fireworks; docs/ttn.md shows them. A number that
is zero is one that the kit did not have, but for counts among others and a calm.
"""

from collections.abc import Mapping, Sequence
from itertools import accumulate
from struct import calcsize, unpack_from

from mysense.channels.ttn.kit import DUST, METEO, About, Event, Reading
from mysense.telegram import Location, Value

PM1, COUNTS, GAS, GPS, WIND, SUPPLY, UNKNOWN = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40
"""Flags of the first byte, which say what is there; bit 7 says that they are flags."""


def read(port: int, payload: bytes) -> Reading | About | Event:
    """What the bytes of a kit say; ValueError when they say nothing that is documented."""
    match port:
        case 2 | 4:
            return _measured(port, payload)
        case 3:
            return _told(_Numbers(payload))
        case 10 | 12:
            raise ValueError(f"the bytes of port {port} are not documented well enough to read them; {_INSTEAD}")
        case _:
            raise ValueError(f"port {port} is none of those whose bytes are known (2, 3 and 4); {_INSTEAD}")


_INSTEAD = "let a payload formatter of the application decode them"


class _Numbers:
    """Numbers taken from bytes, one after the other."""

    def __init__(self, payload: bytes, begin: int = 0) -> None:
        self._payload, self._at = payload, begin

    def __len__(self) -> int:
        """How many bytes are left."""
        return len(self._payload) - self._at

    def take(self, layout: str) -> tuple[int, ...]:
        """The next numbers, by the letters of Python's struct."""
        if len(self) < (size := calcsize(f">{layout}")):
            raise ValueError(f"{len(self._payload)} bytes are too few for what they should hold")
        self._at += size
        return unpack_from(f">{layout}", self._payload, self._at - size)

    def end(self) -> None:
        """Nothing may be left, but for padding."""
        if any(self._payload[self._at :]):
            raise ValueError(f"{len(self)} of {len(self._payload)} bytes have no meaning")


def _measured(port: int, payload: bytes) -> Reading:
    if payload[:1] >= b"\x80":
        return _flagged(port, payload[0] & 0x7F, _Numbers(payload, 1))
    if port == 4:
        return _flagged(port, 0, _Numbers(payload))
    if len(payload) == 8:
        return Reading(_fireworks(_Numbers(payload)))
    if len(payload) >= 16:
        return _flagged(port, PM1 | GAS, _Numbers(payload[:16]))  # behind them stood, at times, the kit's own clock
    raise ValueError(f"{len(payload)} bytes without flags are no layout of port 2")


def _flagged(port: int, flags: int, numbers: _Numbers) -> Reading:
    """Dust always, weather when anything follows, the rest as the flags say."""
    if flags & UNKNOWN:
        raise ValueError(f"nobody knows what flag 0x{UNKNOWN:02x} means")
    values, dust = _tenths(("pm1", "pm25", "pm10") if flags & PM1 else ("pm25", "pm10"), numbers), ""
    if flags & COUNTS:
        counts, dust = _counts(*numbers.take("6H")) if port == 4 else (_small_counts(numbers), "")
        values |= counts
    if numbers or flags & (GAS | GPS | WIND | SUPPLY):
        values |= _weather(numbers, bool(flags & GAS))
    if flags & GPS:
        values |= _place(numbers)
    if flags & WIND:
        values |= _wind(*numbers.take("BB"))
    if flags & SUPPLY and (tenths := numbers.take("B")[0]):
        values["volt"] = tenths / 10
    numbers.end()
    return Reading(values, dust)


def _tenths(names: Sequence[str], numbers: _Numbers) -> dict[str, Value]:
    """Tenths, but for those that the kit did not have."""
    return {name: tenths / 10 for name, tenths in zip(names, numbers.take(f"{len(names)}H"), strict=True) if tenths}


def _counts(pm10: int, pm05: int, pm1: int, pm25: int, pm5: int, last: int) -> tuple[dict[str, Value], str]:
    """Counts of port 4, in tenths, and the device where it is certain.

    A bit in the third says that the fifth goes to 4 µm, as an SPS30 counts, and not to 5. A
    bit in the first says that each counts from the size before, and that the last is the
    typical size instead of the smallest class. They are made to count from the smallest on.
    """
    classes, sensirion = pm10 & 0x8000, pm1 & 0x8000
    pm10, pm1 = pm10 & 0x7FFF, pm1 & 0x7FFF
    dust = "SPS30" if sensirion else ""
    if not any((pm10, pm05, pm1, pm25, pm5, last)):
        return {}, dust
    row = (pm05, pm1, pm25, pm5, pm10)
    names = ("pm05_cnt", "pm1_cnt", "pm25_cnt", "pm4_cnt" if sensirion else "pm5_cnt", "pm10_cnt")
    values: dict[str, Value] = {} if classes else {"pm03_cnt": last / 10}
    values |= {name: tenths / 10 for name, tenths in zip(names, accumulate(row) if classes else row, strict=True)}
    if classes and last:
        values["grain"] = last / 100
    return values, dust


def _small_counts(numbers: _Numbers) -> dict[str, Value]:
    """Counts of port 2, in tenths."""
    row = numbers.take("HHHBBB")
    names = ("pm03_cnt", "pm05_cnt", "pm1_cnt", "pm25_cnt", "pm5_cnt", "pm10_cnt")
    return {name: tenths / 10 for name, tenths in zip(names, row, strict=True)} if any(row) else {}


def _weather(numbers: _Numbers, gas: bool) -> dict[str, Value]:
    temp, rh, hpa = numbers.take("HHH")
    kohm, aqi = numbers.take("HH") if gas else (0, 0)
    row = {"temp": (temp - 300) / 10, "rh": rh / 10, "hpa": hpa, "gas": kohm, "aqi": aqi / 10}
    return {name: value for (name, value), raw in zip(row.items(), (temp, rh, hpa, kohm, aqi), strict=True) if raw}


def _fireworks(numbers: _Numbers) -> dict[str, Value]:
    """The layout of 2017: another zero of the temperature."""
    values = _tenths(("pm25", "pm10", "temp", "rh"), numbers)
    if "temp" in values:
        values["temp"] = round(float(values["temp"]) - 20, 1)
    return values


def _place(numbers: _Numbers) -> Mapping[str, Value]:
    lat, lon, alt = numbers.take("iii")
    if not lat or not lon:
        return {}
    place = _checked(lat, lon, alt)
    return {"lat": place.lat, "lon": place.lon} | ({"alt": place.alt} if alt else {})


def _wind(fifths: int, turned: int) -> Mapping[str, Value]:
    speed = {"ws": (2 * fifths + (turned >> 7)) / 10}
    return speed | ({"wd": (turned & 0x7F) * 3 % 360} if turned & 0x7F else {})


def _told(numbers: _Numbers) -> About | Event:
    tenths, devices = numbers.take("BB")
    version = tenths / 10
    if not devices:
        *_, value, number = 0, *numbers.take(f"{max(1, len(numbers))}B")
        return Event(version, number, value)
    lat, lon, alt = numbers.take("iii")
    numbers.end()
    dust, meteo = devices & 0x07, devices >> 4
    return About(
        version=version,
        dust=DUST[dust] if dust < len(DUST) else "",
        meteo=METEO[meteo] if meteo < len(METEO) else "",
        gps=bool(devices & 0x08),
        place=_checked(lat, lon, alt) if lat and lon else None,
    )


def _checked(lat: int, lon: int, alt: int) -> Location:
    """A place from its whole numbers; ValueError for one that is not on Earth."""
    return Location.parse(f"{lat / 1e5},{lon / 1e5},{alt / 10}")
