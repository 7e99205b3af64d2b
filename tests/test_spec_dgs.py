"""The SPEC DGS: its serial number names the gas, its own time says when it is warm, and it is never set."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mysense.sensors import spec_dgs
from mysense.sensors.spec_dgs import Sensor
from mysense.testing import FastClock
from mysense.testing.devices.spec_dgs import Device
from mysense.testing.serial import Line
from tests.kit import until
from tests.serials import read

LINE = b"110816020533, 12, 21, 44, 32531, 26051, 27117, 00, 02, 00, 03\r\n"
BOTH = "110816020533: no2, 111116010138: o3"


def played(**options):
    return Line(Device(FastClock(5), **options))


def sensor(line, **options):
    made = Sensor(port=line.port, **options)
    made.clock = line.device.clock
    return made


def test_the_serial_number_names_the_gas_wherever_it_is_plugged_in():
    with played() as one, played(name="111116010138", ppb=-3) as other:
        for line, reading in ((one, {"no2": 12}), (other, {"o3": -3})):
            with sensor(line, gas=BOTH) as made:
                assert read(made) == {**reading, "gtemp": 21, "grh": 44}
                assert [field.name for field in made.measures] == [*reading, "gtemp", "grh"]
                assert made.measures[0].unit == "ppb"


def test_one_that_is_not_listed_is_refused_and_named():
    refused = pytest.raises(OSError, match="leads to the SPEC DGS 000000000001, not to 110816020533 or 111116010138")
    with played(name="000000000001") as line, refused:
        sensor(line, gas=BOTH).open()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ozone", "'ozone' is no gas"),
        ("no2, o3", "each with its serial number"),
        ("123: no2", "'123' is no serial number"),
    ],
)
def test_a_gas_that_cannot_be_is_told(text, said):
    with pytest.raises(ValueError, match=said):
        spec_dgs.gases(text)


def test_it_is_believed_when_it_has_run_for_an_hour_by_its_own_time():
    with played(runs=3590) as line, sensor(line, gas="no2") as made:
        assert made.read() is None
        assert read(made)["no2"] == 12
        assert line.device.clock.monotonic() - line.device._began >= 3600


def test_nothing_but_a_carriage_return_is_ever_sent():
    with played() as line, sensor(line, gas="no2") as made:
        read(made)
        read(made)
        until(lambda: line.heard)
        assert set(line.heard) == set(b"\r")


def test_each_byte_that_is_no_longer_a_digit_or_a_comma_costs_the_line():
    good = spec_dgs.parse(LINE)
    for at in range(len(LINE) - 2):
        for other in b"x.;\xff\0":
            damaged = LINE[:at] + bytes((other,)) + LINE[at + 1 :]
            found = [] if LINE[at : at + 1] == b" " else spec_dgs.split(damaged + LINE, b"", spec_dgs.measure)[0]
            assert [spec_dgs.parse(each) for each in found] in ([], [good])


@given(st.binary(max_size=100))
def test_whatever_comes_is_a_line_or_a_valueerror(line):
    try:
        said = spec_dgs.parse(line)
    except ValueError as error:
        assert str(error)  # noqa: PT017
    else:
        assert said.rh <= 100
