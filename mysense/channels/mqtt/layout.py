"""What is published where: the topic of a node, and the messages of both layouts."""

import re
from contextlib import suppress

from mysense import wire
from mysense.channels._mqtt.stream import Message
from mysense.errors import RejectedError
from mysense.options import nearest
from mysense.telegram import PRIVATE, Data, Ident, Item, Note, Telegram

_BRACES = re.compile(r"\{([^{}]*)\}")
_IDENT = ("project", "serial", "node", "label", "geolocation")
_CACHED = 4096
_LONGEST = 65_000
"""Bytes of a topic: MQTT allows 65,535, and below it stand data, ident, state …"""


class Topic:
    """The topic of a node: levels of text, with items of its ident in braces."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.names = tuple(dict.fromkeys(_BRACES.findall(text)))
        self._lanes: dict[int, tuple[Ident, str]] = {}

    def lane(self, ident: Ident) -> str:
        """The topic of one node, looked up for each of its telegrams; empty where it cannot have one."""
        known = self._lanes.get(id(ident))
        if known and known[0] is ident:
            return known[1]
        topic = ""
        with suppress(RejectedError):
            topic = self.of(ident)
        if len(self._lanes) >= _CACHED:
            self._lanes.clear()
        self._lanes[id(ident)] = ident, topic
        return topic

    def of(self, ident: Ident) -> str:
        """The topic of one node; RejectedError says why it cannot have one."""
        topic = _BRACES.sub(lambda match: self._level(ident, match[1]), self.text)
        if topic.startswith("$"):
            raise RejectedError(f"{topic!r} cannot be a topic: what begins with $ is the broker's own")
        if len(topic.encode()) > _LONGEST:
            raise RejectedError(f"the topic {topic[:40]!r}… is longer than MQTT allows")
        return topic

    def _level(self, ident: Ident, name: str) -> str:
        said = _text(getattr(ident, name) if name in _IDENT else ident.meta.get(name))
        if not said:
            near = "" if name in _IDENT else nearest(name, _IDENT)
            raise RejectedError(f"there is no {name!r} to fill the topic {self.text!r}{near}")
        if wrong := _wrong(said):
            raise RejectedError(f"the {name} {said!r} cannot be a level of a topic: {wrong}")
        return said


def checked(text: str) -> str:
    """*text* if it can be the topic of each node, else ValueError. The original's is the first level of ours."""
    if "{" not in text and "}" not in text:
        text += "/{project}/{serial}"
    plain = _BRACES.sub("x", text)
    if "{" in plain or "}" in plain:
        raise ValueError(f"{text!r}: each name stands in braces of its own, as {{serial}}")
    for name in _BRACES.findall(text):
        if not name.strip():
            raise ValueError(f"{text!r}: between the braces stands the name of an item, as {{serial}}")
        if name in PRIVATE:
            raise ValueError(f"{text!r}: {{{name}}} is private, and topics are seen by everybody")
    checked_plain(plain)
    return text


def checked_plain(text: str) -> str:
    """*text* if it can be a topic as it stands, or is empty; else ValueError."""
    if text.startswith("$"):
        raise ValueError(f"{text!r}: what begins with $ is the broker's own; choose another first level")
    for level in text.split("/") if text else ():
        if not level:
            raise ValueError(f"{text!r} has an empty level: write no / at the beginning, at the end, or twice")
        if wrong := _wrong(level):
            raise ValueError(f"{text!r} cannot be published to: {wrong}")
    return text


def _wrong(level: str) -> str:
    """Why a text cannot be a level of a topic that is published to (MQTT 5, section 4.7)."""
    if sign := next((sign for sign in "/+#" if sign in level), ""):
        return f"{sign} separates levels" if sign == "/" else f"{sign} stands for any level"
    return "" if level.isprintable() else "it has signs that cannot be printed"


def _text(value: Item | tuple[float, ...] | None) -> str:
    if value is None or isinstance(value, bool):
        return {None: "", True: "true", False: "false"}[value]
    return str(value) if not isinstance(value, tuple) or hasattr(value, "_fields") else ",".join(map(str, value))


def written(topic: str, telegram: Telegram, split: bool) -> Message:
    """The message of a telegram; ValueError for one that cannot be written.

    In the classic layout data carries its ident along, so that an ident has no message of its own.
    """
    match telegram:
        case Ident():
            return Message(f"{topic}/ident", wire.encode(telegram).encode(), retain=True)
        case Note():
            return Message(f"{topic}/station", wire.encode(telegram).encode())
        case Data() if telegram.raw:  # of its own: who asks for what a kit measured does not count it twice
            return Message(f"{topic}/raw", (wire.encode(telegram) if split else wire.encode_classic(telegram)).encode())
        case Data() if split:
            return Message(f"{topic}/data", wire.encode(telegram).encode())
        case Data():
            return Message(topic, wire.encode_classic(telegram).encode())
