"""Sensors of a node: names where several measure the same, fields that come late, readings that do not count."""

import json
import threading
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mysense import config, naming
from mysense.journal.memory import MemoryJournal
from mysense.node import SOURCE, Node
from mysense.perfield import PerField, per_field, span, word_of
from mysense.plugin import Sensor, option
from mysense.settings import SensorOptions
from mysense.sources import STRANGE
from mysense.telegram import SECOND, Data, Field, Ident, Note
from mysense.testing.clock import ManualClock
from mysense.window import STATISTICS

T0 = 1_700_000_000


class Weather(Sensor):
    """Temperature and humidity."""

    measures = (Field("temp", "C", "chip"), Field("rh", "%", "chip"))
    interval: float = option(10.0, "seconds")

    def read(self):
        return None


class Fahrenheit(Weather):
    """A temperature in another unit, and something that nobody knows."""

    measures = (Field("temp", "F"), Field("mood", "1"))
    ranges: ClassVar = {"mood": (0.0, 3.0)}


class Late(Weather):
    """Knows what it measures only when it is open."""

    measures = ()


class Kit:
    """A node without threads: what is given, and what came of it."""

    def __init__(self, sensors, options=None, journal=None, clock=None, interval=10.0, **more):
        self.clock, self.journal = clock or ManualClock(T0), journal or MemoryJournal()
        self.node = Node(Ident("Test", "k1"), sensors, interval, self.journal, self.clock, options=options, **more)
        self.seen = self.journal.status().last

    def pass_time(self, seconds=10.0):
        self.clock.advance(seconds)
        self.node._work()

    def telegrams(self, kind=object):
        entries = self.journal.read(self.seen, 1000)
        self.seen = entries[-1].seq if entries else self.seen
        return [t for _, t in entries if isinstance(t, kind)]


def names(*sections):
    return naming.names({section: Weather() for section in sections})


@pytest.mark.parametrize(
    ("sections", "temps"),
    [
        (["sensor:a"], ["temp"]),
        (["sensor:a", "sensor:a:roof"], ["temp", "temp_roof"]),
        (["sensor:a:roof", "sensor:a:the shed"], ["temp_roof", "temp_the_shed"]),
        (["sensor:a", "sensor:b"], ["temp_a", "temp_b"]),
        (["sensor:a", "sensor:b:roof"], ["temp", "temp_roof"]),
        (["sensor:a:x", "sensor:b:x"], ["temp_x", "temp_b_x"]),
    ],
)
def test_a_field_of_several_sensors_gets_the_label_of_its_section(sections, temps):
    assert [names(*sections)[section]["temp"] for section in sections] == temps


@given(
    sections=st.lists(
        st.builds(
            "sensor:{}{}".format, st.sampled_from("abc"), st.sampled_from(["", ":x", ":y", ":temp", ":a", ":b_x"])
        ),
        unique=True,
        max_size=9,
    ),
    order=st.randoms(use_true_random=False),
)
def test_names_do_not_depend_on_the_order_of_sections_and_none_is_given_twice(sections, order):
    given_names = names(*sections)
    order.shuffle(sections)
    every = [name for fields in given_names.values() for name in fields.values()]

    assert names(*sections) == given_names
    assert len(set(every)) == len(every) == 2 * len(sections)


def test_a_sensor_may_call_two_of_its_own_fields_the_same():
    [said] = naming.names({"sensor:a": Weather(fields=("x", "x"))}).values()

    assert said == {"temp": "x", "rh": "x_a"}


def test_what_collides_is_told_when_the_file_is_read():
    text = "[sensor:simulated]\n[sensor:simulated:roof]\nstatistic = last, tmp_roof: max, temp_roof: min\n"
    notices = config.parse(text).notices

    assert "several sensors measure temp: it is called temp ([sensor:simulated]) and temp_roof" in "\n".join(notices)
    assert "[sensor:simulated:roof] statistic: it measures no 'tmp_roof', did you mean 'temp_roof'?" in notices


def test_fields_belong_to_the_ident_when_they_come_and_it_is_told_again():
    kit = Kit({"sensor:a": Weather(), "sensor:slow": Fahrenheit()})
    kit.node.give("sensor:a", {"temp": 20.0, "rh": None})
    kit.pass_time()
    first = kit.telegrams()
    kit.node.give("sensor:a", {"temp": 20.0, "rh": 50.0})
    kit.node.give("sensor:slow", {"mood": 2})
    kit.pass_time()
    second = kit.telegrams()

    assert [[f.name for f in t.fields] for t in first if isinstance(t, Ident)] == [["temp_a"]]
    assert [t.fields for t in second if isinstance(t, Ident)] == [
        (Field("temp_a", "C", "chip"), Field("rh", "%", "chip"), Field("mood", "1", "slow"))
    ]
    assert [dict(t.values) for t in second if isinstance(t, Data)] == [{"temp_a": 20.0, "rh": 50.0, "mood": 2}]


def test_after_a_restart_the_fields_that_had_come_are_there_at_once():
    before = Kit({"sensor:a": Weather(), "sensor:b:x": Late()})
    before.node.give("sensor:a", {"temp": 20.0})
    before.node.give("sensor:b:x", {"temp": 1, "pm25": 3})
    before.pass_time()
    [ident] = before.telegrams(Ident)
    after = Kit({"sensor:b:x": Late(), "sensor:a": Weather()}, journal=before.journal, clock=before.clock)
    after.node.give("sensor:a", {"temp": 21.0})
    after.pass_time()

    assert [f.name for f in ident.fields] == ["temp", "temp_x", "pm25"]
    assert {f.name for f in after.node.ident().fields} == {"temp", "temp_x", "pm25"}


def test_fields_that_nobody_announced_keep_their_names_whoever_comes_first():
    before = Kit({"sensor:late:one": Late(), "sensor:late:two": Late()})
    before.node.give("sensor:late:one", {"temp": 1})
    before.node.give("sensor:late:two", {"temp": 2})
    before.pass_time()
    after = Kit({"sensor:late:two": Late(), "sensor:late:one": Late()}, journal=before.journal, clock=before.clock)
    after.node.give("sensor:late:two", {"temp": 2})
    after.node.give("sensor:late:one", {"temp": 1})
    after.pass_time()

    assert [dict(t.values) for t in after.telegrams(Data)] == [{"temp": 1, "temp_two": 2}]


def test_a_disturbed_line_cannot_make_up_fields_without_end():
    kit = Kit({"sensor:late": Late()})
    for n in range(STRANGE * 3):
        kit.node.give("sensor:late", {f"x{n}": n, "temp": 20})
    kit.pass_time()

    assert len(kit.node.ident().fields) == STRANGE
    assert len(json.loads(kit.journal.state(SOURCE)["fields"])["sensor:late"]) == STRANGE


def test_an_exchange_sends_what_was_measured_under_the_names_it_was_measured_with():
    one = Weather()
    kit = Kit({"sensor:a": one})
    kit.node.give("sensor:a", {"temp": 20.0})
    kit.pass_time()
    kit.node.give("sensor:a", {"temp": 22.0})
    kit.clock.advance(1)
    kit.node.exchange({"sensor:a": one, "sensor:b": Weather()})
    kit.node.give("sensor:a", {"temp": 24.0})
    kit.pass_time()

    assert [dict(t.values) for t in kit.telegrams(Data)] == [{"temp": 20.0}, {"temp": 22.0}, {"temp_a": 24.0}]


def test_each_section_says_what_becomes_of_its_readings():
    options = SensorOptions(statistic=PerField("max", {"rh": "min", "humidity": "last"}), counts=True)
    kit = Kit({"sensor:a": Weather(), "sensor:b:x": Weather(fields=("t", "humidity"))}, {"sensor:b:x": options})
    for temp, rh in ((20.0, 50.0), (30.0, 40.0), (25.0, 45.0)):
        kit.node.give("sensor:a", {"temp": temp, "rh": rh})
        kit.node.give("sensor:b:x", {"temp": temp, "rh": rh})
    kit.pass_time()

    [data] = kit.telegrams(Data)
    assert data.values == {"temp": 25.0, "rh": 45.0, "t": 30.0, "t_n": 3, "humidity": 45.0, "humidity_n": 3}
    assert [f.name for f in data.ident.fields] == ["temp", "rh", "t", "t_n", "humidity", "humidity_n"]


def test_single_readings_are_kept_with_their_own_time_before_the_processors():
    kit = Kit({"sensor:a": Weather(), "sensor:a:x": Weather()}, {"sensor:a:x": SensorOptions(raw=True)})
    for temp in (20.0, 200.0):
        kit.node.give("sensor:a", {"temp": temp})
        kit.node.give("sensor:a:x", {"temp": temp})
        kit.clock.advance(0.125)
    kit.pass_time()

    found = kit.telegrams(Data)
    assert [(t.raw, (t.time - T0 * SECOND) // 10**6, dict(t.values), dict(t.flags)) for t in found if t.raw] == [
        ("a:x", 0, {"temp_x": 20.0}, {}),
        ("a:x", 125, {"temp_x": 200.0}, {"temp_x": "cannot be true"}),
    ]
    assert [dict(t.values) for t in found if not t.raw] == [{"temp": 20.0, "temp_x": 20.0}]


def test_with_raw_for_the_kit_every_sensor_gives_them_and_the_last_are_not_lost():
    kit = Kit({"sensor:a": Weather()}, raw=True)
    kit.node.give("sensor:a", {"temp": 20.0})
    stop = threading.Event()
    stop.set()
    kit.node.run(stop)

    assert [t.raw for t in kit.telegrams(Data)] == ["a"]


def test_a_value_that_cannot_be_true_is_left_out_counted_and_told_once():
    kit = Kit({"sensor:a": Weather(), "sensor:f": Fahrenheit()})
    for temp in (20.0, 999.0, -41.0, 22.0):
        kit.node.give("sensor:a", {"temp": temp, "rh": 101.0})
    kit.node.give("sensor:f", {"temp": 150.0, "mood": 4})
    kit.pass_time()
    found = kit.telegrams()

    assert [dict(t.values) for t in found if isinstance(t, Data)] == [{"temp_a": 21.0, "temp_f": 150.0}]
    assert [(t.kind, t.text, dict(t.values)) for t in found if isinstance(t, Note) and t.kind != "up"] == [
        ("range", "sensor:a: rh = 101.0 cannot be true, it goes from 0 to 100", {"sensor": "sensor:a", "field": "rh"}),
        (
            "range",
            "sensor:a: temp_a = 999.0 cannot be true, it goes from -40 to 85",
            {"sensor": "sensor:a", "field": "temp_a"},
        ),
        ("range", "sensor:f: mood = 4 cannot be true, it goes from 0 to 3", {"sensor": "sensor:f", "field": "mood"}),
    ]
    assert kit.node.doubted("sensor:a") == (6, 0)


def test_it_is_well_again_after_ten_good_values_and_that_is_told_too():
    kit = Kit({"sensor:a": Weather()})
    kit.node.give("sensor:a", {"temp": 999.0})
    for _ in range(9):
        kit.node.give("sensor:a", {"temp": 20.0})
    assert "temp = 999.0" in kit.node.troubles.of("sensor:a")
    kit.node.give("sensor:a", {"temp": 20.0})
    kit.node.give("sensor:a", {"temp": 20.0})
    kit.pass_time()

    assert kit.node.troubles.of("sensor:a") == ""
    [_, note] = [t for t in kit.telegrams(Note) if t.kind != "up"]
    assert (note.kind, note.values) == ("well", {"sensor": "sensor:a", "field": "temp", "trouble": "range"})


def test_a_window_without_a_good_value_has_none():
    kit = Kit({"sensor:a": Weather()})
    kit.node.give("sensor:a", {"temp": 999.0, "rh": 50.0})
    kit.pass_time()
    kit.node.give("sensor:a", {"temp": 999.0})
    kit.pass_time()

    assert [dict(t.values) for t in kit.telegrams(Data)] == [{"rh": 50.0}]


def test_a_range_in_the_file_goes_before_that_of_the_driver():
    options = SensorOptions(ranges=per_field(span)("temp: 0..1000, mood: 0..9"))
    kit = Kit({"sensor:f": Fahrenheit()}, {"sensor:f": options})
    kit.node.give("sensor:f", {"temp": 900.0, "mood": 9})
    kit.pass_time()

    assert [dict(t.values) for t in kit.telegrams(Data)] == [{"temp": 900.0, "mood": 9}]


def test_a_value_that_does_not_change_is_kept_and_flagged_until_it_does():
    kit = Kit({"sensor:a": Weather()}, {"sensor:a": SensorOptions(static=PerField(3, {"rh": 0}))})
    for _ in range(4):
        kit.node.give("sensor:a", {"temp": 20.0, "rh": 50.0})
    kit.pass_time()
    kit.node.give("sensor:a", {"temp": 20.5, "rh": 50.0})
    kit.pass_time()
    found = kit.telegrams()

    assert [(dict(t.values), dict(t.flags)) for t in found if isinstance(t, Data)] == [
        ({"temp": 20.0, "rh": 50.0}, {"temp": "does not change"}),
        ({"temp": 20.5, "rh": 50.0}, {}),
    ]
    assert [(t.kind, t.text) for t in found if isinstance(t, Note) and t.kind != "up"] == [
        ("static", "sensor:a: temp has been 20.0 for 3 readings"),
        ("well", "sensor:a: well again (temp has been 20.0 for 3 readings)"),
    ]


def test_a_driver_may_say_after_how_many_readings_it_hangs_and_words_may_last():
    class Sure(Weather):
        """Has never the same twice."""

        static = 2

    for said, flags in ((PerField(None), {"temp": "does not change"}), (PerField(0), {})):
        kit = Kit({"sensor:a": Sure()}, {"sensor:a": SensorOptions(static=said)})
        for _ in range(5):
            kit.node.give("sensor:a", {"temp": 20.0, "state": "on"})
        kit.pass_time()
        assert [dict(t.flags) for t in kit.telegrams(Data)] == [flags]


def test_outliers_are_counted_by_sensor():
    kit = Kit({"sensor:a": Weather()}, {"sensor:a": SensorOptions(outliers=PerField("hampel"))})
    for temp in (20.0, 20.1, 20.2, 20.1, 20.0, 20.3, 60.0):
        kit.node.give("sensor:a", {"temp": temp})
    kit.pass_time()

    [data] = kit.telegrams(Data)
    assert data.values["temp"] == pytest.approx(120.7 / 6)
    assert kit.node.doubted("sensor:a") == (0, 1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("medan", "'medan' is not one of mean, last, max, min, sum, median, did you mean 'median'?"),
        ("max, min", "'min': all fields stands there twice"),
        ("rain: sum, rain: max", "'rain: max': rain stands there twice"),
        (": sum", "the name of a field stands before the colon"),
    ],
)
def test_a_mistake_in_such_a_list_is_told(text, said):
    with pytest.raises(ValueError) as caught:
        per_field(word_of(*STATISTICS), "mean")(text)

    assert said in str(caught.value)


@pytest.mark.parametrize("text", ["5", "5..", "9..1", "a..b", "nan..5", "0..inf"])
def test_what_is_no_range_is_told(text):
    with pytest.raises(ValueError, match="write the least and the most"):
        span(text)
