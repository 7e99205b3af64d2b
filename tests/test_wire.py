"""Telegrams as text: ours, the classic form, idents of old; what comes in comes out."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mysense import wire
from mysense.telegram import SECOND, Data, Field, Ident, Location, Note

IDENT = Ident(
    "BdP", "test_sense", "alphaTest", Location(51.420635, 6.1356117, 22.9),
    (Field("pm_25", "pcs/qf", "Dylos DC1100"), Field("temp", "C", "BME280")),
    {"description": "a roof, «north»", "extern_ip": ("192.0.2.17",)}, since=1494777772 * SECOND,
)  # fmt: skip


def back(*telegrams):
    return list(wire.decode(map(wire.encode, telegrams)))


def test_telegrams_survive_the_way_through_text():
    data = Data(IDENT, 1494777772 * SECOND, {"pm_25": 318.0, "ok": True, "note": 'a "b"\nc', "n": 3}, {"temp": "high"})
    note = Note(IDENT, 1_500_000_000_123_456_789, "stuck", "sensor:x", {"count": 2})
    [ident, same, told] = back(IDENT, data, note)

    assert (ident, same, told) == (IDENT, data, note)
    assert (same.values, same.flags, told.values) == (data.values, data.flags, note.values)


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [("1494777772", 1494777772 * SECOND), ("1500000000.123456789", 1_500_000_000_123_456_789),
     ('"1500000000.5"', 1_500_000_000_500_000_000), ("1.5e9", 1_500_000_000 * SECOND), ("-1", -SECOND)],
)  # fmt: skip
def test_times_are_read_exactly(text, nanoseconds):
    [data] = wire.decode([f'{{"project": "a", "serial": "b", "data": {{"time": {text}, "x": 1}}}}'])

    assert data.time == nanoseconds


@given(st.integers(min_value=0, max_value=2**62))
def test_every_nanosecond_is_kept(time):
    [data] = back(Data(Ident("a", "b"), time, {"x": 1}))

    assert data.time == time


def test_the_classic_form_carries_its_ident_and_several_data():
    message = {
        "metadata": {"project": "BdP", "serial": "k1", "geolocation": "51.4,6.1,22.9", "fields": ["time", "pm_25"],
                     "units": ["s", "pcs/qf"], "types": ["time", "Dylos DC1100"], "intern_ip": ["192.0.2.49"]},
        "data": [{"time": 1, "pm_25": 318, "null": None}, {"time": 2, "pm_25": 0.0}],
    }  # fmt: skip
    first, second = wire.decode([json.dumps(message)])

    assert first.ident.fields == (Field("pm_25", "pcs/qf", "Dylos DC1100"),)
    assert first.ident.geolocation == Location(51.4, 6.1, 22.9)
    assert first.ident.meta == {"intern_ip": ("192.0.2.49",)}
    assert (first.values, second.values) == ({"pm_25": 318}, {"pm_25": 0.0})
    assert second.ident is first.ident


def test_what_we_write_in_the_classic_form_we_read():
    data = Data(IDENT, 7 * SECOND, {"pm_25": 1.5})
    [same] = wire.decode_classic(wire.encode_classic(data))

    assert same == data
    assert same.values == data.values


def test_lists_and_objects_in_data_become_values_of_their_own():
    [data] = wire.decode(['{"project":"a","serial":"b","data":{"time":1,"pm":[1,2],"gps":{"lat":51.4,"ok":true}}}'])

    assert data.values == {"pm_0": 1, "pm_1": 2, "gps_lat": 51.4, "gps_ok": True}


def test_a_place_of_zeros_is_no_place():
    assert wire.decode_ident({"project": "a", "serial": "b", "geolocation": "0,0,0"}).geolocation is None


@pytest.mark.parametrize(
    ("line", "said"),
    [("nonsense", "line 2"), ("[1]", "not a JSON object"), ("{}", "'project' is missing"),
     ('{"project":"a","serial":"b","data":{"x":1}}', "'time' is missing"),
     ('{"project":"a","serial":"b","data":{"time":"noon","x":1}}', "'noon' is not a time"),
     ('{"project":"a","serial":"b","data":{"time":true,"x":1}}', "True is not a time"),
     ('{"ident":{"project":"a","serial":"b","geolocation":"north"}}', "'north' is not a place"),
     ('{"project":"a","serial":"b","note":{"time":1,"kind":"","text":"begun"}}', "without its 'kind'"),
     ("[" * 100_000, "line 2"),
     ('{"project":"a","serial":"b","data":{"time":1,"x":"\\ud800"}}', "not Unicode")],
)  # fmt: skip
def test_a_line_that_is_no_telegram_is_named(line, said):
    with pytest.raises(ValueError, match="line 2") as info:
        list(wire.decode(["", line]))

    assert said in str(info.value)


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text() | st.integers(),
                    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20))  # fmt: skip
def test_whatever_comes_in_is_a_telegram_or_a_valueerror(value):
    node = {"project": "a", "serial": "b"}
    for message in (value, {"metadata": value, "data": value}, {"ident": value}, node | {"data": value, "note": value}):
        try:
            telegrams = list(wire.decode([json.dumps(message)]))
        except ValueError:
            continue
        assert list(wire.decode(map(wire.encode, telegrams))) is not None


@pytest.mark.parametrize("place", ["[NaN,5]", "[1e999,5]", "[200,500]", f"[{'9' * 400},5]", '{"a":1}', '["x",5]'])
def test_a_place_that_is_none_makes_no_ident(place):
    with pytest.raises(ValueError):
        wire.decode_ident(f'{{"project":"x","serial":"y","geolocation":{place}}}')


def test_what_can_no_longer_be_read_is_shown_as_it_is():
    values = wire.JsonValues('{"temp":}')

    assert dict(values) == {"unreadable": '{"temp":}'}
