"""A kit without hardware: an invented but believable course of dust and weather.

Everything follows from the time of day and a seed, so two runs with the same seed agree.
The hours are those of UTC.
"""

import time
from collections.abc import Mapping
from hashlib import blake2b
from math import cos, exp, log, pi

from mysense import plugin
from mysense.options import seconds
from mysense.plugin import option
from mysense.telegram import Field

HOUR = 3600.0
DAY = 24 * HOUR
YEAR = 365.25 * DAY


def weather(now: float, seed: int = 0) -> dict[str, float]:
    """Dust (ug/m3), temperature (C), humidity (%) and air pressure (hPa) at *now* (s since 1970 UTC).

    >>> weather(1_700_000_000) == weather(1_700_000_000), weather(0, seed=1) == weather(0, seed=2)
    (True, False)
    """
    hour = now % DAY / HOUR
    hpa = 1013 + 14 * _drift("hpa", now, 60 * HOUR, seed) + 0.6 * cos(2 * pi * (hour - 10) / 12)
    temp = (
        10.5
        - 8 * cos(2 * pi * (now - 15 * DAY) / YEAR)  # coldest in the middle of January
        + 4.5 * cos(2 * pi * (hour - 14.5) / 24)  # warmest in the early afternoon
        + 3.5 * _drift("temp", now, 40 * HOUR, seed)
        + 0.15 * _drift("temp", now, 90, seed)
    )
    # The dew point hardly knows day and night: so the humidity goes the other way than the temperature.
    dew = 4.5 - 7 * cos(2 * pi * (now - 20 * DAY) / YEAR) + 3 * _drift("dew", now, 30 * HOUR, seed)
    rh = 100 * _vapour(min(dew, temp - 0.4)) / _vapour(temp)
    rain = max(0.0, _drift("rain", now, 7 * HOUR, seed) - 0.2) / 0.8
    washed = 1 - 0.75 * rain
    work = 1.0 if (now // DAY + 4) % 7 not in (0, 6) else 0.4  # 1970 began on a Thursday; day 0 is Sunday
    rush = work * (13 * _peak(hour, 7.5, 1.2) + 10 * _peak(hour, 18, 1.7))
    calm = 1 + 0.6 * _drift("calm", now, 36 * HOUR, seed)
    flicker = 1 + 0.05 * _drift("pm", now, 45, seed)
    pm25 = max(0.0, (4.5 * calm + rush * calm) * washed * flicker)
    dry = max(0.0, 1.2 + _drift("dust", now, 5 * HOUR, seed)) * (1 + 0.5 * _peak(hour, 14, 3))
    pm10 = pm25 * 1.2 + 3 * dry * washed * flicker
    return {
        "pm25": round(pm25, 2), "pm10": round(pm10, 2), "temp": round(temp, 2), "rh": round(rh, 2), "hpa": round(hpa, 2)
    }  # fmt: skip


def _drift(name: str, time: float, step: float, seed: int) -> float:
    """Smooth chance between -1 and 1 that takes about *step* seconds to change."""
    begin, part = divmod(time / step, 1)
    here, there = (_chance(f"{seed} {name} {step} {begin + n:.0f}") for n in (0, 1))
    return here + (there - here) * (1 - cos(pi * part)) / 2


def _chance(text: str) -> float:
    """A number between -1 and 1 that belongs to the text."""
    return int.from_bytes(blake2b(text.encode(), digest_size=4).digest()) / (2**31 - 0.5) - 1


def _peak(hour: float, at: float, width: float) -> float:
    """A bell of height 1 around an hour of the day."""
    away = abs(hour - at)
    return exp(-((min(away, 24 - away) / width) ** 2) / 2)


def _vapour(temp: float) -> float:
    """Pressure of saturated vapour over water in hPa (Magnus, WMO coefficients)."""
    return exp(log(6.112) + 17.62 * temp / (243.12 + temp))


class Sensor(plugin.Sensor):
    """A believable day of dust, temperature, humidity and air pressure, without hardware."""

    measures = (
        Field("pm25", "ug/m3", "simulated"),
        Field("pm10", "ug/m3", "simulated"),
        Field("temp", "C", "simulated"),
        Field("rh", "%", "simulated"),
        Field("hpa", "hPa", "simulated"),
    )

    interval: float = option(2.0, "seconds between two readings", parse=seconds)
    seed: int = option(0, "another number gives other weather")

    def read(self) -> Mapping[str, float]:
        return weather(time.time(), self.seed)


if __name__ == "__main__":
    from mysense import tryout

    tryout.sensor("simulated")
