"""The MH-Z19: nothing while it is cold, its baseline correction as the section says, never a calibration."""

import pytest

from mysense.sensors import mhz19
from mysense.sensors.mhz19 import Sensor
from mysense.testing import FastClock
from mysense.testing.devices.mhz19 import Device
from mysense.testing.serial import HEARD, Line
from tests.kit import until
from tests.serials import read


@pytest.fixture(params=[True, False], ids=["newer", "older"])
def line(request):
    with Line(Device(FastClock(100), confirms=request.param)) as line:
        yield line


def sensor(line, **options):
    made = Sensor(port=line.port, **options)
    made.clock = line.device.clock
    return made


def test_the_410_ppm_of_a_cold_one_is_no_value(line):
    with sensor(line) as made:
        assert made.read() is None
        assert read(made) == {"co2": 608}
        assert line.device.clock.uptime() / 1e9 >= 180


def test_one_that_has_had_power_as_long_as_the_machine_is_believed_at_once_and_one_that_came_back_is_not(line):
    clock = line.device.clock
    until(lambda: clock.uptime() > 180e9)
    with sensor(line) as made:
        assert made.read() == {"co2": 608}
        made.close()
        made.open()  # after trouble
        assert made.read() is None


@pytest.mark.parametrize("abc", [True, False])
def test_its_baseline_correction_is_as_the_section_says(line, abc):
    line.device.abc = not abc
    with sensor(line, abc=abc):
        until(lambda: line.device.abc == abc, 5)


def test_a_missing_value_is_absent(line):
    with sensor(line, warm_up=0.0) as made:
        until(lambda: made.read() == {"co2": 608})
        line.device.co2 = 0
        assert made.read() is None


def test_nothing_but_reading_and_the_correction_is_ever_sent(line):
    with sensor(line, warm_up=5.0) as made:
        read(made)
    assert len(line.heard) < HEARD, "what was said first is forgotten"
    said = {line.heard[n : n + 9] for n in range(0, len(line.heard), 9)}
    assert said == {mhz19.command(mhz19.READ), mhz19.command(mhz19.ABC, 0xA0)}
