"""An option that says one thing of all fields of a sensor, or another of some: ``mean, gust: max, rain: sum``."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Generic, NamedTuple, TypeVar

from mysense.options import nearest

T = TypeVar("T")


@dataclass(frozen=True)
class PerField(Generic[T]):
    """What holds for every field, and what for those that are *named*."""

    every: T
    named: Mapping[str, T] = field(default_factory=dict)

    def of(self, *names: str) -> T:
        """What holds for a field, which may be called by any of these names."""
        return next((self.named[name] for name in names if name in self.named), self.every)

    def __str__(self) -> str:
        every = [] if self.every is None else [str(self.every)]
        return ", ".join([*every, *(f"{name}: {said}" for name, said in self.named.items())])


class Range(NamedTuple):
    """The least and the most that can be true."""

    least: float
    most: float

    def __str__(self) -> str:
        return "..".join(repr(each).removesuffix(".0") for each in self)


def per_field(one: Callable[[str], T], every: Any = None) -> Callable[[str], PerField[T]]:
    """A parser of a list in which a word for all fields may stand, and ``field: word`` for one; *one* reads a word.

    >>> said = per_field(int)("200, rain: 5000")
    >>> said.of("temp"), said.of("rain"), str(said)
    (200, 5000, '200, rain: 5000')
    """

    def parse(text: str) -> PerField[T]:
        common: list[T] = []
        named: dict[str, T] = {}
        for part in filter(None, map(str.strip, text.replace("\n", ",").split(","))):
            name, colon, word = (each.strip() for each in part.rpartition(":"))
            if colon and not name:
                raise ValueError(f"{part!r}: the name of a field stands before the colon")
            if name in named or (common and not name):
                raise ValueError(f"{part!r}: {name or 'all fields'} stands there twice")
            if name:
                named[name] = one(word)
            else:
                common.append(one(word))
        return PerField(common[0] if common else every, named)

    return parse


def word_of(*words: str) -> Callable[[str], str]:
    """A parser that takes one of *words*."""

    def one(text: str) -> str:
        if text.lower() not in words:
            raise ValueError(f"{text!r} is not one of {', '.join(words)}{nearest(text, words)}")
        return text.lower()

    return one


def count(text: str) -> int:
    """A whole number that is not negative."""
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"{text!r} is not a number of readings")
    return int(text)


def span(text: str) -> Range:
    """What can be true, as ``-40..85``.

    >>> span("-40..85")
    Range(least=-40.0, most=85.0)
    """
    low, dots, high = text.partition("..")
    try:
        found = Range(float(low), float(high))
    except ValueError:
        dots = ""
    if not dots or not all(map(isfinite, found)) or found.least > found.most:
        raise ValueError(f"{text!r} is no range: write the least and the most, as -40..85")
    return found
