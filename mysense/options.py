"""Typed options: the annotated fields of a class are its section in MySense.conf.

One declaration gives the section's parser, its messages, the sample, the flags of the
command line and the documentation.
"""

import re
import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from mysense.errors import ConfigError
from mysense.shown import learn

T = TypeVar("T")

BOOLEANS = {"yes": True, "true": True, "on": True, "1": True, "no": False, "false": False, "off": False, "0": False}
_UNITS = {
    **dict.fromkeys(("", "s", "sec", "second", "seconds"), 1),
    **dict.fromkeys(("min", "m", "minute", "minutes"), 60),
    **dict.fromkeys(("h", "hour", "hours"), 3600),
    **dict.fromkeys(("d", "day", "days"), 86400),
    **dict.fromkeys(("w", "week", "weeks"), 604800),
}
_SIZES = {"": 1, "b": 1, "k": 10**3, "kb": 10**3, "m": 10**6, "mb": 10**6, "g": 10**9, "gb": 10**9}

_SHOWN = (("d", 86400), ("h", 3600), ("min", 60)), (("GB", 10**9), ("MB", 10**6))


def option(
    default: Any = MISSING,
    help: str = "",
    *,
    secret: bool = False,
    parse: Callable[[str], Any] | None = None,
    least: float | None = None,
    most: float | None = None,
) -> Any:
    """A field that MySense.conf can set.

    Without a *default* it is required. *parse* turns its text into a value (``seconds``,
    ``size`` or your own; a ValueError's text becomes the message); else the annotation
    decides: bool, int, float, str, Path, ``tuple[str, ...]`` (a comma list) or a Literal of
    words. *least* and *most* bound a number. A *secret* is never shown.
    """
    return field(
        default=default,
        repr=not secret,
        metadata={"help": help, "secret": secret, "parse": parse, "least": least, "most": most},
    )


def seconds(text: str) -> float:
    """A duration in seconds: a plain number, or one with s, min, h, d or w, or the whole word.

    >>> seconds("90"), seconds("1.5 h"), seconds("30d"), seconds("2 hours")
    (90.0, 5400.0, 2592000.0, 7200.0)
    """
    return _measured(text, _UNITS, "a time: write seconds, or 30 s, 5 min, 2 h, 7 d", 9e9)  # more, no thread can wait


def size(text: str) -> int:
    """A number of bytes: a plain number, or one with kB, MB or GB.

    >>> size("500 MB")
    500000000
    """
    return int(_measured(text, _SIZES, "a size: write bytes, or 500 kB, 20 MB, 2 GB", 2.0**62))


def host(text: str) -> str:
    """*text* if it is the name or the number of a host, else ValueError.

    >>> host("broker.example.org"), host("::1")
    ('broker.example.org', '::1')
    """
    if quoted(text):
        raise ValueError(f"{text!r} is no name of a host")
    if "/" in text or len(text.split()) > 1 or text.count(":") == 1:
        shown = "this" if "@" in text else repr(text)  # before it may stand a password
        raise ValueError(f"{shown} is more than the name of a host: the port has an option of its own, and so has ssl")
    return text


def pattern(text: str) -> str:
    """*text* if it is a regular expression, else ValueError.

    >>> pattern("BdP|Fleet")
    'BdP|Fleet'
    """
    try:
        re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"{text!r} is no pattern: {error}") from None
    return text


def _measured(text: str, units: Mapping[str, int], meant: str, most: float) -> float:
    match = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([a-zA-Z]*)\s*", text, re.ASCII)
    if not match or match[2].lower() not in units:
        raise ValueError(f"{text!r} is not {meant}")
    if (value := float(match[1]) * units[match[2].lower()]) > most:
        raise ValueError(f"{text!r} is more than anybody can mean")
    return value


@dataclass(frozen=True)
class Option:
    """One option of a class, as other modules want to know it."""

    name: str
    help: str
    kind: Any
    default: Any
    secret: bool
    parse: Callable[[str], Any] | None
    least: float | None
    most: float | None

    @property
    def required(self) -> bool:
        return self.default is MISSING

    @property
    def shown(self) -> str:
        """The default as somebody would type it."""
        if self.required:
            return ""
        if self.parse in (seconds, size) and self.default:
            units = _SHOWN[self.parse is size]
            for unit, amount in units:
                if self.default % amount == 0:
                    return f"{show(self.default // amount)} {unit}"
        return show(self.default)

    @property
    def choices(self) -> tuple[str, ...]:
        return tuple(map(str, get_args(self.kind))) if get_origin(self.kind) is Literal else ()

    def convert(self, text: str) -> Any:
        """The value of *text*, or ValueError in words for whoever wrote it."""
        if not text and not self.required and not self.shown:
            return self.default
        try:
            return self._bounded(text)
        except ValueError as error:
            if self.kind in (bool, int, float) and (" #" in text or " ;" in text):
                raise ValueError(f"{error}; a comment stands on a line of its own") from None
            if quoted(text):
                raise ValueError(f"{error}; write it without quotes") from None
            raise

    def _bounded(self, text: str) -> Any:
        value = self.parse(text) if self.parse else _convert(text, self.kind)
        if isinstance(value, int | float) and not isinstance(value, bool):
            if self.least is not None and value < self.least:
                raise ValueError(f"{text} is too small, the least is {show(self.least)}")
            if self.most is not None and value > self.most:
                raise ValueError(f"{text} is too large, the most is {show(self.most)}")
        return value


def declared(cls: type) -> dict[str, Option]:
    """The options of *cls* by name, those of its base classes first."""
    hints = get_type_hints(cls)
    return {f.name: _option(f, hints[f.name]) for f in fields(cls) if "help" in f.metadata}


def _option(f: Field[Any], hint: Any) -> Option:
    if get_origin(hint) in (Union, types.UnionType):  # str | None: what it is when it is there
        hint = next(kind for kind in get_args(hint) if kind is not type(None))
    return Option(f.name, kind=hint, default=f.default, **f.metadata)


def parse(
    cls: type[T], texts: Mapping[str, str], where: Callable[[str], str], shown: Mapping[str, str] | None = None
) -> T:
    """Make a *cls* from the texts of one section, or tell everything that is wrong with them.

    *where* gives the beginning of a message about an option: its file, line and section.
    *shown* holds, by option, what a message quotes where that is not the text itself (a
    value that came from the environment). Raises ConfigError with every problem found.
    """
    known = declared(cls)
    values, problems = convert(known, texts, where, shown)
    problems += [
        f"{where('')} {o.name} is required: {o.help}" for o in known.values() if o.required and not texts.get(o.name)
    ]
    if problems:
        raise ConfigError(*problems)
    try:
        return cls(**values)
    except Exception as error:  # a __post_init__ that checks options against one another
        reason = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
        for name in known.keys() & texts.keys():
            if (known[name].secret or name in (shown or {})) and len(texts[name]) > 2:
                reason = reason.replace(repr(texts[name])[1:-1], "********").replace(texts[name], "********")
        raise ConfigError(f"{where('')} {_unbroken(reason)}") from None


def convert(
    known: Mapping[str, Option],
    texts: Mapping[str, str],
    where: Callable[[str], str],
    shown: Mapping[str, str] | None = None,
) -> tuple[dict[str, Any], list[str]]:
    """The values of the texts of one section, and everything that is wrong with them."""
    values: dict[str, Any] = {}
    problems: list[str] = []
    for name, text in texts.items():
        if name not in known:
            problems.append(f"{where(name)} unknown option{nearest(name, known)}")
        elif text.strip() or not known[name].required:  # an empty text is none
            if known[name].secret:
                learn(text.strip())
            try:
                values[name] = known[name].convert(text.strip())
            except Exception as error:  # a plugin's own parser may raise anything
                problems.append(f"{where(name)} {_reason(known[name], error, (shown or {}).get(name))}")
    return values, problems


def _reason(option: Option, error: Exception, shown: str | None) -> str:
    """Why an option has no value, without its text where that is nobody's business."""
    if shown and not option.secret:
        try:
            option.convert(shown)
        except Exception as other:
            error, shown = other, None
    if option.secret or shown:
        return f"the value of {shown or option.name} is not usable"
    return _unbroken(str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}")


def quoted(text: str) -> bool:
    """Whether *text* stands in quotes, as other formats want it.

    >>> quoted('"kit"'), quoted("'kit'"), quoted('kit"')
    (True, True, False)
    """
    return len(text) > 2 and text[0] == text[-1] and text[0] in "\"'"


def _unbroken(text: str) -> str:
    return " ".join(text.split())


def nearest(word: str, known: Iterable[str]) -> str:
    """What the writer of *word* may have meant: ``, did you mean 'port'?``, or nothing."""
    words = {name.lower(): name for name in known}
    near = get_close_matches(word.lower(), list(words), n=1)
    return f", did you mean {words[near[0]]!r}?" if near else ""


def _convert(text: str, kind: Any) -> Any:
    if get_origin(kind) is Literal:
        words = {word.lower(): word for word in map(str, get_args(kind))}
        if text.lower() not in words:
            raise ValueError(f"{text!r} is not one of {', '.join(words.values())}{nearest(text, words.values())}")
        return words[text.lower()]
    if get_origin(kind) is tuple:
        return tuple(part for part in map(str.strip, re.split(r"[,\n]", text)) if part)
    if kind is bool:
        if text.lower() not in BOOLEANS:
            raise ValueError(f"{text!r} is neither yes nor no")
        return BOOLEANS[text.lower()]
    if kind is int:
        try:
            return int(text, 0) if text.lower().startswith("0x") else int(text)
        except ValueError:
            raise ValueError(f"{text!r} is not a whole number") from None
    if kind is float:
        try:
            number = float(text)
        except ValueError:
            raise ValueError(f"{text!r} is not a number") from None
        if number != number or number in (float("inf"), float("-inf")):
            raise ValueError(f"{text!r} is not a number to work with")
        return number
    if kind is Path:
        try:
            return Path(text).expanduser()
        except RuntimeError:
            raise ValueError(f"{text!r}: nobody has that home directory") from None
    return kind(text)


def show(value: Any) -> str:
    """A value as somebody would type it in MySense.conf."""
    match value:
        case bool():
            return "yes" if value else "no"
        case tuple() if not hasattr(value, "_fields"):
            return ", ".join(map(show, value))
        case float():
            return str(int(value)) if value.is_integer() else repr(value)
        case None:
            return ""
        case Path() if value == Path():
            return ""
        case _:
            return str(value)
