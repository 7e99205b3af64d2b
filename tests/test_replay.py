"""Captured files played back."""

import itertools
import logging
import time
from pathlib import Path

import pytest

from mysense import wire
from mysense.channels.csv import Publisher
from mysense.errors import ConfigError
from mysense.sensors import replay
from mysense.sensors.replay import Sensor
from mysense.telegram import SECOND, Data, Field, Ident
from tests.felt import felt

DYLOS = Path(__file__).parent.parent / "testdata" / "dylos-input.txt"
IDENT = Ident("Demo", "k1", fields=(Field("pm25", "ug/m3", "SDS011"), Field("temp", "C")), since=1_700_000_000 * SECOND)


@pytest.fixture(autouse=True)
def _no_time_to_lose(monkeypatch):
    monkeypatch.setattr(replay, "PATIENCE", 0.05)


def data(seconds, **values):
    return Data(IDENT, 1_700_000_000 * SECOND + int(seconds * SECOND), values)


def readings(path, most=1000, **given):
    """What the file gives, up to the first None."""
    with Sensor(file=path, **{"speed": 0.0, **given}) as sensor:
        return list(itertools.takewhile(lambda reading: reading is not None, (sensor.read() for _ in range(most))))


@pytest.fixture
def write(tmp_path):
    def written(*telegrams):
        path = tmp_path / "captured.jsonl"
        path.write_text("".join(f"{wire.encode(telegram)}\n" for telegram in telegrams))
        return path

    return written


def test_the_lines_of_a_dylos_come_in_order():
    said = readings(DYLOS)

    assert len(said) == 400
    assert said[0] == {"pm_25": 511, "pm_10": 21}


def test_other_names_are_given_by_fields_as_for_every_sensor():
    with Sensor(file=DYLOS, speed=0, fields=("small", "large")) as sensor:
        assert [(f.name, f.unit) for f in sensor.named()] == [("small", "pcs/0.01ft3"), ("large", "pcs/0.01ft3")]


def test_json_lines_say_what_is_measured_and_by_what(write):
    path = write(IDENT, data(0, pm25=3.5, temp=0), data(1, pm25=4.5, extra="text"))

    with Sensor(file=path, speed=0) as sensor:
        assert sensor.measures == (*IDENT.fields, Field("extra"))
        assert [sensor.read(), sensor.read()] == [{"pm25": 3.5, "temp": 0}, {"pm25": 4.5, "extra": "text"}]


def test_classic_telegrams_are_played_too(tmp_path):
    path = tmp_path / "classic"
    path.write_text(wire.encode_classic(data(0, pm25=3.5)) + "\n" + wire.encode_classic(data(1, pm25=4.5)))

    assert readings(path) == [{"pm25": 3.5}, {"pm25": 4.5}]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_of_our_channel_comes_back(tmp_path, delimiter):
    telegrams = [data(0, pm25=3.5, temp=-2, say='=1, "x"\ny', ok=True), data(1.5, temp=0.0)]
    with Publisher(directory=tmp_path, delimiter=delimiter) as publisher:
        publisher.publish(telegrams)
    [path] = tmp_path.iterdir()

    with Sensor(file=path, speed=0) as sensor:
        assert sensor.measures == (Field("pm25", "ug/m3"), Field("temp", "C"), Field("say"), Field("ok"))
        assert [sensor.read(), sensor.read(), sensor.read()] == [*(t.values for t in telegrams), None]


def test_nothing_is_measured_before_the_file_is_open():
    assert Sensor(file=DYLOS).measures == ()


def test_at_its_end_there_is_nothing_any_more_and_that_is_told_once(write, caplog):
    caplog.set_level(logging.INFO)
    with Sensor(file=write(data(0, x=1)), speed=0) as sensor:
        assert [sensor.read() for _ in range(3)] == [{"x": 1}, None, None]

    assert [record.message.partition(": ")[2] for record in caplog.records] == ["at its end after 1 readings"]


def test_a_loop_begins_again(write):
    assert [reading["x"] for reading in readings(write(data(0, x=1), data(9, x=2)), 5, loop=True)] == [1, 2, 1, 2, 1]


@pytest.mark.parametrize("lines", [[data(0, x=1)], [data(0, x=1), data(0, x=2)]])
def test_a_loop_of_one_moment_takes_a_second_each_time(write, lines):
    with Sensor(file=write(*lines), speed=50.0, loop=True) as sensor:
        begun = time.monotonic()
        said = [reading["x"] for reading in (sensor.read() for _ in range(3 * len(lines))) if reading]
        took = time.monotonic() - begun

    assert said == [1, 2][: len(lines)] * 3
    assert took >= 0.04


@pytest.mark.parametrize("loop", [False, True])
def test_the_speed_sets_the_pace(write, loop):
    path = write(data(0, x=1), data(10, x=2), data(10, x=3), data(25, x=4))
    with Sensor(file=path, speed=100.0, loop=loop) as sensor:
        begun = time.monotonic()
        said = [reading["x"] for reading in (sensor.read() for _ in range(8)) if reading]
        took = time.monotonic() - begun

    assert said[:4] == [1, 2, 3, 4]
    assert took >= 0.24


def pauses(path, count, clock=time.monotonic, **given):
    """How long each reading but the first was waited for."""
    with Sensor(file=path, **given) as sensor:
        moments = []
        while len(moments) < count:
            if sensor.read():
                moments.append(clock())
    return [after - before for before, after in itertools.pairwise(moments)]


def test_a_loop_keeps_the_pace(write):
    path = write(data(0, x=1), data(20, x=2))

    assert min(pauses(path, 3, speed=100.0, loop=True)) > 0.15


def test_a_clock_that_was_set_back_does_not_make_it_rush(write):
    path = write(data(60, x=1), data(0, x=2), data(20, x=3))

    back, forth = pauses(path, 2, felt, speed=100.0), pauses(path, 3, speed=100.0)
    assert (back[0] < 0.1, forth[1] > 0.15) == (True, True)


def test_a_reading_that_is_not_due_is_waited_for_a_moment_only(write):
    with Sensor(file=write(data(0, x=1), data(3600, x=2))) as sensor:
        assert sensor.read() == {"x": 1}
        begun = felt()
        assert sensor.read() is None
        assert felt() - begun < 1.0


def test_the_lines_of_a_dylos_are_a_minute_apart():
    with Sensor(file=DYLOS, speed=600.0) as sensor:
        sensor.read()
        begun = time.monotonic()
        while not sensor.read():
            pass
        assert time.monotonic() - begun > 0.09


def test_bad_lines_are_passed_over_and_told_once(tmp_path, caplog):
    path = tmp_path / "dylos"
    path.write_text("1,2\r\n3\r\n\r\n4,5,6,7\r\na,b\r\n5,6\r\n7,")

    assert [reading["pm_25"] for reading in readings(path)] == [1, 5]
    [warning] = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert "passed over line 2: not two numbers, and 3 more" in warning


@pytest.mark.parametrize(
    "bad", ['{"project": "Demo"', '{"project":"Demo","serial":"k1","data":{}}', "[1]", "\udcff\x00", '{"ident": 5}']
)
def test_a_bad_telegram_spoils_no_other(tmp_path, bad):
    path = tmp_path / "captured"
    good = wire.encode(data(0, x=1))
    path.write_bytes(f"{good}\n{bad}\n{good}\n".encode("utf-8", "surrogateescape"))

    assert readings(path) == [{"x": 1}, {"x": 1}]


@pytest.mark.parametrize("bad", ["too,few", "a time,that is,none,", '2023-11-14T22:13:20Z,5,"' + "x" * 200_000])
def test_a_bad_row_spoils_no_row_before_it(tmp_path, bad):
    path = tmp_path / "captured"
    path.write_text(f"time,unix(s),x,y\n2023-11-14T22:13:20Z,1700000000,1,\n{bad}")

    assert readings(path) == [{"x": 1}]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "neither a telegram, nor CSV"),
        ("hello world\n1,2\n", "neither a telegram, nor CSV"),
        ("1\n", "neither a telegram, nor CSV"),
        ("{}\n", "line 1: 'project' is missing"),
        ("time,unix(s),x\n", "there is nothing in it"),
    ],
)
def test_a_file_without_a_reading_is_refused_with_the_reason(tmp_path, content, said):
    path = tmp_path / "captured"
    path.write_text(content)

    with pytest.raises(ConfigError, match=said):
        Sensor(file=path).open()


def test_a_file_that_is_not_there_may_come_later(tmp_path):
    with pytest.raises(FileNotFoundError):
        Sensor(file=tmp_path / "none").open()


def test_opened_again_it_begins_again(write):
    sensor = Sensor(file=write(data(0, x=1), data(1, x=2)), speed=0)
    sensor.close()
    for _ in range(2):
        sensor.open()
        assert sensor.read() == {"x": 1}
        sensor.close()
        sensor.close()
