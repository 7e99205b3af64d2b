"""Readings corrected by polynomials."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mysense import options
from mysense.errors import ConfigError
from mysense.processors.calibrate import Processor, factors
from mysense.telegram import Data, Ident

IDENT = Ident("Demo", "k1")


def corrected(text, flags=(), **values):
    made = options.parse(Processor, {"factors": text}, lambda name: f"{name}:")
    return made(Data(IDENT, 5, values, dict(flags)))


def problem(text):
    with pytest.raises(ConfigError) as error:
        options.parse(Processor, {} if text is None else {"factors": text}, lambda name: f"[calibrate] {name}:")
    [line] = error.value.problems
    return line


def test_each_field_has_a_polynomial_of_its_own():
    data = corrected("temp: -2.2 1; rh: 0.3 1; pm25: 1 0.5 0.25", temp=28.75, rh=25.0, pm25=4)

    assert data.values == {"temp": 26.55, "rh": 25.3, "pm25": 7.0}


def test_what_has_no_factors_stays_as_it_is():
    assert corrected("temp: 1 1", rh=40, temp=0).values == {"rh": 40, "temp": 1.0}


def test_a_missing_value_stays_missing():
    assert corrected("temp: 5 1", rh=40).values == {"rh": 40}


@pytest.mark.parametrize("value", ["20.5", "", True, False])
def test_text_and_yes_or_no_are_untouched(value):
    assert corrected("temp: 5 2", temp=value).values["temp"] is value


def test_a_constant_needs_one_factor_only():
    assert corrected("temp: 5", temp=99.0).values == {"temp": 5.0}


def test_ident_time_and_doubts_are_kept():
    data = corrected("temp: 1 1", {"temp": "jump"}, temp=1.0)

    assert (data.ident, data.time, data.flags) == (IDENT, 5, {"temp": "jump"})


def test_the_data_that_came_in_is_not_changed():
    values = {"temp": 1.0}
    Processor(factors=factors("temp: 1 1"))(Data(IDENT, 5, values))

    assert values == {"temp": 1.0}


@pytest.mark.parametrize("value", [1e200, -1e200, 10**400])
def test_what_is_too_large_for_a_number_is_missing(value):
    assert corrected("temp: 0 0 1e200", temp=value, rh=1).values == {"rh": 1}


def test_factors_may_stand_on_several_lines_and_have_commas():
    assert factors("temp: -2.2, 1\nrh: 0.3 1;") == {"temp": (-2.2, 1.0), "rh": (0.3, 1.0)}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "[calibrate] : factors is required: field: a0 a1 a2 …; field: …, such as temp: -2.2 1; rh: 0.3 1"),
        (";", "[calibrate] factors: no factors: write them as field: a0 a1 …; field: a0 a1 …"),
        ("temp", "[calibrate] factors: 'temp': write the field, a colon and its factors, such as temp: -2.2 1"),
        ("temp:", "[calibrate] factors: 'temp:': write the field, a colon and its factors, such as temp: -2.2 1"),
        (": 1 2", "[calibrate] factors: ': 1 2': write the field, a colon and its factors, such as temp: -2.2 1"),
        ("temp: 1 x", "[calibrate] factors: temp: 'x' is not a number"),
        ("temp: nan", "[calibrate] factors: temp: 'nan' is not a number"),
        ("temp: 1 inf", "[calibrate] factors: temp: 'inf' is not a number"),
        ("temp: 0 1; temp: 0 2", "[calibrate] factors: 'temp' has its factors twice"),
    ],
)
def test_a_mistake_is_told_exactly(text, said):
    assert problem(text) == said


@given(
    st.dictionaries(st.from_regex(r"[a-z_0-9]+", fullmatch=True), st.lists(st.floats(-1e9, 1e9), min_size=1)).filter(
        bool
    )
)
def test_factors_are_shown_as_they_can_be_written(rows):
    made = factors("; ".join(f"{name}: {' '.join(map(repr, row))}" for name, row in rows.items()))

    assert factors(options.show(made)) == made == {name: tuple(row) for name, row in rows.items()}
