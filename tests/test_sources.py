"""Sensors of a node: names where several measure the same, fields that come late, readings that do not count."""

import errno
import json
import threading
from dataclasses import replace
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mysense import config, naming, registry
from mysense.fields import QUANTITIES
from mysense.journal.memory import MemoryJournal
from mysense.node import SOURCE, TOGETHER, Node
from mysense.perfield import PerField, per_field, span, word_of
from mysense.pipeline import Pipeline
from mysense.plugin import Processor, Sensor, option
from mysense.settings import SensorOptions
from mysense.sources import STRANGE
from mysense.telegram import SECOND, Data, Field, Ident, Note
from mysense.testing import Sysfs
from mysense.testing.clock import ManualClock
from mysense.window import STATISTICS
from tests.kit import until

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


@pytest.mark.parametrize(
    ("one", "other", "told"),
    [
        ("[sensor:bme280]\ni2c = 0x76", "[sensor:bme280:roof]\nbus = 1\ni2c = 0x76\ninterval = 60", True),
        ("[sensor:bme280]\ni2c = 0x76", "[sensor:bme280:roof]\ni2c = 0x77", False),
        ("[sensor:bme280]\ni2c = 0x76", "[sensor:bme280:roof]\nbus = 3\ni2c = 0x76", False),
        ("[sensor:sds011]", "[sensor:sds011:roof]\nfields = a, b", True),
        ("[sensor:ds18b20]\nid = 28-0316a2794cff", "[sensor:ds18b20:soil]\nid = 28-0316a2794cff", True),
        ("[sensor:pi]", "[sensor:pi:data]\ndisk = /mnt", False),
        ("[sensor:simulated]", "[sensor:simulated:roof]", False),
    ],
)
def test_two_sections_that_mean_one_device_are_told(one, other, told):
    notices = config.parse(f"{one}\n{other}\n").notices

    names = [section.partition("]")[0][1:] for section in (one, other)]
    said = [notice for notice in notices if "mean the same device" in notice]
    assert said == [f"[{names[0]}] and [{names[1]}] mean the same device"] * told


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


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (["a"], ["a", "b"], {"temp_a": 21.0, "rh_a": 50.0}),
        (["a", "b"], ["a"], {"temp": 21.0, "rh": 50.0, "temp_b": 30.0, "rh_b": 60.0}),
        (["a", "a:x"], ["a:x"], {"temp": 21.0, "rh": 50.0, "temp_a": 20.0, "rh_a": 50.0}),
        (["a:x", "b:y"], ["a:x", "b:y", "c"], {"temp_x": 21.0, "rh_x": 50.0, "temp_y": 30.0, "rh_y": 60.0}),
    ],
)
def test_an_interval_that_goes_on_after_a_restart_has_today_s_names_only(before, after, said):
    stop, there = threading.Event(), {"a": 20.0, "b": 30.0, "a:x": 22.0, "a:y": 0.0, "b:y": 30.0}
    stop.set()
    one = Kit({f"sensor:{name}": Weather() for name in before})
    one.pass_time(1)
    if len(before) > 1:  # the second sensor is read once
        one.node.give(f"sensor:{before[1]}", {"temp": there[before[1]], "rh": 60.0 if before[1][0] == "b" else 50.0})
    one.node.give(f"sensor:{before[0]}", {"temp": 20.0, "rh": 50.0})
    one.node.run(stop)
    one.clock.advance(2)
    two = Kit({f"sensor:{name}": Weather() for name in after}, journal=one.journal, clock=one.clock)
    if after[0] == before[0]:
        two.node.give(f"sensor:{after[0]}", {"temp": 22.0, "rh": 50.0})
    else:
        two.node.give(f"sensor:{after[0]}", {"temp": 20.0, "rh": 50.0})
    two.pass_time(9)

    [data] = two.telegrams(Data)
    assert data.values == said
    assert two.node._sources.how("temp" if "temp" in said else next(iter(said))).statistic == "mean"


def test_a_count_is_never_called_like_a_field():
    options = {"sensor:a": SensorOptions(counts=True), "sensor:late": SensorOptions(counts=True)}
    kit = Kit({"sensor:a": Weather(), "sensor:a:n": Weather(), "sensor:late": Late()}, options)
    kit.node.give("sensor:a", {"temp": 20.0})
    kit.node.give("sensor:late", {"rain": 1.0})
    kit.node.give("sensor:a:n", {"temp": 30.0})
    kit.node.give("sensor:late", {"rain": 1.0, "rain_n": 7.5, "temp_count": 8.5})
    kit.pass_time()
    [data] = kit.telegrams(Data)

    assert data.values == {
        "temp": 20.0, "temp_count": 1, "temp_n": 30.0, "rain": 1.0, "rain_n": 2,
        "rain_n_late": 7.5, "rain_n_late_n": 1, "temp_count_late": 8.5, "temp_count_late_n": 1,
    }  # fmt: skip
    assert {f.name for f in data.ident.fields} == data.values.keys()


def test_a_count_that_is_called_otherwise_is_told_when_the_file_is_read():
    notices = config.parse("[sensor:simulated]\ncounts = yes\n[sensor:simulated:n]\n").notices

    said = (
        "[sensor:simulated] counts: temp_n is a field already; how many readings temp was made of is called temp_count"
    )
    assert said in notices


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


class Mast(Sensor):
    """Of few of its fields a mean makes sense."""

    measures = (
        Field("wd", "degrees"), Field("lon", "degrees"), Field("fix"), Field("uptime", "s"), Field("dayrain", "mm"),
        Field("throttled"), Field("turns", "1"), Field("vane", "degrees"), Field("ws", "m/s"),
    )  # fmt: skip
    statistics: ClassVar = {"turns": "last", "vane": "direction"}

    def read(self):
        return None


READINGS = (
    {"wd": 350, "lon": 179.5, "fix": 3, "uptime": 10.5, "dayrain": 4.0, "throttled": 1, "turns": 65535, "ws": 2.0},
    {
        "wd": 10,
        "lon": -179.0,
        "fix": 0,
        "uptime": 40.5,
        "dayrain": 0.0,
        "throttled": 0,
        "turns": 3,
        "vane": 1,
        "ws": 4.0,
    },
)


def of_the_mast(statistic=None, **names):
    kit = Kit({"sensor:mast": Mast(**names)}, {"sensor:mast": SensorOptions(statistic=statistic or PerField(None))})
    for reading in READINGS:
        kit.node.give("sensor:mast", reading)
    kit.pass_time()
    [data] = kit.telegrams(Data)
    return data.values


def test_a_reload_with_another_statistic_begins_another_telegram():
    one, options = Weather(), {"sensor:a": SensorOptions(statistic=PerField(None, {"temp": "direction"}))}
    kit = Kit({"sensor:a": one})
    for temp in (20.0, 22.0):
        kit.node.give("sensor:a", {"temp": temp})
    kit.clock.advance(1)
    kit.node.exchange({"sensor:a": one}, options)
    for temp in (-10, 350.0):
        kit.node.give("sensor:a", {"temp": temp})
    kit.pass_time()

    assert [dict(t.values) for t in kit.telegrams(Data)] == [{"temp": 21.0}, {"temp": -10.0}]


def test_where_a_mean_would_be_nonsense_a_field_becomes_what_makes_sense():
    assert of_the_mast() == {
        "wd": 0, "lon": -179.75, "fix": 0, "uptime": 40.5, "dayrain": 0.0, "throttled": 1, "turns": 3, "vane": 1,
        "ws": 3.0,
    }  # fmt: skip


def test_what_the_file_says_goes_first_and_other_names_change_nothing():
    said = of_the_mast(PerField("max", {"uptime": "mean", "turns": "min"}))
    named = of_the_mast(fields=("richting", "oost"))

    assert (said["wd"], said["uptime"], said["turns"], said["ws"]) == (350, 25.5, 3, 4.0)
    assert (named["richting"], named["oost"]) == (0, -179.75)


def test_a_direction_in_another_unit_is_no_angle_in_degrees():
    class Points(Mast):
        """Says directions in points of the compass."""

        measures = (Field("wd", "points"),)

    kit = Kit({"sensor:mast": Points()})
    for points in (3, 5):
        kit.node.give("sensor:mast", {"wd": points})
    kit.pass_time()

    assert [dict(t.values) for t in kit.telegrams(Data)] == [{"wd": 4.0}]


def test_every_statistic_of_the_table_of_fields_is_one():
    assert {known.statistic for known in QUANTITIES.values()} <= set(STATISTICS)


def test_a_reading_that_is_under_way_during_a_reload_mixes_no_names(monkeypatch):
    one, other = Weather(), Weather()
    kit = Kit({"sensor:a": one}, raw=True)
    source = kit.node._sources.get("sensor:a")
    judged = source.judged

    def meanwhile(reading):
        said = judged(reading)
        if reading["temp"] == 30.0:
            kit.node.exchange({"sensor:a": one, "sensor:b": other})
        return said

    monkeypatch.setattr(source, "judged", meanwhile)
    for temp in (20.0, 30.0, 40.0):
        kit.node.give("sensor:a", {"temp": temp})
    kit.pass_time()

    assert [(t.raw, dict(t.values)) for t in kit.telegrams(Data)] == [
        ("a", {"temp": 20.0}), ("", {"temp": 20.0}), ("a", {"temp_a": 40.0}), ("", {"temp_a": 40.0})
    ]  # fmt: skip


def test_a_bug_in_the_core_ends_no_measuring(monkeypatch, caplog):
    kit, stop = Kit({"sensor:a": Weather()}, interval=1.0), threading.Event()
    take = kit.node._sampler.take
    monkeypatch.setattr(kit.node._sampler, "take", lambda early=False: 1 / 0)
    thread = threading.Thread(target=kit.node.run, args=(stop,))
    thread.start()
    kit.node.give("sensor:a", {"temp": 20.0})
    until(lambda: kit.clock.advance(1) or "a bug in mysense" in caplog.text)
    kit.clock.advance(3)
    monkeypatch.setattr(kit.node._sampler, "take", take)
    until(lambda: kit.clock.advance(1) or kit.telegrams(Data))
    stop.set()
    thread.join(5)

    assert caplog.text.count("a bug in mysense") == 1


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


def test_single_readings_do_not_wait_for_the_end_of_a_long_interval():
    kit, stop, never = Kit({"sensor:a": Weather()}, raw=True, interval=600.0), threading.Event(), threading.Event()
    thread = threading.Thread(target=kit.node.run, args=(stop,))
    thread.start()
    kit.node.give("sensor:a", {"temp": 20.0})
    until(lambda: kit.journal.status().last > 1)  # the first telegram is out
    kit.node.give("sensor:a", {"temp": 21.0})

    told = []

    def written():
        told.extend(t.values["temp"] for t in kit.telegrams(Data) if t.raw)
        return 21.0 in told

    for _ in range(10):  # it may not have begun to wait when the clock is turned; all of it is less than the interval
        if not written():
            kit.clock.advance(TOGETHER)
            never.wait(0.05)
    until(written, 5)
    stop.set()
    thread.join(5)


class Full(MemoryJournal):
    """A journal on a disk that may be full."""

    full = False

    def append(self, *args, **kwargs):
        if self.full:
            raise OSError(errno.ENOSPC, "no space left on device")
        return super().append(*args, **kwargs)


class Counting(Processor):
    """Numbers what it has seen, and cannot take a temperature of 0."""

    def __call__(self, data):
        self.state["seen"] = str(int(self.state.get("seen", 0)) + 1)
        return replace(data, values={**data.values, "number": 1 / data.values["temp"]})


def full_for_two_telegrams():
    kit = Kit(
        {"sensor:a": Weather()}, journal=Full(), interval=300.0, pipeline=Pipeline([("processor:n", Counting())], {})
    )
    for temp in (20.0, 25.0, 40.0):
        kit.node.give("sensor:a", {"temp": temp})
        kit.pass_time(300)
        kit.journal.full = True
    return kit


def temps_of(kit):
    return [t.values["temp"] for t in kit.telegrams(Data)]


def test_what_waits_for_a_full_disk_outlives_the_saving_of_an_open_window():
    kit = full_for_two_telegrams()
    kit.node.give("sensor:a", {"temp": 50.0})
    kit.pass_time(61)  # the window is saved in between: in vain, then well
    kit.journal.full = False
    kit.pass_time(61)

    assert temps_of(kit) == [20.0, 25.0, 40.0]
    assert [v for k, v in kit.journal.state(SOURCE).items() if k.endswith("/seen")] == ["3"]


def test_what_waits_for_a_full_disk_is_written_at_the_end_if_that_can_be():
    kit, stop = full_for_two_telegrams(), threading.Event()
    kit.journal.full = False
    stop.set()
    kit.node.run(stop)

    assert temps_of(kit) == [20.0, 25.0, 40.0]


def test_a_processor_with_a_bug_costs_only_what_it_cannot_take_and_that_is_set_aside(caplog):
    kit = Kit({"sensor:a": Weather()}, pipeline=Pipeline([("processor:n", Counting())], {}))
    for temp in (20.0, 0.0, 0.0, 25.0):
        kit.node.give("sensor:a", {"temp": temp})
        kit.pass_time()

    assert temps_of(kit) == [20.0, 25.0]
    assert [(each.reason, each.telegram.values["temp"]) for each in kit.journal.rejected()] == [
        ("ZeroDivisionError: float division by zero", 0.0)
    ] * 2
    assert caplog.text.count("a bug in a processor") == 1


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


def test_one_that_is_wrong_now_and_then_is_told_less_and_less_often():
    kit = Kit({"sensor:a": Weather()})
    for n in range(1100):
        kit.node.give("sensor:a", {"temp": 999.0 if n % 11 == 0 else 20.0})
    kit.pass_time()
    kit.pass_time()

    assert [t.kind for t in kit.telegrams(Note) if t.kind != "up"] == ["range", "well", "range"]


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


@pytest.mark.parametrize(
    ("name", "options", "reading"),
    [
        ("bme280", {}, {"temp": -40.0, "rh": 100.0, "hpa": 300.0}),
        ("bme280", {}, {"temp": 85.0, "rh": 0.0, "hpa": 1100.0}),
        ("sht31", {}, {"temp": 125.0, "rh": 100.0}),
        ("sht4x", {}, {"temp": 125.0, "rh": 0.0}),
        ("ds18b20", {}, {"temp": 125.0}),
        ("dht", {}, {"temp": -40.0, "rh": 99.9}),
        ("sds011", {}, {"pm25": 999.9, "pm10": 1999.9}),
        ("sps30", {}, {"pm25": 1000.0, "pm10": 1000.0, "pm05_cnt": 3_000_000, "pm10_cnt": 3_000_000}),
        ("pms", {}, {"pm1": 1200, "pm25": 2500, "pm10": 4000, "pm25_par": 3750, "pm03_cnt": 655_350}),
        ("mhz19", {}, {"co2": 10_000}),
        ("scd30", {}, {"co2": 40_000.0}),
        ("spec_dgs", {"gas": "o3"}, {"o3": -120, "gtemp": -20, "grh": 95}),
        ("spec_dgs", {"gas": "no2"}, {"no2": 5000}),
        ("spec_dgs", {"gas": "so2"}, {"so2": 20_000}),
        ("spec_dgs", {"gas": "co"}, {"co": 1_000_000}),
        ("dylos", {}, {"pm_25": 65535, "pm_10": 0}),
        ("gpsd", {}, {"lat": -90.0, "lon": 180.0, "alt": -430.0, "fix": 0, "eph": 0.0}),
        ("wifi", {}, {"rssi": -100, "link": 0}),
    ],
)
def test_what_a_sensor_can_measure_is_believed(name, options, reading):
    kit = Kit({"sensor:x": registry.find("sensor", name)(**options)})
    kit.node.give("sensor:x", reading)

    assert kit.node.doubted("sensor:x") == (0, 0)


def test_heat_and_voltage_that_the_kernel_tells_are_believed_and_weather_must_be_weather(tmp_path):
    tree = Sysfs(tmp_path)
    tree.iio("max31855", "spi0.0", {"in_temp_raw": "5480", "in_temp_scale": "250", "in_temp_ambient_input": "21000"})
    tree.iio("ads1115", "1-0048", {"in_voltage0_raw": "-3", "in_voltage0_scale": "0.125", "in_voltage1_raw": "5"})
    tree.iio("hot280", "1-0076", {"in_temp_input": "99000", "in_pressure_input": "101.3"})
    sections = {f"sensor:iio:{name}": name for name in ("max31855", "ads1115", "hot280")}
    kit = Kit({section: registry.find("sensor", "iio")(name=name, root=tmp_path) for section, name in sections.items()})
    for section in sections:
        with kit.node._sources.get(section).sensor as sensor:
            kit.node.give(section, sensor.read())

    assert [kit.node.doubted(section)[0] for section in sections] == [0, 0, 1]


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
        ("medan", "'medan' is not one of mean, last, max, min, sum, median, direction, did you mean 'median'?"),
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
