"""Trouble with a sensor in a kit that runs: told once, sent on, told when it is over; the others go on."""

import threading
from dataclasses import replace

import pytest

from mysense import registry
from mysense.plugin import Sensor, option
from mysense.sensing import SensorWorker, silence
from mysense.sensors.gpsd import STALE
from mysense.settings import DaemonOptions, End, Identity, JournalOptions, PublisherOptions, SensorOptions, Settings
from mysense.telegram import Data, Field, Note
from mysense.trouble import Troubles
from tests.kit import until
from tests.test_daemon import Collector, Counter, Hanging, Running
from tests.test_worker import Hands


class Moody(Sensor):
    """Fails where its plan says so."""

    measures = (Field("temp", "C"),)
    interval: float = option(1.0, "seconds")

    def __post_init__(self):
        self.plan = iter(())
        self.read_well = 0

    def read(self):
        if next(self.plan, True):
            self.read_well += 1
            return {"temp": 20.0}
        raise OSError("no answer")


def kit(tmp_path, *sensors):
    """A kit with sensors, each with its options, and a far end."""
    far = Collector()
    ends = [End(section=s, kind="sensor", plugin=plugin, options=options) for s, plugin, options in sensors]
    ends.append(End(section="publisher:far", kind="publisher", plugin=far, options=PublisherOptions()))
    chosen = Settings(
        identity=Identity(project="Test", serial="k1"),
        daemon=DaemonOptions(interval=5.0),
        journal=JournalOptions(path=tmp_path / "journal.db"),
        ends=tuple(ends),
    )
    return Running(chosen), far


def notes(far, *kinds):
    return [t for t in far.got if isinstance(t, Note) and t.kind in kinds]


def worker(running, section):
    return next(w for w in running.daemon.status()["workers"] if w["section"] == section)


def test_a_sensor_that_hangs_is_told_once_and_told_when_it_is_back(tmp_path, caplog):
    caplog.set_level("INFO")
    Hanging.done.clear()
    running, far = kit(tmp_path, ("sensor:a", Counter(), SensorOptions()), ("sensor:b", Hanging(), SensorOptions()))
    running.pass_time(lambda: notes(far, "stuck"))
    state, count = worker(running, "sensor:b"), len(far.got)
    running.pass_time(lambda: len([t for t in far.got[count:] if isinstance(t, Data)]) > 2)
    Hanging.done.set()
    running.pass_time(lambda: notes(far, "well"))
    after = worker(running, "sensor:b")
    running.stop()

    assert (state["state"], state["trouble"]) == ("stuck", "does not come back from reading for 5 s")
    assert (after["state"], after["trouble"]) == ("running", "")
    assert [n.values["sensor"] for n in notes(far, "stuck", "well")] == ["sensor:b", "sensor:b"]
    assert caplog.text.count("does not come back") == 2  # when it began, and when it was over


class Sticking(Counter):
    """Does not come back from what its test says, once."""

    deadline = 5.0

    def __post_init__(self):
        self.hangs, self.gate, self.fails = "", threading.Event(), False

    def open(self):
        super().open()
        self.stick("open")

    def read(self):
        if self.fails:
            self.fails = False
            raise OSError("no answer")
        return super().read()

    def close(self):
        self.stick("close")

    def stick(self, where):
        if self.hangs == where:
            self.hangs = ""
            self.gate.wait(20)


@pytest.mark.parametrize(("where", "doing"), [("open", "being opened"), ("close", "being closed")])
def test_what_it_does_not_come_back_from_is_told_as_it_is(tmp_path, where, doing):
    sensor = Sticking()
    sensor.hangs, sensor.fails = where, where == "close"
    running, far = kit(tmp_path, ("sensor:a", Counter(), SensorOptions()), ("sensor:b", sensor, SensorOptions()))
    running.pass_time(lambda: notes(far, "stuck"))
    told = worker(running, "sensor:b")
    sensor.gate.set()
    running.pass_time(lambda: notes(far, "well"))
    running.pass_time(lambda: worker(running, "sensor:b")["count"] > 1)
    after = worker(running, "sensor:b")
    running.stop()

    assert (told["state"], told["message"]) == ("stuck", f"does not come back from {doing} for 5 s")
    assert (after["state"], after["trouble"]) == ("running", "")


def test_waiting_for_one_that_cannot_be_opened_is_no_hanging(tmp_path):
    sensor = Sticking()
    sensor.open = lambda: (_ for _ in ()).throw(OSError("there is no serial port"))
    running, far = kit(
        tmp_path, ("sensor:a", Counter(), SensorOptions()), ("sensor:b", sensor, SensorOptions(errors=2))
    )
    running.pass_time(lambda: notes(far, "errors"))
    count = len(far.data())
    running.pass_time(lambda: len(far.data()) > count + 20)
    running.stop()

    assert notes(far, "stuck") == []


def test_one_that_hung_while_it_was_closed_for_a_reload_is_well_when_it_comes_back(tmp_path):
    sensor = Sticking()
    running, far = kit(tmp_path, ("sensor:a", Counter(), SensorOptions()), ("sensor:b", sensor, SensorOptions()))
    running.pass_time(lambda: worker(running, "sensor:b")["count"])
    sensor.hangs, before = "close", running.daemon.settings
    ends = [replace(end, plugin=Counter(), said=("new",)) if end.section == "sensor:b" else end for end in before.ends]
    reload = threading.Thread(target=running.daemon.workers.exchange, args=(replace(before, ends=tuple(ends)),))
    reload.start()
    running.pass_time(lambda: notes(far, "stuck"))
    sensor.gate.set()
    running.pass_time(lambda: notes(far, "well"))
    running.pass_time(lambda: worker(running, "sensor:b")["state"] == "running")
    after = worker(running, "sensor:b")
    running.stop()

    assert after["trouble"] == ""


def test_a_reload_does_not_say_of_a_sensor_that_hangs_that_it_is_well(tmp_path):
    Hanging.done.clear()
    running, far = kit(tmp_path, ("sensor:a", Counter(), SensorOptions()), ("sensor:b", Hanging(), SensorOptions()))
    running.pass_time(lambda: notes(far, "stuck"))
    before = running.daemon.settings
    ends = [replace(end, plugin=Hanging(), said=("new",)) if end.section == "sensor:b" else end for end in before.ends]
    reload = threading.Thread(target=running.daemon.workers.exchange, args=(replace(before, ends=tuple(ends)),))
    reload.start()
    running.pass_time(lambda: not reload.is_alive())
    count = len(far.data())
    running.pass_time(lambda: len(far.data()) > count + 1)
    hangs, told = worker(running, "sensor:b"), notes(far, "well")
    Hanging.done.set()
    running.pass_time(lambda: notes(far, "well"))
    running.stop()

    assert hangs["trouble"] == "does not come back from reading for 5 s"
    assert told == []


def test_more_errors_than_may_be_are_told_once_and_after_as_many_good_readings_it_is_well(tmp_path, caplog):
    caplog.set_level("INFO")
    moody = Moody()
    moody.plan = iter([False, True] * 20)
    running, far = kit(tmp_path, ("sensor:a", Counter(), SensorOptions()), ("sensor:m", moody, SensorOptions(errors=3)))
    running.pass_time(lambda: notes(far, "well"))
    running.stop()

    assert [(n.kind, dict(n.values)) for n in notes(far, "errors", "well")] == [
        ("errors", {"sensor": "sensor:m"}),
        ("well", {"sensor": "sensor:m", "trouble": "errors"}),
    ]
    assert "failed 4 times, at last: no answer" in notes(far, "errors")[0].text
    assert moody.read_well >= 19  # it was well only when it had given three in a row
    told = [r for r in caplog.records if r.getMessage().startswith("sensor:m: waiting") and r.levelname == "WARNING"]
    assert len(told) == 3  # not each of the twenty


class Mute(Sensor):
    """Gives what its plan says, then None for ever."""

    measures = (Field("temp", "C"),)
    interval: float = option(10.0, "seconds")
    warm_up: float = option(30.0, "seconds")
    sample: float = option(5.0, "seconds")

    def __post_init__(self):
        self.plan = None
        self.reads = 0

    def read(self):
        self.reads += 1
        if isinstance(self.plan, Exception):
            raise self.plan
        return self.plan


class Event(Mute):
    """May wait for years."""

    silent = 0.0


@pytest.mark.parametrize("nothing", [None, {}, {"temp": None}, {"temp": float("nan")}])
def test_one_that_gives_nothing_is_told_once_and_told_when_it_gives_something(tmp_path, caplog, nothing):
    caplog.set_level("INFO")
    mute = Mute()
    running, far = kit(tmp_path, ("sensor:a", Counter(), SensorOptions()), ("sensor:m", mute, SensorOptions()))
    mute.plan = {"temp": 20.0}
    running.pass_time(lambda: worker(running, "sensor:m")["count"])
    mute.plan, begun = nothing, running.clock.monotonic()
    running.pass_time(lambda: notes(far, "silent"))
    after, told = running.clock.monotonic() - begun, worker(running, "sensor:m")
    count, reads = len(far.data()), mute.reads
    running.pass_time(lambda: len(far.data()) > count + 10 and mute.reads > reads + 3)
    mute.plan = {"temp": 21.0}
    running.pass_time(lambda: notes(far, "well"))
    well = worker(running, "sensor:m")
    running.stop()

    assert after >= 10 + 30 + 2 * 5 + 60
    assert (told["state"], told["message"], told["trouble"]) == ("silent", *["has given no value for 110 s"] * 2)
    assert (well["state"], well["trouble"]) == ("running", "")
    assert [(n.kind, dict(n.values)) for n in notes(far, "silent", "well")] == [
        ("silent", {"sensor": "sensor:m"}),
        ("well", {"sensor": "sensor:m", "trouble": "silent"}),
    ]
    assert caplog.text.count("has given no value") == 2  # when it began, and when it was over


def silent_after(sensor, seconds, options=None):
    """Whether a sensor that gives nothing is told within so many seconds."""
    told, hands = [], Hands()
    troubles = Troubles(lambda kind, text, values: told.append(kind))
    made = SensorWorker("sensor:x", sensor, threading.Event(), hands, None, troubles, options or SensorOptions())
    begun = hands.monotonic()
    while hands.monotonic() - begun < seconds:
        hands.advance(seconds / 40)
        made.step()
    return told == ["silent"]


@pytest.mark.parametrize(
    ("sensor", "options", "least"),
    [
        (Mute(), {}, 110), (Mute(interval=600.0), {}, 700), (Mute(warm_up=3600.0), {}, 3680),
        (Mute(interval=0.0), {"silent": 300.0}, 300), (Event(), {"silent": 300.0}, 300),
    ],
)  # fmt: skip
def test_how_long_is_too_long_follows_from_what_a_sensor_needs(sensor, options, least):
    assert not silent_after(sensor, 0.95 * least, SensorOptions(**options))
    assert silent_after(sensor, 1.06 * least, SensorOptions(**options))


@pytest.mark.parametrize(("sensor", "options"), [(Mute(interval=0.0), {}), (Event(), {}), (Mute(), {"silent": 0.0})])
def test_one_that_is_read_as_it_comes_or_waits_for_something_may_be_silent(sensor, options):
    assert not silent_after(sensor, 5000, SensorOptions(**options))


@pytest.mark.parametrize(
    ("name", "options", "quiet"),
    [
        ("dylos", {}, 100_000), ("dylos", {"interval": 60.0}, 100_000), ("replay", {"file": "x"}, 100_000),
        ("replay", {"file": "x", "interval": 10.0}, 100_000),
        ("shinyei", {}, 36 + 2 * 20), ("shinyei", {"sample": 600.0}, 1200),
        ("sds011", {}, 20 + 10),
        ("pms", {"warm_up": 60.0}, 60 + 10), ("mhz19", {}, 180), ("spec_dgs", {"gas": "o3"}, 3600),
        ("sps30", {}, 30), ("gpsd", {}, STALE), ("dht", {}, 10 * 5), ("scd30", {"interval": 3600.0}, 1800),
        ("scd4x", {}, 30), ("bme680", {}, 30),
    ],
)  # fmt: skip
def test_no_sensor_of_ours_is_told_while_it_does_what_it_must(name, options, quiet):
    """*quiet* is for how long each may have nothing to say; then it raises OSError itself, or something is wrong."""
    assert silence(registry.find("sensor", name)(**options), SensorOptions()) > quiet


def test_an_error_after_a_silence_is_told_and_a_new_start_has_its_time(tmp_path, caplog):
    mute = Mute()
    running, far = kit(tmp_path, ("sensor:a", Counter(), SensorOptions()), ("sensor:m", mute, SensorOptions()))
    running.pass_time(lambda: notes(far, "silent"))
    mute.plan = OSError("unplugged")
    running.pass_time(lambda: "unplugged" in caplog.text)
    mute.plan = None
    running.pass_time(lambda: "opened again" in worker(running, "sensor:m")["message"])
    again = running.clock.monotonic()
    running.pass_time(lambda: worker(running, "sensor:m")["state"] == "silent")
    passed = running.clock.monotonic() - again
    running.stop()

    assert passed > 100
    assert len(notes(far, "silent")) == 1
    assert notes(far, "well") == []


def test_a_few_errors_among_good_readings_are_no_trouble(tmp_path):
    moody = Moody()
    moody.plan = iter([False, False, True, True, True] * 4)
    running, far = kit(tmp_path, ("sensor:m", moody, SensorOptions(errors=3)))
    running.pass_time(lambda: moody.read_well > 15)
    running.stop()

    assert far.got
    assert not notes(far, "errors")


def test_what_was_wrong_before_the_first_data_is_told_with_it(tmp_path):
    gate, moody = threading.Event(), Moody()
    moody.plan = iter([False] * 3)
    slow = Counter()
    slow.read = lambda: {"count": 1} if gate.is_set() else None
    running, far = kit(tmp_path, ("sensor:a", slow, SensorOptions()), ("sensor:m", moody, SensorOptions(errors=0)))
    running.pass_time(lambda: worker(running, "sensor:m")["trouble"])
    assert not far.got
    gate.set()
    running.pass_time(lambda: notes(far, "errors"))
    running.stop()

    first = [type(t).__name__ for t in far.got[:2]]
    assert first == ["Ident", "Data"]
    assert notes(far, "errors")[0].ident.node == "Test_k1"


def test_a_kit_whose_sensors_give_nothing_at_all_is_heard_of(tmp_path):
    running, far = kit(tmp_path, ("sensor:m", Mute(), SensorOptions()))
    running.pass_time(lambda: worker(running, "sensor:m")["state"] == "silent")
    assert not far.got
    running.pass_time(lambda: notes(far, "silent"))
    running.stop()

    assert [t.kind for t in far.got if isinstance(t, Note)][:2] == ["up", "silent"]
    assert far.data() == []


def test_what_begins_and_is_over_at_once_is_told_in_that_order():
    told, gate = [], threading.Event()

    def note(kind, text, values):
        if not told:
            gate.wait(5)  # it takes a while to tell the first, and more happens meanwhile
        told.append(kind)

    troubles = Troubles(note)
    thread = threading.Thread(target=troubles.begin, args=("sensor:a", "stuck", "hangs"))
    thread.start()
    until(lambda: troubles.of("sensor:a"))
    troubles.end("sensor:a", "stuck")
    troubles.begin("sensor:a", "errors", "fails")
    gate.set()
    thread.join(5)

    assert told == ["stuck", "well", "errors"]


def test_sensors_may_come_and_go_while_others_are_in_trouble():
    troubles, stop = Troubles(lambda *_: None), threading.Event()

    def moody():
        for n in range(20_000):
            troubles.begin("sensor:b", "range", "wrong", str(n % 50), logged=True)
            troubles.end("sensor:b", "range", str(n * 7 % 50))
        stop.set()

    thread = threading.Thread(target=moody)
    thread.start()
    while not stop.is_set():
        troubles.forget("sensor:a")
    thread.join()


def test_a_sensor_that_only_a_person_can_help_is_told_to_others(tmp_path, caplog):
    broken = Counter()
    broken.open = lambda: (_ for _ in ()).throw(ImportError("needs the library 'x'"))
    running, far = kit(tmp_path, ("sensor:a", Counter(), SensorOptions()), ("sensor:b", broken, SensorOptions()))
    running.pass_time(lambda: notes(far, "failed"))
    running.stop()

    assert notes(far, "failed")[0].text == "sensor:b: needs the library 'x'"
    assert caplog.text.count("needs the library 'x'") == 1


def test_single_readings_reach_those_who_know_them_and_ask_for_them(tmp_path):
    class Raw(Collector):
        """Knows single readings."""

        accepts_raw = True

    there = {
        "publisher:knows": (Raw(), True),
        "publisher:not": (Raw(), False),
        "publisher:old": (Collector(), True),
    }
    options = SensorOptions(raw=True)
    ends = [End(section="sensor:a", kind="sensor", plugin=Counter(), options=options)]
    ends += [
        End(section=section, kind="publisher", plugin=far, options=PublisherOptions(raw=raw))
        for section, (far, raw) in there.items()
    ]
    chosen = Settings(
        identity=Identity(project="Test", serial="k1"),
        daemon=DaemonOptions(interval=5.0),
        journal=JournalOptions(path=tmp_path / "journal.db"),
        ends=tuple(ends),
    )
    running = Running(chosen)
    running.pass_time(lambda: all(len(far.data()) > 2 for far, _ in there.values()))
    running.stop()

    assert {section: any(t.raw for t in far.data()) for section, (far, _) in there.items()} == {
        "publisher:knows": True,
        "publisher:not": False,
        "publisher:old": False,
    }
    single = [t for t in there["publisher:knows"][0].data() if t.raw]
    assert [t.values["count"] for t in single] == list(range(1, len(single) + 1))
    assert {t.raw for t in single} == {"a"}
