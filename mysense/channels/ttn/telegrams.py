"""Uplinks as telegrams: what was decoded, or the bytes; under the ident of the node."""

from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass, replace

from mysense import exact
from mysense.channels.ttn import ports, uplink
from mysense.channels.ttn.kit import RECEIVER, About, Event, Reading
from mysense.channels.ttn.nodes import Nodes
from mysense.channels.ttn.told import Told, merged
from mysense.channels.ttn.uplink import Uplink
from mysense.telegram import Data, Field, Ident, Note, Telegram, Value

_WEATHER = ("temp", "rh", "hpa", "gas", "aqi")
_GPS = ("lat", "lon", "alt")
_UNITS = {
    "temp": "C", "rh": "%", "hpa": "hPa", "gas": "kOhm", "aqi": "%", "lat": "degrees", "lon": "degrees", "alt": "m",
    "ws": "m/s", "wd": "degrees", "volt": "V", "grain": "um",
}  # fmt: skip
_RADIO = (Field("rssi", "dBm", "LoRaWAN"), Field("snr", "dB", "LoRaWAN"), Field("gateways", "", "LoRaWAN"))


@dataclass(frozen=True)
class Wanted:
    """What of an uplink is wanted; the devices of kits that do not tell what they have."""

    prefer: str = "decoded"
    signal: bool = False
    dust: str = ""
    meteo: str = ""


class Telegrams:
    """Makes telegrams; what devices tell of themselves is kept in *state*."""

    def __init__(self, nodes: Nodes, wanted: Wanted, state: MutableMapping[str, str]) -> None:
        self._nodes, self._wanted, self._told = nodes, wanted, Told(state)

    def of(self, message: bytes) -> Iterator[Telegram]:
        """The telegrams of a message; ValueError when it is no uplink, or one that cannot be read."""
        up = uplink.read(message)
        if up is None or not (up.payload or up.decoded):  # another message, or for the network alone
            return
        if not (node := self._nodes.of(up)):
            return
        match said := self._said(up):
            case About():
                self._told.about(up, said)
                yield replace(self._ident(up, node), since=up.time)
            case Event():
                numbers = {"event": said.number} | ({"value": said.value} if said.value else {})
                yield Note(self._ident(up, node), up.time, "event", said.text, numbers)
            case Reading():
                yield from self._data(up, node, said.values, self._fields(up, said))
            case _:
                yield from self._data(up, node, said, ())

    def _said(self, up: Uplink) -> Reading | About | Event | Mapping[str, Value]:
        """What the bytes say, or what the application decoded, by names of its own."""
        try:
            decoded = exact.flat(up.decoded)
        except RecursionError:
            raise ValueError("what was decoded is too deeply nested") from None
        if not up.payload or (decoded and self._wanted.prefer == "decoded"):
            return decoded
        try:
            return ports.read(up.port, up.payload)
        except ValueError:
            if decoded:
                return decoded
            raise

    def _data(self, up: Uplink, node: Ident, values: Mapping[str, Value], fields: tuple[Field, ...]) -> Iterator[Data]:
        if self._wanted.signal and up.signals and values:
            best = max(up.signals, key=lambda signal: signal.quality)
            values = {"rssi": best.rssi, "snr": best.snr, "gateways": len(up.signals), **values}
            fields = (*fields, *_RADIO)
        if fields:
            self._told.fields(up, fields)
        if values:
            yield Data(self._ident(up, node), up.time, values)

    def _ident(self, up: Uplink, node: Ident) -> Ident:
        """All that is known of a node: what was listed, then what it told, then what the network says."""
        told = self._told.of(up)
        return replace(
            node,
            geolocation=node.geolocation or told.geolocation or up.location,
            fields=merged(merged(node.fields, told.fields), node.fields),
            meta={**told.meta, **node.meta},
        )

    def _fields(self, up: Uplink, said: Reading) -> tuple[Field, ...]:
        """The fields of values that were read from bytes, with the devices that the kit told."""
        meta = self._told.of(up).meta
        dust = said.dust or str(meta.get("dust", self._wanted.dust))
        meteo, gps = str(meta.get("meteo", self._wanted.meteo)), str(meta.get("gps", RECEIVER))
        return tuple(Field(name, *_described(name, dust, meteo, gps)) for name in said.values)


def _described(name: str, dust: str, meteo: str, gps: str) -> tuple[str, str]:
    """The unit of a field of the bytes, and what measures it."""
    if name in _WEATHER:
        return _UNITS[name], meteo
    if name in _GPS:
        return _UNITS[name], gps
    if name.endswith("_cnt"):
        return "pcs/0.1L", dust
    return _UNITS.get(name, "ug/m3"), dust if name.startswith("pm") or name == "grain" else ""
