"""The SDS011: woken, warmed up, read, put to sleep; set up at each open; known by its id."""

import logging

import pytest

from mysense.sensors import sds011
from mysense.testing import FastClock
from mysense.testing.devices.sds011 import Device
from mysense.testing.serial import Line
from tests.kit import until
from tests.serials import KINDS, read


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ((6, 1, 0), "AAB406010000000000000000000000FFFF05AB"),
        ((6, 1, 1), "AAB406010100000000000000000000FFFF06AB"),
        ((2, 1, 0), "AAB402010000000000000000000000FFFF01AB"),
        ((2, 1, 1), "AAB402010100000000000000000000FFFF02AB"),
        ((4,), "AAB404000000000000000000000000FFFF02AB"),
        ((7,), "AAB407000000000000000000000000FFFF05AB"),
        ((8, 1, 0), "AAB408010000000000000000000000FFFF07AB"),
        ((8, 1, 5), "AAB408010500000000000000000000FFFF0CAB"),
    ],
)
def test_commands_are_those_of_the_protocol(words, text):
    assert sds011.command(*words).hex() == text.lower()


@pytest.fixture
def device():
    return Device(FastClock(60))


@pytest.fixture
def line(device):
    with Line(device) as line:
        yield line


sensor = KINDS["sds011"].sensor


def test_what_it_said_while_nobody_read_is_not_part_of_the_next_reading(line, device):
    with sensor(line, interval=0.0, sample=5.0) as made:
        read(made)
        told = device.clock.monotonic()
        until(lambda: device.clock.monotonic() - told > 30)  # thirty frames wait at the port
        device.dust = (1.0, 2.0)
        until(lambda: device.clock.monotonic() - told > 35)
        assert read(made) == {"pm25": 1.0, "pm10": 2.0}


def test_modes_that_somebody_else_set_are_set_back(line, device):
    device.asks, device.period, device.asleep = True, 5, True
    with sensor(line) as made:
        assert (device.asks, device.period, device.asleep) == (False, 0, False)
        read(made)
    until(lambda: device.asleep, 5)


def test_asked_it_speaks_only_then(line, device):
    with sensor(line, mode="query") as made:
        assert device.asks
        assert read(made) == {"pm25": 12.3, "pm10": 26.1}
        assert line.heard.count(sds011.command(4)) in range(2, 8)  # every 3 s for 10 s


def test_clean_air_is_a_value(line, device):
    device.dust = (0.0, 0.0)
    with sensor(line) as made:
        assert read(made) == {"pm25": 0.0, "pm10": 0.0}


def test_a_wake_up_that_is_lost_is_said_again(line, device):
    device.deaf = 3
    with sensor(line) as made:
        read(made)
        assert read(made)


def test_one_that_speaks_and_does_not_obey_is_told(line, device):
    device._obey = lambda *words: b""
    with pytest.raises(TimeoutError, match="does not obey: is our TX at its RX"):
        sensor(line).open()


def test_the_device_is_told_and_another_than_the_one_that_is_meant_is_refused(line, device, caplog):
    with caplog.at_level(logging.INFO), sensor(line, device="a160") as made:
        assert made.measures[0].device == "SDS011 A160"
    assert f"SDS011 A160 of 2016-11-18, port {line.path}" in caplog.text
    with (
        pytest.raises(OSError, match=f"{line.path} leads to the SDS011 A160, not to B2C3"),
        sensor(line, device="B2C3"),
    ):
        pass


def test_two_of_them_are_told_apart_by_their_ids():
    with (
        Line(Device(FastClock(60), "A160", (1.0, 2.0))) as first,
        Line(Device(FastClock(60), "B2C3", (3.0, 4.0))) as other,
    ):
        with sensor(first, device="A160") as one, sensor(other, device="B2C3") as two:
            assert (read(one)["pm25"], read(two)["pm25"]) == (1.0, 3.0)
        for line, wrong in ((first, "B2C3"), (other, "A160")):
            with pytest.raises(OSError, match="leads to the SDS011"):
                sensor(line, device=wrong).open()
