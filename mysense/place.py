"""Where a kit is: while it moves its location is data, and after half an hour at a new place its ident follows.

The half hour is measured on the machine's own time since its start, so that a clock that is set does
not shorten it; what was seen of it is in the journal, and a restart goes on.
"""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from mysense.clock import Clock
from mysense.telegram import SECOND, Location, Value

RADIUS = 50.0
"""Metres around a place that belong to it: so much do receivers err."""
STAY = 1800.0
"""Seconds at a place after which it is that of the kit."""
GAP = 600.0
"""The most seconds between two positions in which the kit is taken to have stayed; nobody saw it in more."""
_EARTH = 6_371_000.0
PLAIN = ("lat", "lon", "alt")

Receivers = Sequence[tuple[str, ...]]
"""What latitude, longitude and, where there is one, height of each receiver are called; the one to follow first."""


def distance(a: Location, b: Location) -> float:
    """Metres between two places, height left aside, on a round earth.

    >>> round(distance(Location(51.5, 6.1), Location(51.501, 6.1)))
    111
    """
    north, south = math.radians(a.lat), math.radians(b.lat)
    x = math.sin((north - south) / 2) ** 2
    x += math.cos(north) * math.cos(south) * math.sin(math.radians(a.lon - b.lon) / 2) ** 2
    return 2 * _EARTH * math.asin(min(1.0, math.sqrt(x)))


class Place:
    """The place of a node, *location* until it has moved.

    *interval* is the time (s) between two telegrams, *kept* what ``unsaved`` gave before the last stop or
    crash. Where *location* is another than it was then, somebody has written it anew, and it counts.
    """

    def __init__(self, location: Location | None, interval: float, clock: Clock, kept: str = "") -> None:
        self._clock, self._gap = clock, max(GAP, 2 * interval)
        self._told = str(location or "")
        self._kept: dict[str, Any] = {"told": self._told}
        self._safe = kept
        self.location = location
        if kept and (said := json.loads(kept))["told"] == self._told:
            self._kept = said
            if "here" in said:
                self.location = Location(*said["here"])

    def follow(self, values: dict[str, Value], receivers: Receivers = (PLAIN,)) -> tuple[dict[str, Value], str]:
        """The values of a telegram: without a location where the ident says it; and in words, when it has moved.

        Of several *receivers* the first counts that knows its position.
        """
        said = {names: position for names in receivers if (position := _position(values, *names))}
        if not said:
            return values, ""
        names, position = next(iter(said.items()))
        moved = "" if self._at_home(position) else self._stay(position, _number(values, *names[2:]))
        if moved or self._at_home(position):
            self._kept.pop("stay", None)
        gone = {
            name for each, there in said.items() if self._at_home(there) or (moved and each == names) for name in each
        }
        return {name: value for name, value in values.items() if name not in gone} if gone else values, moved

    def _at_home(self, position: Location) -> bool:
        return self.location is not None and distance(self.location, position) <= RADIUS

    def _stay(self, position: Location, height: float | None) -> str:
        """Somewhere else: since when? After long enough it is the kit's place, which is told."""
        stay, up, boot = self._kept.get("stay"), self._clock.uptime(), self._clock.boot_id()
        if not stay or distance(Location(*stay["at"]), position) > RADIUS:
            before = self.location.alt if self.location else 0.0
            at = [position.lat, position.lon, before]
            stay = {"at": at, "count": 0, "high": 0, "seconds": 0.0, "up": up, "boot": boot}
        passed = (up - stay["up"]) / SECOND if boot == stay["boot"] else 0
        count, high = stay["count"] + 1, stay.get("high", 0) + (height is not None)
        lat, lon, alt = stay["at"]
        alt = alt if height is None else alt + (height - alt) / high
        at = [lat + (position.lat - lat) / count, lon + (position.lon - lon) / count, alt]
        seconds = stay["seconds"] + (passed if passed <= self._gap else 0)
        self._kept["stay"] = {"at": at, "count": count, "high": high, "seconds": seconds, "up": up, "boot": boot}
        if seconds < STAY:
            return ""
        left, self.location = self.location, Location(round(at[0], 6), round(at[1], 6), round(at[2], 1))
        self._kept["here"] = list(self.location)
        away = f", {distance(left, self.location) / 1000:.1f} km from where it was" if left else ""
        return f"the kit is at {self.location} now{away}"

    def unsaved(self) -> dict[str, str | None]:
        """What the journal has to keep, when it does not yet."""
        text = json.dumps(self._kept)
        return {} if text == self._safe or (not self._safe and len(self._kept) == 1) else {"place": text}

    def saved(self, state: Mapping[str, str | None]) -> None:
        """What ``unsaved`` gave is in the journal now."""
        self._safe = state.get("place") or self._safe


def _position(values: Mapping[str, Value], north: str, east: str, *_: str) -> Location | None:
    """Where the values were measured; None where they do not say, or nothing that can be."""
    lat, lon = _number(values, north), _number(values, east)
    if lat is None or lon is None or abs(lat) > 90 or abs(lon) > 180:
        return None
    return Location(lat, lon)


def _number(values: Mapping[str, Value], name: str = "") -> float | None:
    value = values.get(name)
    return value if isinstance(value, int | float) else None
