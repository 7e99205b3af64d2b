"""The readings of one interval, on their way to one value for each field.

Of numbers count, sum, extremes and the last are kept, however many come. Only where a median
is wanted, or outliers are to be left out, the readings themselves are kept: ``KEPT`` of a field
at most. Of more, every second is kept from then on, then every fourth, and so on, so that they
are spread over the whole interval.
"""

from collections.abc import Callable, Mapping, Sequence
from math import atan2, cos, degrees, hypot, inf, isfinite, nan, radians, sin
from typing import Any, NamedTuple

from mysense.telegram import Value

DIRECTION = "direction"
"""The mean of angles in degrees: of 350 and 10 it is 0, where the mean is 180."""
STATISTICS = ("mean", "last", "max", "min", "sum", "median", DIRECTION)
"""What the readings of an interval can become."""
OUTLIERS = ("no", "tukey", "hampel")
"""Ways to tell which of them are left out."""
KEPT = 512
"""Readings of a field that are kept in one interval."""
FEW = 4
"""Fewer readings than this say nothing about one another."""
CANCEL = 1e-9
"""How far the mean of unit vectors must be from nowhere to point in a direction; less is error of rounding."""
DIGITS = 9
"""Digits behind the point of what is computed: more than any sensor has, and no 20.299999999999997."""


class How(NamedTuple):
    """What is made of the readings of a field: which statistic, without which outliers; what their count is called."""

    statistic: str = "mean"
    outliers: str = "no"
    counted: str = ""

    @property
    def keeps(self) -> bool:
        """Whether it takes more than sums."""
        return self.statistic != DIRECTION and (self.statistic == "median" or self.outliers != "no")


Chosen = Callable[[str], How]
"""What is made of the readings of a field, by its name."""


def _mean(name: str) -> How:
    return How()


def quantile(ordered: Sequence[float], part: float) -> float:
    """The value below which lies *part* of *ordered*: between two of them on a straight line.

    Definition 7 of Hyndman and Fan (1996), which R and spreadsheets (QUARTILE.INC) use.

    >>> quantile([1, 2, 3, 4], 0.25), quantile([1, 2, 3, 4], 0.5)
    (1.75, 2.5)
    """
    whole, rest = divmod(part * (len(ordered) - 1), 1)
    low = ordered[int(whole)]
    return low + (ordered[int(whole) + 1] - low) * rest if rest else low


def fences(values: Sequence[float], outliers: str) -> tuple[float, float] | None:
    """The least and the most that is no outlier among *values*; None where they do not tell.

    ``tukey``: one and a half times the distance of the quartiles, below the lower one and above
    the upper one. ``hampel``: three standard deviations from the median, the deviation being
    1.4826 times the median of the distances from it. Where half of the values are the same
    there is no distance to judge by, and where there are less than four too little to say.

    >>> fences([1, 2, 3, 4, 99], "tukey"), fences([5, 5, 5, 9], "hampel")
    ((-1.0, 7.0), None)
    """
    if len(values) < FEW:
        return None
    ordered = sorted(values)
    if outliers == "tukey":
        low, high = quantile(ordered, 0.25), quantile(ordered, 0.75)
        reach = 1.5 * (high - low)
    else:
        low = high = quantile(ordered, 0.5)
        reach = 3 * 1.4826 * quantile(sorted(abs(value - low) for value in ordered), 0.5)
    return (low - reach, high + reach) if reach else None


class Series:
    """The numbers of one field in one window."""

    __slots__ = ("_kept", "_step", "count", "last", "least", "most", "total")

    def __init__(self, keeps: bool, saved: Sequence[Any] = (0, 0, inf, -inf, 0, 1, ())) -> None:
        self.count: int = saved[0]
        self.total: float = saved[1]
        self.least: float = saved[2]
        self.most: float = saved[3]
        self.last: float = saved[4]
        self._step: int = saved[5]
        self._kept: list[float] | None = list(saved[6]) if keeps else None

    def add(self, value: float) -> None:
        """Take in one number."""
        if self._kept is not None and self.count % self._step == 0:
            if len(self._kept) == KEPT:
                del self._kept[1::2]
                self._step *= 2
            if self.count % self._step == 0:
                self._kept.append(value)
        self.count += 1
        self.total += value
        self.last = value
        if value < self.least:
            self.least = value
        if value > self.most:
            self.most = value

    def result(self, how: How) -> tuple[float, int]:
        """What has become of the numbers, and how many were left out as outliers."""
        kept, limits = self._kept or [], None
        if how.outliers != "no":
            limits = fences(kept, how.outliers)
        if limits is None or (limits[0] <= self.least and self.most <= limits[1]):
            return self._of_all(how.statistic), 0
        good = [value for value in kept if limits[0] <= value <= limits[1]]
        left_out = self._step * (len(kept) - len(good))
        left_out = min(left_out, self.count - 1)
        if how.statistic == "last" and limits[0] <= self.last <= limits[1]:
            return self.last, left_out  # of many it may not be among those that were kept
        value = _of(good, how.statistic)
        return value * (self.count - left_out) / len(good) if how.statistic == "sum" else value, left_out

    def _of_all(self, statistic: str) -> float:
        match statistic:
            case "last":
                return self.last
            case "max":
                return self.most
            case "min":
                return self.least
            case "sum":
                return self.total
            case "median" if self._kept:
                return quantile(sorted(self._kept), 0.5)
        return self.total / self.count

    def saved(self) -> list[Any]:
        """What it holds, as JSON can keep it."""
        return [self.count, self.total, self.least, self.most, self.last, self._step, self._kept or []]


class Directions(Series):
    """The angles (degrees) of one field in one window. There are no outliers: on a circle nothing is beyond a fence."""

    __slots__ = ("_east", "_north")

    def __init__(self, saved: Sequence[Any] = ()) -> None:
        whole = len(saved) == 9  # else saved as plain numbers, when this was no direction: begin anew
        super().__init__(False, *((saved[:7],) if whole else ()))
        self._north: float = saved[7] if whole else 0.0
        self._east: float = saved[8] if whole else 0.0

    def add(self, value: float) -> None:
        super().add(value)
        self._north += cos(radians(value))
        self._east += sin(radians(value))

    def result(self, how: How) -> tuple[float, int]:
        """Where the sum of all as unit vectors points; NaN where they cancel. From 0 to 360, or from -180 to 180
        where some are negative, as longitudes are."""
        if hypot(self._north, self._east) <= CANCEL * self.count:
            return nan, 0
        angle = round(degrees(atan2(self._east, self._north)), DIGITS)
        return angle if self.least < 0 else angle % 360, 0

    def saved(self) -> list[Any]:
        return [*super().saved(), self._north, self._east]


def _series(how: How, *saved: Sequence[Any]) -> Series:
    return Directions(*saved) if how.statistic == DIRECTION else Series(how.keeps, *saved)


def _of(values: Sequence[float], statistic: str) -> float:
    match statistic:
        case "last":
            return values[-1]
        case "max":
            return max(values)
        case "min":
            return min(values)
        case "sum":
            return sum(values)
        case "median":
            return quantile(sorted(values), 0.5)
    return sum(values) / len(values)


class Window:
    """The readings of all fields in one interval. Of text and yes/no the last one counts."""

    def __init__(self, chosen: Chosen = _mean, saved: Mapping[str, Any] | None = None) -> None:
        self._chosen = chosen
        self._last: dict[str, Value] = dict((saved or {}).get("last", {}))
        self._series: dict[str, Series] = {}
        for name, each in (saved or {}).get("series", {}).items():
            self._series[name] = _series(chosen(name), each)

    def add(self, reading: Mapping[str, Value | None]) -> bool:
        """Take a reading in; whether there was a value in it."""
        found = False
        for name, value in reading.items():
            if value is None or (isinstance(value, float) and not isfinite(value)):
                continue
            found = True
            if isinstance(value, (bool, str)):
                self._last[name] = value
            else:
                series = self._series.get(name)
                if series is None:
                    series = self._series[name] = _series(self._chosen(name))
                series.add(value)
        return found

    def values(self, removed: dict[str, int] | None = None) -> dict[str, Value]:
        """What was measured. What was left out as outliers is counted in *removed*, by field."""
        result: dict[str, Value] = {}
        for name, series in self._series.items():
            how = self._chosen(name)
            try:
                value, left_out = series.result(how)
                if not isfinite(value):
                    continue
            except OverflowError:  # a whole number that no float can hold
                continue
            result[name] = round(value, DIGITS)
            if how.counted:
                result[how.counted] = series.count - left_out
            if left_out and removed is not None:
                removed[name] = removed.get(name, 0) + left_out
        return result | self._last

    def saved(self) -> dict[str, Any]:
        """What the window holds, as JSON can keep it."""
        return {"series": {name: each.saved() for name, each in self._series.items()}, "last": self._last}

    def __bool__(self) -> bool:
        return bool(self._series or self._last)
