"""The lines of the original MySense, faults and all, for databases and dashboards that expect them.

Tags are quoted, commas in text are escaped, the time of measurement is the field
``timestamp`` and the line has no time: the server's time of receipt is the point's.
Zeros, which the original left out, are kept.
"""

from collections.abc import Collection, Mapping
from math import isfinite

from mysense.channels.influxdb.escape import key, whole
from mysense.channels.influxdb.layout import RESERVED
from mysense.channels.influxdb.line import lists
from mysense.telegram import SECOND, Data, Ident, Value

_HIDDEN = ("version", "intern_ip")


def info_line(ident: Ident, without: Collection[str] = ()) -> str:
    """An ident as the original wrote it, less the items *without*."""
    items: dict[str, Value] = {"project": ident.project, "serial": ident.serial}
    if ident.label:
        items["label"] = ident.label
    if ident.geolocation:
        items["geolocation"] = str(ident.geolocation)
    items |= lists(ident.fields) if ident.fields else {}
    items |= {k: ",".join(map(str, v)) if isinstance(v, tuple) else v for k, v in ident.meta.items()}
    fields = _fields({k: v for k, v in items.items() if k not in (*_HIDDEN, *RESERVED) and k not in without})
    return f"info{_tags({'label': ident.label})} {fields}"


def data_line(data: Data, new: bool) -> str | None:
    """A data telegram as the original wrote it."""
    values = dict(data.values)
    label = values.pop("label", data.ident.label)
    place = values.pop("geolocation", str(data.ident.geolocation or ""))
    if not values:
        return None
    stamp = data.time // SECOND if data.time % SECOND == 0 else data.time / SECOND
    tags = _tags({"label": str(label), "geolocation": str(place)})
    return f"data,new={int(new)}{tags} {_fields({'timestamp': stamp, **values})}"


def raw_line(data: Data) -> str | None:
    """A single reading as the original wrote it, with its time in milliseconds."""
    values = {name: value for name, value in data.values.items() if name not in RESERVED}
    return f"raw{_tags({'type': data.raw})} {_fields(values)} {data.time // 1_000_000}" if values else None


def _tags(tags: Mapping[str, str]) -> str:
    return "".join(f",{name}={_quoted(text, ' =')}" for name, text in tags.items() if text)


def _fields(values: Mapping[str, Value]) -> str:
    return ",".join(f"{key(name)}={_number(value) or _quoted(str(value))}" for name, value in values.items())


def _number(value: Value) -> str:
    """What the original took for a number: everything that float() reads."""
    if type(value) is int:
        return whole(value)
    try:
        number = float(value)
    except ValueError:
        return ""
    return repr(number) if isfinite(number) else ""


def _quoted(text: str, also: str = "") -> str:
    said = text.replace("\\", "/").replace('"', "'").replace("\n", " ").replace(",", "\\,")
    for sign in also:
        said = said.replace(sign, "\\" + sign)
    return f'"{said}"'
