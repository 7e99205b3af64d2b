"""What devices have told of themselves, kept over a restart: their parts, their place, what they measure."""

from collections.abc import Iterable, MutableMapping
from dataclasses import replace
from functools import lru_cache

from mysense import wire
from mysense.channels.ttn.kit import RECEIVER, About
from mysense.channels.ttn.uplink import Uplink
from mysense.telegram import Field, Ident, Item


class Told:
    """Idents by device, written into *state*; they hold what is added to the names of the node."""

    def __init__(self, state: MutableMapping[str, str]) -> None:
        self._state = state

    def of(self, uplink: Uplink) -> Ident:
        """What the sender of an uplink has told so far."""
        if kept := self._state.get(_key(uplink)):
            return _ident(kept)
        return Ident(uplink.application, uplink.device)

    def about(self, uplink: Uplink, about: About) -> None:
        """The device has told what it is."""
        parts = {"dust": about.dust, "meteo": about.meteo, "gps": RECEIVER if about.gps else ""}
        meta: dict[str, Item] = {"version": about.version}
        meta |= {name: part for name, part in parts.items() if part}
        known = self.of(uplink)
        self._keep(uplink, replace(known, geolocation=about.place or known.geolocation, meta=meta))

    def fields(self, uplink: Uplink, fields: Iterable[Field]) -> None:
        """The device has sent values of these fields."""
        known = self.of(uplink)
        self._keep(uplink, replace(known, fields=merged(known.fields, fields)))

    def _keep(self, uplink: Uplink, ident: Ident) -> None:
        self._state[_key(uplink)] = wire.encode_ident(ident)


def merged(fields: Iterable[Field], newer: Iterable[Field]) -> tuple[Field, ...]:
    """Fields by name, in the order in which they came up; the newer ones say how they are."""
    return tuple(({f.name: f for f in fields} | {f.name: f for f in newer}).values())


@lru_cache(maxsize=1024)
def _ident(kept: str) -> Ident:
    return wire.decode_ident(kept)


def _key(uplink: Uplink) -> str:
    return f"device {uplink.name}"
