"""The readings of an interval become one value for each field: statistics against those of the standard library."""

import cmath
import json
import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mysense.window import FEW, KEPT, How, Window, fences, quantile

numbers = st.lists(st.floats(-1e6, 1e6).map(lambda x: round(x, 6)) | st.integers(-1000, 1000), min_size=1, max_size=60)
ORACLES = {
    "mean": statistics.fmean,
    "median": statistics.median,
    "max": max,
    "min": min,
    "sum": sum,
    "last": lambda values: values[-1],
}


def circular(values):
    """By complex numbers."""
    total = sum(cmath.rect(1, math.radians(value)) for value in values)
    angle = math.degrees(cmath.phase(total))
    return (angle if min(values) < 0 else angle % 360) if abs(total) > 1e-6 else None


angles = st.lists(st.floats(-180, 360).map(lambda x: round(x, 3)), min_size=1, max_size=60)


@given(values=angles)
def test_directions_add_up_as_arrows_do(values):
    wanted = circular(values)

    if wanted is not None:
        got = window(values, statistic="direction")["x"]
        assert math.cos(math.radians(got - wanted)) == pytest.approx(1)
        assert -180 <= got < 360
        assert got >= 0 or min(values) < 0


@pytest.mark.parametrize(
    ("values", "mean"),
    [
        ([350, 10], 0), ([359.9, 0.1, 359.9, 0.1], 0), ([0, 360], 0), ([90], 90), ([80, 100], 90), ([180], 180),
        ([179.5, -179.0], -179.75), ([-0.2, 0.1], -0.05), ([6.1, 6.1, 6.1], 6.1), ([359, 357], 358),
    ],
)  # fmt: skip
def test_the_mean_of_directions_lies_between_them(values, mean):
    assert window(values, statistic="direction") == {"x": mean}


@pytest.mark.parametrize("values", [[0, 180], [0, 90, 180, 270], [45, 225] * 5000, [0, 120, 240] * 1000])
def test_directions_that_cancel_are_none(values):
    assert window(values, statistic="direction", counted="x_n") == {}


def test_directions_have_no_outliers():
    removed = {}

    assert window([359, 1, 359, 1, 359, 1, 90], removed, statistic="direction", outliers="tukey", counted="x_n") == {
        "x": pytest.approx(9.47, abs=0.01),
        "x_n": 7,
    }
    assert removed == {}


def test_directions_survive_a_stop_and_what_was_no_direction_before_is_left_out():
    def direction(_):
        return How(statistic="direction")

    first = Window(direction)
    first.add({"x": 350, "y": 1.0})
    second = Window(direction, json.loads(json.dumps(first.saved())))
    second.add({"x": 10})
    plain = Window()
    plain.add({"x": 350})
    third = Window(direction, json.loads(json.dumps(plain.saved())))
    assert third.values() == {}
    third.add({"x": 10})

    assert second.values() == {"x": 0, "y": 1.0}
    assert third.values() == {"x": 10}


def window(values, removed=None, **how):
    made = Window(lambda _: How(**how))
    for value in values:
        made.add({"x": value})
    return made.values(removed)


@pytest.mark.parametrize("statistic", ORACLES)
@given(values=numbers)
def test_without_outliers_each_statistic_is_that_of_all_readings(statistic, values):
    assert window(values, statistic=statistic)["x"] == pytest.approx(ORACLES[statistic](values), rel=1e-9, abs=1e-8)


def tukey(values):
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return low - 1.5 * (high - low), high + 1.5 * (high - low)


def hampel(values):
    middle = statistics.median(values)
    reach = 3 * 1.4826 * statistics.median(abs(value - middle) for value in values)
    return middle - reach, middle + reach


@pytest.mark.parametrize("statistic", ORACLES)
@pytest.mark.parametrize("rule", [tukey, hampel])
@given(values=st.lists(st.integers(-100, 100), min_size=FEW, max_size=60))
def test_outliers_are_those_beyond_the_fences_of_the_rule(statistic, rule, values):
    low, high = rule(values)
    good = values if low == high else [v for v in values if low - 1e-9 <= v <= high + 1e-9]
    edge = low != high and any(min(abs(v - low), abs(v - high)) < 1e-6 for v in values)
    removed = {}

    got = window(values, removed, statistic=statistic, outliers=rule.__name__, counted="x_n")

    if not edge:  # a reading that stands on the fence itself may fall on either side by rounding
        assert got["x"] == pytest.approx(ORACLES[statistic](good), rel=1e-9, abs=1e-8)
        assert got["x_n"] == len(good)
        assert removed.get("x", 0) == len(values) - len(good)


@given(values=st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=50))
def test_quartiles_are_those_of_the_inclusive_method(values):
    quartiles = [quantile(sorted(values), part) for part in (0.25, 0.5, 0.75)]

    assert quartiles == pytest.approx(statistics.quantiles(values, n=4, method="inclusive"), rel=1e-9, abs=1e-9)


def test_a_spike_is_left_out_above_and_below():
    dust = [10, 11, 9, 10, 12, 11, 10, 500]

    assert window(dust, outliers="tukey")["x"] == pytest.approx(73 / 7)
    assert window([-value for value in dust], outliers="hampel")["x"] == pytest.approx(-73 / 7)


@pytest.mark.parametrize("outliers", ["tukey", "hampel"])
@pytest.mark.parametrize("values", [[1, 2, 99], [0, 0, 0, 0, 5]])
def test_too_few_readings_and_those_without_a_spread_are_all_good(outliers, values):
    assert fences(values, outliers) is None
    assert window(values, outliers=outliers)["x"] == pytest.approx(statistics.fmean(values))


@pytest.mark.parametrize("outliers", ["no", "tukey"])
def test_a_fast_sensor_and_a_long_interval_do_not_fill_the_memory(outliers):
    made, count = Window(lambda name: How("median" if name == "middle" else "sum", outliers, f"{name}_n")), 100_000
    for n in range(count):
        made.add({"middle": n % 1000, "sum": n % 1000})

    values = made.values()

    assert values["middle"] == pytest.approx(500, abs=40)
    assert values["sum"] == pytest.approx(count * 499.5, rel=0.05)
    assert values["middle_n"] == count
    assert len(json.dumps(made.saved())) < 2 * 8 * KEPT


def test_what_is_no_outlier_counts_also_where_only_some_readings_are_kept():
    made = Window(lambda name: How(name, "tukey"))
    values = [n % 100 for n in range(3 * KEPT)] + [-40, 140, 55]  # within the fences, and of those only some are kept
    for value in values:
        made.add(dict.fromkeys(("last", "max", "min", "mean"), value))

    assert made.values() == {"last": 55, "max": 140, "min": -40, "mean": pytest.approx(statistics.fmean(values))}


def test_the_last_is_the_newest_that_is_no_outlier():
    made = Window(lambda name: How("last", "tukey"))
    for value in [n % 100 for n in range(3 * KEPT)] + [1000] * 4 + [51, 52, 53]:
        made.add({"x": value})

    assert made.values() == {"x": 53}


@given(st.integers(KEPT + 1, KEPT * 5))
def test_what_is_kept_of_many_readings_is_every_so_many(count):
    made = Window(lambda _: How("median"))
    for value in range(count):
        made.add({"x": value})
    [[_, _, _, _, _, step, kept]] = made.saved()["series"].values()

    assert kept == [*range(0, count, step)]
    assert KEPT // 2 <= len(kept) <= KEPT


@pytest.mark.parametrize("statistic", ORACLES)
@pytest.mark.parametrize("outliers", ["no", "tukey", "hampel"])
@given(values=numbers, cut=st.integers(0, 60))
def test_a_window_that_was_saved_in_between_gives_the_same(statistic, outliers, values, cut):
    def chosen(_):
        return How(statistic, outliers, "x_n")

    before = Window(chosen)
    for value in values[:cut]:
        before.add({"x": value})
    after = Window(chosen, json.loads(json.dumps(before.saved())))
    for value in values[cut:]:
        after.add({"x": value})

    assert after.values() == window(values, statistic=statistic, outliers=outliers, counted="x_n")


def test_a_window_of_another_statistic_is_taken_over_as_far_as_it_goes():
    before = Window()
    before.add({"x": 1, "state": "on"})
    after = Window(lambda _: How("median", "tukey"), before.saved())
    assert after.values() == {"x": 1, "state": "on"}
    after.add({"x": 3})

    assert after.values() == {"x": 3, "state": "on"}


def test_each_field_has_its_own_statistic_and_text_is_the_last():
    made = Window(
        lambda name: How({"gust": "max", "rain": "sum"}.get(name, "mean"), counted="ws_n" if name == "ws" else "")
    )
    for reading in ({"ws": 2, "gust": 5, "rain": 0.1, "door": True}, {"ws": 4, "gust": 3, "rain": 0.2, "door": False}):
        made.add(reading)

    assert made.values() == {"ws": 3, "ws_n": 2, "gust": 5, "rain": 0.3, "door": False}


@pytest.mark.parametrize("value", [10**400, 1e308])
def test_what_no_number_can_hold_is_absent(value):
    assert window([value] * 10, statistic="sum" if value == 1e308 else "mean") == {}


@pytest.mark.parametrize("statistic", ["mean", "last", "max", "min", "sum", "median"])
def test_a_whole_number_that_no_float_can_hold_costs_only_itself(statistic):
    made = Window(lambda name: How(statistic))
    made.add({"big": 10**400, "temp": 20.0})

    assert made.values() == {"temp": 20.0}
