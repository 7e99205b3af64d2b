"""What Home Assistant is told of a node: one message for the device with all its fields, and its state.

The names of the keys are Home Assistant's abbreviations, its device classes and their units
those of its list for sensors (integrations/mqtt and integrations/sensor of home-assistant.io).
"""

import json
import re
from collections import Counter
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from mysense import __version__
from mysense.fields import quantity, unit_name, unit_sign
from mysense.telegram import Data, Field, Ident, clean

GONE = {"p": "sensor"}
"""What is left of a field that is to be removed."""

_dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
_MASS = {"µg/m³"}
_UNITS: Mapping[str, set[str]] = {
    "pm1": _MASS, "pm25": _MASS, "pm4": _MASS, "pm10": _MASS, "temperature": {"°C", "°F", "K"}, "humidity": {"%"},
    "absolute_humidity": {"g/m³", "mg/m³"}, "atmospheric_pressure": {"hPa", "Pa", "kPa"}, "carbon_dioxide": {"ppm"},
    "carbon_monoxide": {"ppm"}, "nitrogen_dioxide": _MASS, "nitrogen_monoxide": _MASS, "ozone": _MASS,
    "sulphur_dioxide": _MASS, "volatile_organic_compounds": _MASS,
    "volatile_organic_compounds_parts": {"ppb", "ppm"}, "sound_pressure": {"dB", "dBA"}, "aqi": {""},
    "illuminance": {"lx"}, "wind_speed": {"m/s", "km/h"}, "wind_direction": {"°"}, "precipitation": {"mm"},
    "precipitation_intensity": {"mm/h"}, "distance": {"m"}, "signal_strength": {"dB", "dBm"}, "battery": {"%"},
    "voltage": {"V", "mV"}, "duration": {"s", "min", "h"},
}  # fmt: skip
"""The units of each class: of gases only those that all versions know. A field with another has no class."""
_STATE_CLASSES = {"wd": "measurement_angle", "dayrain": "total_increasing"}
_DIAGNOSTIC = ("signal_strength", "battery", "voltage", "duration")
_LONGEST = 255
"""Letters of a state that is text; Home Assistant takes no more."""
_STRANGE = re.compile(r"[^A-Za-z0-9_-]")
_STRANGE_OR_DASH = re.compile(r"[^A-Za-z0-9_]")


def config_topic(prefix: str, ident: Ident) -> str:
    """Where the device message of a node stands."""
    return f"{prefix}/device/{_device_id(ident)}/config"


def device(ident: Ident, topic: str, status: str, expire: float) -> dict[str, Any]:
    """The device message of a node whose state is below *topic*; *status* says whether it is there.

    All its names are made of project, serial and fields, so that they survive another label or topic.
    """
    made: dict[str, Any] = {
        "dev": {
            "ids": [_device_id(ident)], "name": ident.label or f"{ident.project} {ident.serial}", "mf": "mysense",
            "mdl": "sensor kit", "sn": ident.serial,
        },
        "o": {"name": "mysense", "sw": __version__},
        "stat_t": f"{topic}/state",
        "qos": 1,
        "cmps": {},
    }  # fmt: skip
    if status:
        made["avty"] = [{"t": status}]
    fields = _fields(ident)
    names = _names(list(fields.values()))
    for key, field in fields.items():
        about = {"p": "sensor", "uniq_id": key, "name": names[field.name], "val_tpl": _template(field.name)}
        made["cmps"][key] = about | _kind(field) | {"exp_aft": max(1, round(expire))}
    return made


def text(message: Mapping[str, Any], gone: tuple[str, ...] = ()) -> str:
    """A device message as it is sent; the fields *gone* are removed by it."""
    return _dumps({**message, "cmps": message["cmps"] | dict.fromkeys(gone, GONE)})


def state(data: Data) -> str:
    """The state of a node: the values of the fields that its ident names, as far as they can be shown."""
    numeric = {f.name: "stat_cla" in _kind(f) for f in _fields(data.ident).values()}
    shown: dict[str, float | int | str] = {}
    for name, value in clean(data.values).items():
        match value:
            case _ if name not in numeric:
                continue
            case bool():
                shown[name] = int(value) if numeric[name] else ("on" if value else "off")
            case str() if not numeric[name]:
                shown[name] = value[:_LONGEST]
            case float() | int() if abs(value) < 2**63:
                shown[name] = value
    return _dumps(shown)


def _fields(ident: Ident) -> dict[str, Field]:
    """The fields of an ident by their unique ids; the first of a name counts."""
    fields: dict[str, Field] = {}
    for field in ident.fields:
        fields.setdefault(f"{_device_id(ident)}-{_safe(field.name, _STRANGE_OR_DASH)}", field)
    return fields


def _device_id(ident: Ident) -> str:
    return f"mysense_{_safe(ident.node, _STRANGE)}"


def _safe(text: str, strange: re.Pattern[str]) -> str:
    """*text* in the letters of an id; what is lost by that is in a hash behind it."""
    plain = strange.sub("_", text)
    return plain if plain == text else f"{plain}_{blake2b(text.encode(), digest_size=4).hexdigest()}"


def _names(fields: list[Field]) -> dict[str, str]:
    """What people call each field: its meaning, and which one it is where several mean the same."""
    meanings = {f.name: known.meaning if (known := quantity(f.name)) else f.name for f in fields}
    count = Counter(meanings.values())
    whose = Counter((meanings[f.name], f.device) for f in fields)
    names = {}
    for field in fields:
        meaning = meanings[field.name]
        alone = field.device and whose[meaning, field.device] == 1
        which = "" if count[meaning] == 1 else f" ({field.device if alone else field.name})"
        names[field.name] = f"{meaning[:1].upper()}{meaning[1:]}{which}"
    return names


def _template(name: str) -> str:
    """How Home Assistant finds a value: ``get`` gives None, which is unknown, where there is none today."""
    return f"{{{{ value_json.get({_dumps(name)}) }}}}"


def _kind(field: Field) -> dict[str, Any]:
    """Unit, classes and decimals; nothing where the field may be text."""
    known, unit = quantity(field.name), unit_sign(field.unit)
    if not unit and (known is None or known.unit):
        return {}
    kind: dict[str, Any] = {"stat_cla": "measurement"}
    if unit:
        kind["unit_of_meas"] = unit
    if known is None:
        return kind
    device_class = known.device_class
    if device_class == "volatile_organic_compounds_parts" and unit in _MASS:
        device_class = "volatile_organic_compounds"
    if unit in _UNITS.get(device_class, ()):
        kind["dev_cla"] = device_class
        kind["stat_cla"] = _STATE_CLASSES.get(known.name, "measurement")
    if unit_name(field.unit) == known.unit:
        kind["sug_dsp_prc"] = known.decimals
    if known.device_class in _DIAGNOSTIC:
        kind["ent_cat"] = "diagnostic"
    return kind
