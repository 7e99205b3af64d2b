"""What the patterns of records take means the same as JSON, and the rest they leave alone."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mysense import wire
from mysense.channels.mqtt import records
from mysense.telegram import SECOND

NAMES = st.sampled_from(["temp", "rh", "pm2.5", "a-b", "_", "time", "T", "x1", "1x", "a b", "ü", ""])
NUMBERS = st.one_of(
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(
        ["01", "-0", "1.", ".5", "+1", "1e999", "-", "0.0", "9" * 400, "NaN", '"a"', "null", "true", "[1]"]
    ),
)
ITEMS = st.lists(st.tuples(NAMES, NUMBERS), max_size=5)
TIMES = st.one_of(st.integers(-(10**10), 10**10), st.sampled_from([1.5, "01", '"1"', 10**30, 8_999_999_999]))


def written(time, items, blank):
    said = [f'"{name}":{blank}{number}' for name, number in [("time", time), *items]]
    return ("{" + f",{blank}".join(said) + "}").encode()


@given(TIMES, ITEMS, st.sampled_from(["", " ", "  "]))
@example(1, [("a", 1), ("a", 2)], "")
@example(1, [("a", 1), ("time", 2)], "")
def test_what_is_taken_means_the_same(time, items, blank):
    record = written(time, items, blank)
    message = b"xx" + record + b"}"

    got = records.read(message, 2, len(message) - 1)

    if got:
        [data] = wire.decode_message(b'{"project":"P","serial":"s","data":' + record + b"}", {})
        assert (got[0], dict(got[1])) == (data.time, dict(data.values))
        own = records.alike(records.names(record))
        again = records.read(message, 2, len(message) - 1, own)
        assert again
        assert (again[0], again[1].text) == (got[0], got[1].text)


@given(
    st.integers(10**9, 8_999_999_999),
    st.dictionaries(st.sampled_from(["temp", "rh", "pm25"]), st.decimals(-(10**9), 10**9, places=3), min_size=1),
    st.sampled_from(["", " "]),
)
def test_what_kits_send_is_taken(time, values, blank):
    record = written(time, values.items(), blank)

    got = records.read(record, 0, len(record))

    assert got
    assert got[0] == time * SECOND
    assert dict(got[1]) == {name: float(value) for name, value in values.items()}


@pytest.mark.parametrize("cut", range(1, 40))
def test_half_a_record_is_none(cut):
    record = b'{"time": 1494777772, "pm25": 3.5, "rh": 25}'
    own = records.alike(records.names(record))

    assert records.read(record, 0, len(record) - cut) is None
    assert records.read(record, 0, len(record) - cut, own) is None


def test_records_with_other_names_are_not_alike():
    own = records.alike(["a.b", "c"])

    assert records.read(b'{"time":1,"a.b":1,"c":2}', 0, 24, own)
    for other in (
        b'{"time":1,"axb":1,"c":2}',
        b'{"time":1,"c":1,"a.b":2}',
        b'{"time":1,"a.b":1}',
        b'{"time":1,"a.b":1,"c":2,"d":3}',
    ):
        assert records.read(other, 0, len(other), own) is None
