"""Points as telegrams: whose they are, and what they say.

The rules, which docs/influxdb-relay.md states for users:

* A point belongs to the node that its tags ``project`` and ``serial`` name; in a database
  called ``<project>_<serial>`` to that node. What mysense did not write belongs to the node
  that one of the tags ``NODE_TAGS`` names, its project being the database; without such a
  tag to one named after the measurement.
* ``info`` tells an ident, if it holds one. Anything else that somebody typed there is passed over.
* ``station`` is a note, where it has a ``kind`` and a ``text``.
* ``raw`` is a single reading of the sensor that its tag ``type`` names.
* In ``data`` the tags label and geolocation are the ident's, unless they differ from it.
* All other tags become values, but for the one that named the node; and so does the name of
  another measurement.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import NamedTuple

from mysense import wire
from mysense.telegram import Data, Ident, Note, Value

INFO, DATA, STATION, RAW = "info", "data", "station", "raw"
"""The measurements that mysense writes."""
NODE_TAGS = ("node", "host", "device", "deviceId", "device_id", "sensor_id", "id", "mac")
"""Tags by which others name the device that measured, the first that is there."""

_OWN_TAGS = ("new", "project", "serial")
_STRANGE = re.compile(r"[^A-Za-z0-9._-]+", re.ASCII)


class Node(NamedTuple):
    """A node by its two names; *label* is what others called it, where that could not be kept."""

    project: str
    serial: str
    label: str = ""

    @property
    def ident(self) -> Ident:
        """All that is known of a node that has told nothing."""
        return Ident(self.project, self.serial, self.label)


class Known(NamedTuple):
    """The ident of a node, and whether the original MySense wrote its points: quoted tags, ``\\,`` in text."""

    ident: Ident
    legacy: bool = False


def node(database: str, measurement: str, tags: Mapping[str, Value]) -> Node:
    """Whose a point is.

    >>> node("BdP_33004d45", "data", {"label": "shed"})
    Node(project='BdP', serial='33004d45', label='')
    >>> node("sensorcommunity", "feinstaub", {"node": "esp8266-1234"})
    Node(project='sensorcommunity', serial='esp8266-1234', label='')
    """
    project, serial = _split(database)
    if "serial" in tags:
        given = tags.get("project") or project or database
        return Node(_name(str(given)), _name(str(tags["serial"])))
    if tag := naming(database, measurement, tags):
        name = _name(str(tags[tag]))
        return Node(_name(database), name, "" if name == tags[tag] else str(tags[tag]))
    return Node(_name(project), _name(serial)) if project else Node(_name(database), _name(measurement))


def naming(database: str, measurement: str, tags: Mapping[str, Value]) -> str:
    """The tag by which somebody else names the device; empty where its node is named in another way.

    It says nothing more, and becomes no value.
    """
    if "serial" in tags or (measurement in (INFO, DATA, STATION) and _split(database)[0]):
        return ""
    return next((tag for tag in NODE_TAGS if tags.get(tag)), "")


def _split(database: str) -> tuple[str, str]:
    """Project and serial of a database that is called <project>_<serial>, else nothing."""
    project, _, serial = database.partition("_")
    return (project, serial) if project and serial else ("", "")


def _name(text: str) -> str:
    """*text* as a project or a serial: whatever cannot be in a name is a hyphen."""
    return _STRANGE.sub("-", text).strip("._-")[:64] or "unnamed"


def told(info: Mapping[str, Value], of: Node, time: int) -> Known | None:
    """The ident that a point of ``info`` tells of a node; None where it is none.

    *info* holds tags and fields. The names of the node stand fast, whatever the point says:
    who may write one database must not speak for another node.
    """
    whole = info.get("ident")
    if isinstance(whole, str):
        try:
            ident = wire.decode_ident(whole)
        except (ValueError, KeyError, TypeError):
            return None
        return Known(_of(ident, of, time))
    if "project" not in info or "serial" not in info:
        return None
    texts = {k: plain(v) if isinstance(v, str) else v for k, v in info.items() if k != "label_1"}
    if isinstance(label := info.get("label", info.get("label_1", "")), str):
        texts["label"] = plain(label)
    try:
        return Known(_of(wire.decode_ident(texts), of, time), True)
    except (ValueError, KeyError, TypeError):
        return Known(replace(of.ident, since=time), True)


def _of(ident: Ident, of: Node, time: int) -> Ident:
    since = time if ident.since is None else ident.since
    project, serial = (ident.project, ident.serial) if ident.node == of.ident.node else (of.project, of.serial)
    return replace(ident, project=project, serial=serial, since=since)


def data(known: Known, time: int, measurement: str, point: Mapping[str, Value], tell: bool = True) -> Data | None:
    """The telegram of a point, tags and fields together; None when it says nothing.

    Where it is not *told* otherwise, the name of another measurement is a value.
    Points that the original wrote hold their time as the field ``timestamp``.
    """
    ident, legacy = known
    values = dict(point)
    if legacy:
        stamp = values.pop("timestamp", None)
        if isinstance(stamp, int | float):
            with suppress(ValueError):  # what is no time leaves the point its own
                time = wire.nanoseconds(stamp)
        values = {k: plain(v) if v.__class__ is str else v for k, v in values.items()}
    for tag in _OWN_TAGS:
        values.pop(tag, None)
    if measurement == RAW and (sensor := values.pop("type", "")):
        return Data(ident, time, values, raw=plain(str(sensor))) if values else None
    if measurement != DATA:
        if tell and ident.serial != _name(measurement):
            values.setdefault("measurement", measurement)
    else:
        if "label" in values and str(values["label"]) == ident.label:
            del values["label"]
        if "geolocation" in values and str(values["geolocation"]) == str(ident.geolocation or ""):
            del values["geolocation"]
    return Data(ident, time, values) if values else None


def note(known: Known, time: int, point: Mapping[str, Value]) -> Note | None:
    """The note of a point of ``station``; None where it is none."""
    kind, text = point.get("kind"), point.get("text")
    if not (isinstance(kind, str) and kind and isinstance(text, str)):
        return None
    values = {k: v for k, v in point.items() if k not in (*_OWN_TAGS, "label", "kind", "text")}
    return Note(known.ident, time, kind, text, values)


def plain(text: str) -> str:
    """What the original meant: without its quotes and escapes.

    >>> plain('"51.42\\\\,6.13"'), plain("time\\\\,pm_25"), plain("shed")
    ('51.42,6.13', 'time,pm_25', 'shed')
    """
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = text[1:-1]
    return re.sub(r"\\([, =\"])", r"\1", text) if "\\" in text else text
