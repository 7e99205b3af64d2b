"""An Arduino with a Shinyei PPD42NS: told how to measure, asked for each reading, its nulls absent."""

import pytest

from mysense.sensors.shinyei import Sensor
from mysense.telegram import clean
from mysense.testing import FastClock
from mysense.testing.devices.shinyei import Device
from mysense.testing.serial import Line
from tests.kit import until
from tests.serials import read


def played(**options):
    return Line(Device(FastClock(60), **options))


def sensor(line, **options):
    made = Sensor(port=line.port, **{"sample": 10.0, **options})
    made.clock = line.device.clock
    return made


def test_the_board_measures_as_the_section_says_and_only_when_asked():
    with played() as line, sensor(line) as made:
        assert read(made) == {"pm_25": 341.2, "pm_10": 12.5}
        assert (line.device.sample, line.device.request) == (10, True)
        asked = line.heard.count(b"\n")
        assert read(made)
        assert line.heard.count(b"\n") == asked + 1


def test_a_board_that_was_started_anew_is_told_again():
    with played() as line, sensor(line) as made:
        read(made)
        line.say(line.device.plugged())
        assert (line.device.sample, line.device.request) == (15, False)
        assert read(made, 30) == {"pm_25": 341.2, "pm_10": 12.5}
        assert (line.device.sample, line.device.request) == (10, True)


def test_what_was_not_seen_is_absent_and_zero_is_a_value():
    with played(counts=(0, None)) as line, sensor(line) as made:
        assert clean(read(made)) == {"pm_25": 0}


def test_dust_is_computed_from_the_counts_and_not_taken_from_the_board():
    with played(counts=(1050, 31)) as line, sensor(line, unit="ug/m3") as made:
        assert read(made) == {"pm_25": pytest.approx(2.183, abs=0.001), "pm_10": pytest.approx(13.299, abs=0.001)}
        assert made.measures[0].unit == "ug/m3"


def test_another_program_on_the_board_is_told():
    with (
        played(version="2.0") as line,
        sensor(line) as made,
        pytest.raises(OSError, match=r"PPD42NS 2.0, not PPD42NS 1"),
    ):
        until(lambda: made.read() and None, 20)


@pytest.mark.parametrize(
    "noise",
    [b"{}", b"[]", b"null", b"{", b'{"pm25_pcs/qf": "many", "pm10_pcs/qf": 1}',
     b'{"pm25_pcs/qf": -1, "pm10_pcs/qf": 1}',
     b'{"pm25_pcs/qf": 1}', b"\xff\xfe", b"x" * 900, b'{"pm25_pcs/qf": true, "pm10_pcs/qf": 1}', b"Hello"],
)  # fmt: skip
def test_lines_that_are_none_are_passed_over(noise):
    with played() as line, sensor(line) as made:
        read(made)
        line.say(noise + b"\r\n")
        assert read(made) == {"pm_25": 341.2, "pm_10": 12.5}
