"""Dust sensors whose fan rests between two readings: what holds for all of them."""

import pytest

from tests.kit import until
from tests.serials import KINDS, read


@pytest.fixture(params=["pms", "sds011"])
def kind(request):
    return KINDS[request.param]


@pytest.fixture
def line(kind):
    with kind.line() as line:
        yield line


def test_its_fan_rests_between_two_readings_and_nothing_is_believed_before_it_is_warm(kind, line):
    device = line.device
    with kind.sensor(line) as sensor:
        for _ in range(2):
            before = device.ran
            assert read(sensor) == pytest.approx(kind.reading)  # cold it says too little
            until(lambda: device.asleep, 5)
            assert sensor.warm_up + sensor.sample <= device.ran - before < 150


def test_where_there_is_no_time_to_rest_it_runs_on(kind, line):
    usual = kind.sensor(line)
    with kind.sensor(line, interval=usual.warm_up + usual.sample + 5) as sensor:
        read(sensor)
        read(sensor)
        assert not line.device.asleep
        assert line.device.ran == 0
    until(lambda: line.device.asleep, 5)
