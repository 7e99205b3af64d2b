"""Where telegrams are written: database, measurement and tags as templates, parsed once and filled for each."""

import re
from collections.abc import Callable, Mapping
from functools import partial
from math import isfinite

from mysense.errors import RejectedError
from mysense.options import nearest
from mysense.telegram import Data, Ident, Item, Note, Telegram, Value, ident_of

RESERVED = ("time", "_field", "_measurement")
"""Keys that InfluxDB keeps to itself: what is written under them is discarded."""

_BRACES = re.compile(r"\{([^{}]*)\}")
_NAME = re.compile(r"(?!\d+\Z)\w[\w./ -]*")
_IDENT = ("project", "serial", "node", "label", "geolocation")
_FIRM = ("project", "serial", "node", "new")  # names that no value can fill
_NAMING = ("project", "serial", "node", "label")  # items that say which node it is

Say = Callable[[str], str]


class Template:
    """Text with names in braces, each an item of the ident or a value of the data."""

    def __init__(self, text: str) -> None:
        self._parts = _BRACES.split(text)  # text, name, text, name, … text
        self.text, self.names = text, tuple(dict.fromkeys(self._parts[1::2]))
        if not text:
            raise ValueError("nothing is no template: write a name, or what it is made of, as {project}_{serial}")
        if any(sign in part for part in self._parts[::2] for sign in "{}"):
            raise ValueError(f"{text!r}: each name stands in braces of its own, as {{serial}}")
        if wrong := [name for name in self.names if not _NAME.fullmatch(name)]:
            raise ValueError(f"{text!r}: {{{wrong[0]}}} is no name of an item or a value, as {{serial}} is")

    @property
    def only(self) -> str:
        """The name that is all of it, if there is one."""
        return self.names[0] if self.text == f"{{{''.join(self.names[:1])}}}" else ""

    def fill(self, say: Say) -> str:
        """The text with what *say* says of its names; empty where that is nothing of one of them."""
        parts = list(self._parts)
        for n in range(1, len(parts), 2):
            if not (said := say(parts[n])):
                return ""
            parts[n] = said
        return "".join(parts)


class Layout:
    """The templates of a database; which values they use up; and what their tags mean to a reader.

    Measurement ``data`` has ``info`` and ``station`` beside it. Any other is somebody's own:
    then only data is written.
    """

    def __init__(self, database: str = "{project}_{serial}", measurement: str = "data", tags: str = "") -> None:
        self.database, self.measurement = Template(checked(database)), Template(checked(measurement))
        self.own = measurement != "data"
        unnamed = () if "node" in self.database.names else ("project", "serial")
        beside = _plain("label", *(name for name in unnamed if name not in self.database.names))
        self.given = bool(pairs(tags))
        """Whether somebody said which tags there are."""
        self.tags = pairs(tags) or beside | _plain("geolocation", *(() if self.own else ("new",)))
        if self.own and any("new" in template.names for template in self.tags.values()):
            raise ValueError("tags: new marks the first data after an info, and that is only beside measurement = data")
        self.naming = {key: template.only for key, template in self.tags.items() if template.only in _NAMING}
        """The tags that say which node it is, and the item of its ident that each holds."""
        self.beside = beside | {key: self.tags[key] for key in self.naming}
        """The tags of info and station."""
        self.varies = not set(self.database.names) <= set(_IDENT)
        """Whether the database depends on more than the node."""
        filled = [self.measurement, *self.tags.values(), *([self.database] if self.varies else ())]
        self.used = tuple(dict.fromkeys(name for each in filled for name in each.names if name not in _FIRM))
        """Values that become part of a name or a tag, and so no field."""
        self.taken = tuple(key for key in self.tags if key not in self.used)
        """What no value can be called: a tag is."""

    def database_of(self, telegram: Telegram) -> str:
        """The database of a telegram; empty where that cannot be said."""
        values = telegram.values if self.varies and isinstance(telegram, Data | Note) else {}
        return self.database.fill(partial(item_text, ident_of(telegram), values))

    def meaning(self, tags: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
        """What a reader makes of the tags of a row: the items of the ident that name its node, and values.

        >>> Layout(tags="product_id, deviceId={serial}").meaning({"product_id": "7", "deviceId": "k1"})
        ({'serial': 'k1'}, {'product_id': '7'})
        """
        items: dict[str, str] = {}
        values: dict[str, str] = {}
        for key, text in tags.items():
            if item := self.naming.get(key):
                items[item] = text
            elif (name := self.tags[key].only if key in self.tags else key) != "new":
                values[name or key] = text
        return items, values


def lacking(template: Template, ident: Ident, values: Mapping[str, Value]) -> RejectedError:
    """Why a template cannot be filled."""
    name = next(name for name in template.names if not item_text(ident, values, name))
    return RejectedError(f"there is no {name!r} to fill {template.text!r}{nearest(name, _IDENT)}")


def item_text(ident: Ident, values: Mapping[str, Value], name: str, new: bool = False) -> str:
    """What is said under a name, as text; empty where that is nothing.

    The names of the node are the ident's alone; its label and place give way to those among
    the values, as do all other items.
    """
    match name:
        case "new":
            return "1" if new else "0"
        case "project" | "serial" | "node":
            return str(getattr(ident, name))
        case _ if name in values:
            return _text(values[name])
        case "label":
            return ident.label
        case "geolocation":
            return str(ident.geolocation or "")
        case _:
            return _text(ident.meta.get(name))


def _text(value: Item | None) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case float():
            return float.__repr__(value) if isfinite(value) else ""
        case tuple():
            return ",".join(map(str, value))
        case _:
            return str(value)


def checked(text: str) -> str:
    """*text* if it can be a database or a measurement, else ValueError."""
    if "new" in Template(text).names:
        raise ValueError(f"{text!r}: only a tag can hold {{new}}")
    if text.startswith("#"):
        raise ValueError(f"{text!r}: InfluxDB takes what begins with # for a comment")
    return text


def checked_tags(text: str) -> str:
    """*text* if it is a list of tags, else ValueError."""
    pairs(text)
    return text


def pairs(text: str) -> dict[str, Template]:
    """Tags by their key: ``name`` is the item or value of that name, ``name=template`` is made of others."""
    tags: dict[str, Template] = {}
    for part in filter(None, map(str.strip, re.split(r"[,\n]", text))):
        key, equals, template = (each.strip() for each in part.partition("="))
        if not key or "{" in key or "}" in key:
            raise ValueError(f"{part!r} is no tag: write name, or name={{serial}}")
        if key in RESERVED:
            raise ValueError(f"a tag cannot be called {key!r} in InfluxDB")
        if key in tags:
            raise ValueError(f"{key!r} is there twice")
        if equals and not template:
            raise ValueError(f"{part!r}: behind the = stands what the tag is made of, as {{serial}}")
        tags[key] = Template(template if equals else f"{{{key}}}")
    return tags


def _plain(*names: str) -> dict[str, Template]:
    return {name: Template(f"{{{name}}}") for name in names}
