"""Telegrams as line protocol, checked by a parser and a server that nobody here wrote."""

import itertools
import math
import os
import re
import string
from enum import IntEnum

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from line_protocol_parser import parse_line

from mysense import examples, wire
from mysense.channels.influxdb import line, quirks
from mysense.channels.influxdb.layout import RESERVED, Layout
from mysense.channels.influxdb.line import Encoder
from mysense.errors import RejectedError
from mysense.telegram import SECOND, Data, Field, Ident, Location, Note

IDENT = Ident("BdP", "k1", "shed", Location(51.4, 6.1, 20), (Field("temp", "C", "BME280"),), {"ip": ("a", "b")})
T0 = 1_700_000_000 * SECOND
_numbers = itertools.count()


def from_journal(values):
    """Values as the journal gives them: still text."""
    return wire.JsonValues(wire.encode_values(values))


def point(values, ident=IDENT, new=False):
    """The data point of some values, as the parser understands it."""
    [text] = line.timed([Encoder().data(Data(ident, T0, values), new)], SECOND)
    return parse_line(text)


def test_data_has_tags_fields_and_the_time_of_measurement():
    said = point({"temp": 20.5, "rh": 0, "rain": True, "state": 'a "b", c\\'}, new=True)

    assert said["measurement"] == "data"
    assert said["tags"] == {"geolocation": "51.4,6.1,20", "label": "shed", "new": "1"}
    assert said["fields"] == {"temp": 20.5, "rh": 0.0, "rain": True, "state": 'a "b", c\\'}
    assert said["time"] == 1_700_000_000


def test_numbers_are_always_floats_and_text_is_always_text():
    fields = point({"a": 3, "b": "3", "c": -0.0, "d": 1234.5})["fields"]

    assert {name: type(value) for name, value in fields.items()} == {"a": float, "b": str, "c": float, "d": float}


def test_what_is_not_finite_is_absent_and_nothing_else_is_lost():
    assert point({"a": float("nan"), "b": 1.5, "c": float("inf"), "d": "x"})["fields"] == {"b": 1.5, "d": "x"}
    assert Encoder().data(Data(IDENT, T0, {"a": float("nan")})) is None
    assert Encoder().data(Data(IDENT, T0, {})) is None


def test_a_place_or_label_in_the_data_replaces_that_of_the_ident():
    said = point({"geolocation": "51.433,6.22,13", "label": "van", "temp": 1.0})

    assert said["tags"] == {"geolocation": "51.433,6.22,13", "label": "van", "new": "0"}
    assert said["fields"] == {"temp": 1.0}


def test_empty_tags_are_left_out():
    assert point({"temp": 1.0}, Ident("a", "b"))["tags"] == {"new": "0"}


def test_an_ident_is_written_item_by_item_and_whole():
    said = parse_line(line.timed([Encoder().info(IDENT, T0)], SECOND)[0])

    assert said["tags"] == {"label": "shed"}
    assert said["fields"]["fields"] == "time,temp"
    assert said["fields"]["units"] == "s,C"
    assert said["fields"]["types"] == "time,BME280"
    assert said["fields"]["ip"] == "a,b"
    assert '"geolocation":"51.4,6.1,20"' in said["fields"]["ident"]


def test_a_note_is_a_point_of_the_station():
    said = parse_line(line.timed([Encoder().note(Note(IDENT, T0, "lost", "full", {"count": 3}))], SECOND)[0])

    assert (said["measurement"], said["tags"]) == ("station", {"label": "shed", "kind": "lost"})
    assert said["fields"] == {"text": "full", "count": 3.0}


@pytest.mark.parametrize("name", ["a\nb", "a\r", "tab\there", "", "\\", "new", *RESERVED])
@pytest.mark.parametrize("kind", [dict, from_journal])
def test_a_name_that_cannot_be_written_is_refused(name, kind):
    with pytest.raises(RejectedError) as refused:
        Encoder().data(Data(IDENT, T0, kind({name: 1.0, "temp": 2.0})))

    assert repr(name) in str(refused.value)


def test_an_item_of_an_ident_that_cannot_be_written_is_still_in_the_whole():
    ident = Ident("a", "b", meta={"time": "late", "two\nlines": "x", "hw": 3, "none": "", "huge": 10**400})
    fields = parse_line(line.timed([Encoder().info(ident, T0)], SECOND)[0])["fields"]

    assert set(fields) == {"project", "serial", "hw", "none", "ident"}
    assert fields["hw"] == 3.0
    assert '"time":"late"' in fields["ident"]


def test_values_of_other_kinds_are_written_as_what_they_are():
    class Celsius(float):
        def __repr__(self):
            return f"Celsius({float(self)})"

    class Level(IntEnum):
        LOW = 1

    fields = point({"a": Celsius(20.5), "b": Level.LOW, "c": None, "d": Celsius("nan")})["fields"]

    assert fields == {"a": 20.5, "b": 1.0}


@given(
    st.dictionaries(
        st.text(st.sampled_from('ab,= "\\:{}[]µ\x7f'), min_size=1, max_size=6).filter(lambda n: n.strip("\\")),
        st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.integers(), st.booleans(), st.text(max_size=4)),
        max_size=6,
    )
)
def test_values_straight_from_the_journal_give_the_same_line(values):
    def said(values):
        try:
            return Encoder().data(Data(IDENT, T0, values))
        except RejectedError as error:
            return str(error)

    assert said(from_journal(values)) == said(values)


@pytest.mark.parametrize(
    ("times", "precision"),
    [((1, 2), "s"), ((1, 1.5), "ms"), ((1, 1.000001), "u"), ((1.000000001,), "ns"), ((), "s")],
)
def test_auto_precision_is_the_coarsest_that_keeps_all_times(times, precision):
    assert line.precision([("", round(time * SECOND)) for time in times]) == precision


def test_the_same_telegram_gives_the_same_bytes_again():
    encoder = Encoder()
    data = Data(IDENT, T0, {"temp": 20.5})

    assert encoder.data(data) == encoder.data(data) == Encoder().data(data)


def test_an_ident_that_was_forgotten_is_not_mistaken_for_another():
    encoder = Encoder()
    labels = [encoder.data(Data(Ident("a", "b", f"label{n}"), T0, {"x": 1.0}))[0] for n in range(300)]

    assert len(set(labels)) == 300


NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=12)
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20)
FLOATS = st.floats(-1e15, 1e15).filter(lambda number: number == 0 or abs(number) > 1e-4)  # that parser knows no 1e-05
VALUES = st.one_of(FLOATS, st.integers(-(2**53), 2**53), st.booleans(), TEXTS)


def written(text):
    """A tag as it can be written: no backslash at its end or before a sign that is escaped."""
    return re.sub(r"\\+(?=[,= ]|\Z)", "", text)


def named(name):
    """The name of a measurement or value as it can be written: no backslash before a quote either."""
    return written(re.sub(r'\\+(?=")', "", name))


PRINTED = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Z"]) | st.just(" "), min_size=1, max_size=12
)


@given(
    st.dictionaries(PRINTED.filter(lambda name: written(name).strip()), VALUES, min_size=1, max_size=6),
    PRINTED,
    PRINTED,
)
@settings(max_examples=200, deadline=None)
def test_a_parser_of_others_reads_what_was_meant(values, label, measurement):
    for special in ("m", "label", *RESERVED):
        values.pop(special, None)
    names = [written(name) for name in values]
    if not values or len(set(names)) < len(names) or any("\\" in name for name in (*names, label, measurement)):
        return  # that parser and the server differ about backslashes; the server has its own test
    if any("\n" in value or "\\" in value for value in values.values() if isinstance(value, str)):
        return
    if measurement.startswith(("#", "_")):
        return
    data = Data(Ident("a", "b", label), T0, {"m": measurement, **values})
    said = parse_line(Encoder(Layout(measurement="{m}", tags="label, beside={label}=")).lines([data])[0])

    assert said["measurement"] == measurement
    assert said["fields"] == {k: float(v) if type(v) is int else v for k, v in zip(names, values.values(), strict=True)}
    assert said["tags"] == {"label": label, "beside": f"{label}="}


AWKWARD = [
    "plain", "with space", "with,comma", "with=equals", 'with"quote', "back\\slash", "a\\,b", "a\\ b", 'a\\"b',
    "käse µg/m³", "#hash", "日本", "ends with\\",
]  # fmt: skip


@pytest.mark.parametrize("name", AWKWARD)
def test_a_real_server_gives_back_awkward_names_and_texts(influxd, serial, name):
    from mysense.channels.influxdb import Publisher

    text = name + '\n"second line"\\'
    with Publisher(hostname="127.0.0.1", port=influxd.port) as publisher:
        assert publisher.publish([Data(Ident("Odd", serial, name), T0, {name: 1.5, "text": text})]) == {}
    [row] = influxd.rows('SELECT * FROM "data"', f"Odd_{serial}")

    assert row["text"] == text
    assert row["label"] == written(name)
    assert row[named(name)] == 1.5


@pytest.mark.parametrize("number", [5e-324, 1e-05, -0.0, 1e16, 1.7976931348623157e308, 2**64, -(2**63), 0.1])
def test_a_real_server_gives_back_extreme_numbers(influxd, serial, number):
    from mysense.channels.influxdb import Publisher

    with Publisher(hostname="127.0.0.1", port=influxd.port) as publisher:
        assert publisher.publish([Data(Ident("Odd", serial), T0, {"x": number})]) == {}
    [row] = influxd.rows("SELECT x FROM data", f"Odd_{serial}")

    assert float(row["x"]) == float(number)


ODD = st.text(st.sampled_from("ab,= \\\"'#µ\x7f"), min_size=1, max_size=6)
GOOD_NAME = (ODD | NAMES).filter(lambda name: named(name) and name[0] not in "#_" and name not in RESERVED)
ANY_NAME = GOOD_NAME | st.sampled_from(["time", "_field", "_series", "#a", "", "\\", "a\nb", "\t"])
NUMBERS = st.floats() | st.integers() | st.sampled_from([2**64, 10**308 - 1])
ANY_VALUE = st.one_of(NUMBERS, NUMBERS, st.booleans(), TEXTS, ODD, st.just(""))
OTHERS = Layout("Fuzz", "{m}", "t, u={m}-{t}")


class Telegrams:
    """Generated telegrams: what of them can be written, and what a server then has to show."""

    def __init__(self, generated):
        self.data, self.points, self.refused = [], [], []
        kinds = {}
        for n, (measurement, tag, values) in enumerate(generated):
            fields = {name: value for name, value in values.items() if name not in ("m", "t", "u")}
            data = Data(IDENT, T0 + n * SECOND, {**fields, "m": measurement, "t": tag})
            try:
                point = Encoder(OTHERS).data(data)
            except RejectedError as error:
                self.refused.append((str(error), unwritable(measurement, tag, fields)))
                continue
            stored = {named(name): said for name, value in fields.items() if (said := kept(value)) is not None}
            types = {name: type(said) for name, said in stored.items()}  # a query shows a name in one type only
            if point and all(kinds.get(key, kind) == kind for key, kind in types.items()):
                kinds |= types
                tags = {"t": written(tag), "u": written(f"{measurement}-{tag}")} if tag else {}
                tags = {name: text for name, text in tags.items() if text}
                self.data.append(data)
                self.points.append((data.time, named(measurement), tags, stored))


def unwritable(measurement, tag, fields):
    """Whether there is a reason to refuse these."""
    names = [measurement, tag, f"{measurement}-{tag}", *fields]
    short = [named(name) for name, value in fields.items() if kept(value) is not None]
    return (
        any(re.search(r"[\x00-\x1f]", name) or len(name.encode()) > 4000 for name in names)
        or not named(measurement) or measurement.startswith(("#", "_"))
        or len(set(short)) < len(short) or any(name in ("", *RESERVED) for name in short)
        or any(type(value) is int and abs(value) >= 10**308 for value in fields.values())
    )  # fmt: skip


def kept(value):
    """A value as a server gives it back; None where it is none."""
    if isinstance(value, bool | str):
        return value
    return float(value) if abs(value) < 2**1024 and math.isfinite(value) else None


BATCHES = (Phase.explicit, Phase.reuse, Phase.generate)  # a whole batch does not shrink in sensible time


def generated(values):
    """Measurement, tag and fields of many telegrams; some of them cannot be written."""
    good = st.tuples(GOOD_NAME, GOOD_NAME, st.dictionaries(GOOD_NAME, values, min_size=1, max_size=4))
    other = st.tuples(ANY_NAME, ANY_NAME, st.dictionaries(ANY_NAME, values, min_size=1, max_size=4))
    return st.lists(st.one_of(good, other), min_size=40, max_size=60)


@given(generated(ANY_VALUE))
@settings(max_examples=25, phases=BATCHES, suppress_health_check=list(HealthCheck))
def test_whatever_comes_is_refused_with_a_reason_or_stored_by_a_real_server_as_it_was_meant(influxd, batch):
    from mysense.channels.influxdb import Publisher

    telegrams, database = Telegrams(batch), f"Fuzz{next(_numbers)}"
    assert [said for said, reason in telegrams.refused if not reason] == []
    with Publisher(
        hostname="127.0.0.1", port=influxd.port, database=database, measurement="{m}", tags="t, u={m}-{t}"
    ) as publisher:
        assert publisher.publish(telegrams.data) == {}
    found = [
        (row.pop("time"), series["name"], row)
        for series in (influxd.query("SELECT * FROM /.*/", database) if telegrams.data else ())
        for row in (dict(zip(series["columns"], values, strict=True)) for values in series["values"])
    ]
    influxd.query(f'DROP DATABASE "{database}"')

    got = {time: (time, name, {k: kept(v) for k, v in row.items() if v is not None}) for time, name, row in found}
    for time, name, tags, fields in telegrams.points:
        assert got.pop(time, None) == (time, name, tags | fields)
    assert got == {}


@given(generated(st.floats(1e-3, 1e6) | st.integers(-1000, 1000) | st.booleans()))
@settings(max_examples=8, phases=BATCHES, suppress_health_check=list(HealthCheck))
def test_a_server_of_another_kind_understands_the_same(victoria, batch):
    from mysense.channels.influxdb import Publisher

    # It reads two backslashes as one, and takes a quote in the name of a value for the begin of a text.
    plain = [each for each in batch if not any(sign in name for name in (*each[:2], *each[2]) for sign in '\\"')]
    telegrams, database = Telegrams(plain), f"Fuzz{os.getpid()}x{next(_numbers)}"
    with Publisher(
        hostname="127.0.0.1", port=victoria.port, database=database, measurement="{m}", tags="t, u={m}-{t}"
    ) as publisher:
        assert publisher.publish(telegrams.data) == {}
    found = {
        (time * 1_000_000, *sorted(labels.items())): number
        for time, number, labels in victoria.samples(f'{{db="{database}"}}')
    }
    meant = {
        (time, *sorted({"__name__": f"{measurement}_{name}", "db": database, **tags}.items())): float(value)
        for time, measurement, tags, fields in telegrams.points
        for name, value in fields.items()
    }

    assert found.keys() == meant.keys()
    assert found == pytest.approx(meant, rel=1e-9)


@pytest.mark.parametrize("name", ["x" * 4000, "µ" * 2000])
def test_a_real_server_gives_back_the_longest_names_and_long_text(influxd, serial, name):
    from mysense.channels.influxdb import Publisher

    text = "ä\n" * 100_000
    with Publisher(hostname="127.0.0.1", port=influxd.port, measurement="{m}", tags="t") as publisher:
        assert publisher.publish([Data(Ident("Odd", serial), T0, {"m": name, "t": name, name: text})]) == {}
    [row] = influxd.rows(f'SELECT * FROM "{name}"', f"Odd_{serial}")

    assert row == {"time": T0, "t": name, name: text}


@pytest.mark.parametrize("values", [{"x" * 4001: 1.0}, {"m": "µ" * 2001}, {"t": "x" * 4001}])
def test_what_a_server_might_cut_off_is_refused(values):
    with pytest.raises(RejectedError, match="too long"):
        Encoder(OTHERS).data(Data(IDENT, T0, {"m": "a", "t": "b", "x": 1.0, **values}))


def test_tags_that_are_too_long_together_are_refused():
    tags = [f"t{n}" for n in range(20)]
    with pytest.raises(RejectedError, match="too long together"):
        Encoder(Layout(tags=",".join(tags))).data(Data(IDENT, T0, {"x": 1.0, **dict.fromkeys(tags, "y" * 4000)}))


@pytest.mark.parametrize("name", ["#a", "_series", "_tagKeys", "\\", "a\nb", "\t"])
def test_a_measurement_that_a_server_would_not_show_is_refused(name):
    with pytest.raises(RejectedError) as refused:
        Encoder(OTHERS).data(Data(IDENT, T0, {"m": name, "x": 1.0}))

    assert repr(name) in str(refused.value)


@pytest.mark.parametrize("kind", [dict, from_journal])
@pytest.mark.parametrize("number", [10**308, -(10**400)])
def test_a_number_that_no_float_holds_is_refused(number, kind):
    with pytest.raises(RejectedError, match="digits"):
        Encoder().data(Data(IDENT, T0, kind({"a": 1, "x": number})))


@pytest.mark.parametrize("kind", [dict, from_journal])
def test_two_values_of_one_name_are_refused_and_not_one_of_them_lost(kind):
    encoder = Encoder()
    for values in ({"a": 1.0, "a\\": 2.0}, {"a\\=b": 1.0, "a=b": 2.0}, {'a"': 1.0, 'a\\"': 2.0}):
        with pytest.raises(RejectedError, match="one name"):
            encoder.data(Data(IDENT, T0, kind(values)))
    assert encoder.data(Data(IDENT, T0, kind({"a": 1.0, "b\\": 2.0})))[0].endswith(" a=1.0,b=2.0")


def test_legacy_lines_are_those_of_the_original():
    ident, first, second, third = examples.telegrams()

    assert quirks.data_line(first, new=True) == (
        r'data,new=1,label="alphaTest",geolocation="51.420635\,6.1356117\,22.9" '
        "timestamp=1494777772,pm_25=318.0,pm_10=62.0,temp=28.75,rh=25.0,hpa=712.0,dtemp=27.8,drh=29.3"
    )
    assert quirks.data_line(second, new=False).startswith(
        r'data,new=0,label="alphaTest",geolocation="51.433\,6.22\,13"'
    )
    said = quirks.info_line(ident)
    assert said.startswith('info,label="alphaTest" project="BdP",serial="test_sense",label="alphaTest"')
    assert r'fields="time\,pm_25\,pm_10\,dtemp\,drh\,temp\,rh\,hpa"' in said
    assert 'extern_ip="192.0.2.17"' in said
    assert "intern_ip" not in said
    assert "rh=0.0" in quirks.data_line(Data(ident, third.time, {"rh": 0.0}), new=False)  # zero is a value


@pytest.mark.parametrize("values", [{"time": 1.0}, {"x": 10**400}, {"a\nb": 1.0}])
def test_legacy_lines_lose_nothing_unseen_either(values):
    with pytest.raises(RejectedError):
        quirks.data_line(Data(IDENT, T0, {"temp": 1.0, **values}), new=False)
    assert "time=" not in quirks.info_line(Ident("a", "b", meta={"time": "late", "x": 1}))


def test_names_of_printable_ascii_need_no_exception():
    for sign in string.punctuation:
        assert point({f"a{sign}b": 1.0})["fields"]
