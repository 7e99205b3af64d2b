"""The readings of an interval become one value for each field: statistics against those of the standard library."""

import json
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

    got = window(values, removed, statistic=statistic, outliers=rule.__name__, counts=True)

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
    made, count = Window(lambda name: How("median" if name == "middle" else "sum", outliers, True)), 100_000
    for n in range(count):
        made.add({"middle": n % 1000, "sum": n % 1000})

    values = made.values()

    assert values["middle"] == pytest.approx(500, abs=40)
    assert values["sum"] == pytest.approx(count * 499.5, rel=0.05)
    assert values["middle_n"] == count
    assert len(json.dumps(made.saved())) < 2 * 8 * KEPT


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
        return How(statistic, outliers, True)

    before = Window(chosen)
    for value in values[:cut]:
        before.add({"x": value})
    after = Window(chosen, json.loads(json.dumps(before.saved())))
    for value in values[cut:]:
        after.add({"x": value})

    assert after.values() == window(values, statistic=statistic, outliers=outliers, counts=True)


def test_a_window_of_another_statistic_is_taken_over_as_far_as_it_goes():
    before = Window()
    before.add({"x": 1, "state": "on"})
    after = Window(lambda _: How("median", "tukey"), before.saved())
    assert after.values() == {"x": 1, "state": "on"}
    after.add({"x": 3})

    assert after.values() == {"x": 3, "state": "on"}


def test_each_field_has_its_own_statistic_and_text_is_the_last():
    made = Window(lambda name: How({"gust": "max", "rain": "sum"}.get(name, "mean"), counts=name == "ws"))
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
