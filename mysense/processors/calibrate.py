"""Correct readings by a polynomial of one's own, ``a0 + a1·x + a2·x² + …``, field by field.

The factors come from a comparison with a better instrument, lowest order first, as a
regression gives them. Put it where data leaves (a publisher's ``processors``): the journal
keeps what was measured, so better factors can be applied to history too.
"""

import math
from collections.abc import Mapping
from dataclasses import replace

from mysense import plugin
from mysense.options import show
from mysense.plugin import option
from mysense.telegram import Data, Value


class Factors(dict[str, tuple[float, ...]]):
    """The factors of each field, lowest order first."""

    def __str__(self) -> str:
        return "; ".join(f"{name}: {' '.join(map(show, row))}" for name, row in self.items())


def factors(text: str) -> Factors:
    """Read ``field: a0 a1 …; field: …``; ValueError says which part is wrong.

    >>> str(factors("temp: -2.2 1; rh: 0.3 1.0 2e-4"))
    'temp: -2.2 1; rh: 0.3 1 0.0002'
    """
    found = Factors()
    for part in filter(None, map(str.strip, text.replace("\n", ";").split(";"))):
        name, colon, numbers = (piece.strip() for piece in part.rpartition(":"))
        if not colon or not name or not numbers:
            raise ValueError(f"{part!r}: write the field, a colon and its factors, such as temp: -2.2 1")
        if name in found:
            raise ValueError(f"{name!r} has its factors twice")
        found[name] = tuple(_number(number, name) for number in numbers.replace(",", " ").split())
    if not found:
        raise ValueError("no factors: write them as field: a0 a1 …; field: a0 a1 …")
    return found


def _number(text: str, name: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{name}: {text!r} is not a number")
    return number


class Processor(plugin.Processor):
    """Correct readings by a polynomial for each field: a0 + a1·x + a2·x² …"""

    factors: Mapping[str, tuple[float, ...]] = option(
        help="field: a0 a1 a2 …; field: …, such as temp: -2.2 1; rh: 0.3 1", parse=factors
    )

    def __call__(self, data: Data) -> Data:
        """The data with corrected numbers. Text, yes/no and fields without factors stay as they are."""
        values = dict(data.values)
        for name, row in self.factors.items():
            value = values.get(name)
            if value is None or isinstance(value, str | bool):
                continue
            corrected = _polynomial(row, value)
            if math.isfinite(corrected):
                values[name] = corrected
            else:  # too large for a number: then nothing is known
                del values[name]
        return replace(data, values=values)


def _polynomial(row: tuple[float, ...], x: Value) -> float:
    """The value of a polynomial, without the noise behind its ninth digit.

    >>> _polynomial((-2.2, 1.0), 28.75), _polynomial((1.0, 0.0, 2.0), 3)
    (26.55, 19.0)
    """
    total = 0.0
    try:
        x = float(x)
    except OverflowError:
        return math.inf
    for factor in reversed(row):
        total = total * x + factor
    return round(total, 9)
