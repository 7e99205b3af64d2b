"""An uplink as the network hands it on: JSON of The Things Stack (v3), or of version 2.

Sources: the data formats in the documentation of The Things Stack (``ApplicationUp``), and
the API reference of version 2, whose messages captured files still hold.
"""

import re
from base64 import b64decode
from binascii import Error
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple, TypeVar

from mysense import exact
from mysense.telegram import SECOND, Location

T = TypeVar("T")

LONGEST = 60 * SECOND
"""More air time than any transmission can take: 255 bytes at the slowest rate take 9 s."""

_LONGEST_NAME = 100
"""Letters, where The Things Stack allows 36: what is remembered of a device stands under its name."""
_KINDS: Mapping[type, str] = {dict: "an object", list: "a list", str: "text", int: "a whole number"}
_BEGIN = datetime(1970, 1, 1, tzinfo=UTC)
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)s", re.ASCII)


class Signal(NamedTuple):
    """How well a gateway heard it: strength in dBm, ratio to the noise in dB."""

    rssi: float
    snr: float

    @property
    def quality(self) -> float:
        """What makes one gateway's reception better than another's: the ratio first."""
        return 10 * self.snr + 0.2 * self.rssi


@dataclass(frozen=True)
class Uplink:
    """What a device sent: when (ns), on which port, as bytes, and as its application decoded them."""

    application: str
    device: str
    eui: str
    time: int
    port: int
    payload: bytes
    decoded: Mapping[str, Any]
    location: Location | None = None
    signals: tuple[Signal, ...] = ()

    @property
    def name(self) -> str:
        """The device among those of all applications."""
        return f"{self.application}/{self.device}"


def read(text: bytes) -> Uplink | None:
    """The uplink of a message; None for one that says something else, such as that a device joined.

    Raises ValueError for a message that is none of the network's.
    """
    try:
        said = exact.loads(text)
    except ValueError as error:
        raise ValueError(f"no message of The Things Network: {error}") from None
    if isinstance(said, dict):
        said = said.get("result", said)  # so its Storage Integration wraps what it has kept
    if not isinstance(said, dict):
        raise ValueError("no message of The Things Network: not a JSON object")
    if "end_device_ids" in said:
        return _stack(said) if "uplink_message" in said else None
    if "dev_id" in said:
        return _version2(said)
    raise ValueError("no message of The Things Network: it has neither end_device_ids (v3) nor dev_id (v2)")


def _stack(said: Mapping[str, Any]) -> Uplink:
    """An uplink of The Things Stack. Members that are 0, empty or false may be left out (Protocol Buffers)."""
    ids, up = _object(said, "end_device_ids"), _object(said, "uplink_message")
    received = _get(up, "received_at", "") or _get(said, "received_at", "")
    return Uplink(
        application=_named(_object(ids, "application_ids"), "application_id"),
        device=_named(ids, "device_id"),
        eui=_get(ids, "dev_eui", "").lower(),
        time=_begun(received, "received_at", _duration(_get(up, "consumed_airtime", "0s"))),
        port=_get(up, "f_port", 0),
        payload=_bytes(up, "frm_payload"),
        decoded=_object(up, "decoded_payload"),
        location=_location(_object(_object(up, "locations"), "user")),
        signals=_signals(_get(up, "rx_metadata", [])),
    )


def _version2(said: Mapping[str, Any]) -> Uplink:
    """An uplink of version 2."""
    metadata = _object(said, "metadata")
    return Uplink(
        application=_named(said, "app_id"),
        device=_named(said, "dev_id"),
        eui=_get(said, "hardware_serial", "").lower(),
        time=_begun(_get(metadata, "time", ""), "metadata.time", _get(metadata, "airtime", 0)),
        port=_get(said, "port", 0),
        payload=_bytes(said, "payload_raw"),
        decoded=_object(said, "payload_fields"),
        location=_location(metadata),
        signals=_signals(_get(metadata, "gateways", [])),
    )


def _get(said: Mapping[str, Any], name: str, default: T) -> T:
    """A member of the type of *default*, which stands for one that is absent or null."""
    value = said.get(name)
    if value is None:
        return default
    if type(value) is not type(default):
        raise ValueError(f"{name} is not {_KINDS[type(default)]}")
    return value


def _object(said: Mapping[str, Any], name: str) -> dict[str, Any]:
    return _get(said, name, dict[str, Any]())


def _named(said: Mapping[str, Any], name: str) -> str:
    if not (text := _get(said, name, "")):
        raise ValueError(f"{name} is missing")
    if len(text) > _LONGEST_NAME:
        raise ValueError(f"{name} is longer than any name there: {len(text):,} letters")
    return text


def _bytes(said: Mapping[str, Any], name: str) -> bytes:
    try:
        return b64decode(_get(said, name, "").encode(), validate=True)
    except Error:
        raise ValueError(f"{name} is not base64") from None


def _begun(text: str, name: str, airtime: int) -> int:
    """When the device began to send: the network tells when it had received all of it."""
    if not 0 <= airtime <= LONGEST:
        raise ValueError(f"an air time of {str(airtime // SECOND)[:20]} s cannot be")
    try:
        return moment(text) - airtime
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def moment(text: str) -> int:
    """A time (RFC 3339) as nanoseconds since 1970; ValueError if it is none.

    >>> moment("2023-11-14T22:13:20.000000001Z"), moment("2023-11-14T23:13:20.5+01:00")
    (1700000000000000001, 1700000000500000000)
    """
    if not (match := _MOMENT.fullmatch(text)):
        raise ValueError(f"{text[:40]!r} is not a time")
    whole, fraction, zone = match.groups(default="")
    try:
        seconds = (datetime.fromisoformat(f"{whole}{zone}".upper()) - _BEGIN) // timedelta(seconds=1)
    except (ValueError, OverflowError):
        raise ValueError(f"{text[:40]!r} is not a time") from None
    if seconds < 0:  # a server that does not know says 0001-01-01
        raise ValueError(f"{text[:40]!r} is before 1970")
    return exact.nanoseconds(seconds) + int(fraction.ljust(9, "0")[:9])


def _duration(text: str) -> int:
    """A duration of Protocol Buffers, as ``0.061696s``, in nanoseconds."""
    if not (match := _DURATION.fullmatch(text)):
        raise ValueError(f"consumed_airtime {text[:40]!r} is not a duration")
    return int(Decimal(match[1]) * SECOND)


def _location(said: Mapping[str, Any]) -> Location | None:
    """Where somebody entered that the device is; None where that is nothing, or nowhere on Earth."""
    lat, lon, alt = (said.get(name) or 0 for name in ("latitude", "longitude", "altitude"))
    try:
        place = Location.parse(f"{lat},{lon},{alt}")
    except ValueError:
        return None
    return place if place[:2] != (0, 0) else None


def _signals(gateways: list[Any]) -> tuple[Signal, ...]:
    """How well each gateway heard it; one that does not say is passed over."""
    heard = [gateway for gateway in gateways if isinstance(gateway, dict)]
    levels = [(_number(gateway.get("rssi")), _number(gateway.get("snr", 0))) for gateway in heard]
    return tuple(Signal(rssi, snr) for rssi, snr in levels if rssi is not None and snr is not None)


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e6:
        return None
    return value
