"""Telegrams: the values that everything else passes around.

An Ident says who measures what and where, a Data what was measured at one time, a Note
what the core itself has to say. All three are immutable. Times are integers of
nanoseconds since 1970 UTC: a float cannot hold them exactly.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from hashlib import blake2b
from types import MappingProxyType
from typing import NamedTuple

SECOND = 1_000_000_000
"""Nanoseconds in a second."""

Value = float | int | str | bool
Item = Value | tuple[Value, ...]

PRIVATE = frozenset(("street", "housenr", "pcode", "village", "municipality", "province", "intern_ip", "extern_ip"))
"""Items of an ident that leave the node only where a publisher's option asks for them."""

_VIA = "via"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)


class Location(NamedTuple):
    """A place: degrees north, degrees east, metres above sea level (WGS 84)."""

    lat: float
    lon: float
    alt: float = 0.0

    @classmethod
    def parse(cls, text: str) -> "Location":
        """Read ``lat,lon`` or ``lat,lon,alt``; ValueError says what is wrong with it."""
        try:
            parts = [float(part) for part in text.split(",")]
        except ValueError:
            parts = []
        if len(parts) not in (2, 3) or not all(map(math.isfinite, parts)):
            raise ValueError(f"{text!r} is not a place: write lat,lon or lat,lon,alt in degrees and metres")
        place = cls(*parts)
        if abs(place.lat) > 90 or abs(place.lon) > 180:
            raise ValueError(f"{text!r}: latitude goes from -90 to 90, longitude from -180 to 180")
        return place

    def __str__(self) -> str:
        return ",".join(repr(float(part)).removesuffix(".0") for part in self)


@dataclass(frozen=True, slots=True)
class Field:
    """One measured quantity: its name, its unit, and the device that measures it."""

    name: str
    unit: str = ""
    device: str = ""


@dataclass(frozen=True, eq=False)
class Ident:
    """Who measures what, and where. *since* is the time of the first data under it."""

    project: str
    serial: str
    label: str = ""
    geolocation: Location | None = None
    fields: tuple[Field, ...] = ()
    meta: Mapping[str, Item] = field(default_factory=dict)
    since: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "meta", MappingProxyType(dict(self.meta)))

    @cached_property
    def node(self) -> str:
        """The name of the node: ``<project>_<serial>``."""
        return f"{self.project}_{self.serial}"

    @cached_property
    def digest(self) -> str:
        """A hash of all but *since*: idents with equal digests say the same."""
        said = (self.project, self.serial, self.label, str(self.geolocation or ""),
                [(f.name, f.unit, f.device) for f in self.fields], sorted(self.meta.items()))  # fmt: skip
        return blake2b(repr(said).encode(), digest_size=12).hexdigest()

    def public(self, keep: Iterable[str] = ()) -> "Ident":
        """The ident without its private items, but for those named in *keep*."""
        hidden = PRIVATE.difference(keep).intersection(self.meta)
        if not hidden:
            return self
        return replace(self, meta={k: v for k, v in self.meta.items() if k not in hidden})

    @property
    def bare(self) -> bool:
        """Whether it says no more than a name."""
        return not (self.label or self.geolocation or self.fields or self.meta)

    @property
    def via(self) -> tuple[str, ...]:
        """The relays that its telegrams came through, the nearest last."""
        said = self.meta.get(_VIA, ())
        return tuple(map(str, said)) if isinstance(said, tuple) else (str(said),)

    def passed_on(self, relay: str) -> "Ident":
        """The ident as *relay* gives it to others: one that meets its own name here leaves the telegram out."""
        return replace(self, meta={**self.meta, _VIA: (*self.via, relay)})

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Ident):
            return NotImplemented
        return self is other or (self.digest == other.digest and self.since == other.since)

    def __hash__(self) -> int:
        return hash(self.digest)


@dataclass(frozen=True, slots=True, init=False)
class Data:
    """What was measured at one time, and the ident it was measured under.

    Zero is a value. A missing value is absent; so is one that is not finite (see
    ``clean``). *flags* says, by field, why a value is doubted. *raw* names the sensor where
    this is a single reading of it, as it came, and not what a whole kit measured in a while.
    """

    ident: Ident
    time: int
    values: Mapping[str, Value] = field(hash=False)
    flags: Mapping[str, str] = field(hash=False)
    raw: str

    def __init__(
        self,
        ident: Ident,
        time: int,
        values: Mapping[str, Value],
        flags: Mapping[str, str] = MappingProxyType({}),
        raw: str = "",
    ) -> None:
        # What a dataclass makes by itself takes three times as long, and a journal is read as a million of these.
        _set_ident(self, ident)
        _set_time(self, time)
        _set_values(self, values)
        _set_flags(self, flags)
        _set_raw(self, raw)


_set_ident, _set_time, _set_values, _set_flags, _set_raw = (getattr(Data, f.name).__set__ for f in fields(Data))


@dataclass(frozen=True, slots=True)
class Note:
    """What the core has to say about a node: *kind* is one word (up, down, stuck, lost, …)."""

    ident: Ident
    time: int
    kind: str
    text: str = ""
    values: Mapping[str, Value] = field(default_factory=dict, hash=False)


Telegram = Ident | Data | Note


def ident_of(telegram: Telegram) -> Ident:
    """The ident that a telegram is, or was made under."""
    return telegram if telegram.__class__ is Ident else telegram.ident  # type: ignore[union-attr]


def clean(values: Mapping[str, Value | None]) -> dict[str, Value]:
    """The values that are there: without None, NaN and infinities.

    >>> clean({"temp": 0, "rh": None, "hpa": float("nan")})
    {'temp': 0}
    """
    return {
        name: value
        for name, value in values.items()
        if value is not None and (not isinstance(value, float) or math.isfinite(value))
    }


def check_name(text: str) -> str:
    """*text* if it can be a project or a serial, else ValueError.

    Both become names of databases, topics and files, so they are kept to ASCII letters,
    digits, ``-``, ``_`` and ``.``, and begin with a letter or a digit.
    """
    if not _NAME.fullmatch(text) or len(text) > 64:
        raise ValueError(
            f"{text!r} cannot be a name: use up to 64 letters (a-z), digits, '-', '_' and '.', "
            "and begin with a letter or digit"
        )
    return text
