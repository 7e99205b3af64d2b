"""Plantower PMS: its fan rests, it speaks when asked, and each model's words are what they are."""

import pytest

from mysense.sensors import pms
from mysense.testing import FastClock
from mysense.testing.devices.pms import Device
from mysense.testing.serial import Line
from tests.serials import KINDS, read


def test_commands_are_those_of_the_data_sheet():
    made = [each.hex() for each in (pms.PASSIVE, pms.ASK, pms.SLEEP, pms.WAKE)]
    assert made == ["424de100000170", "424de200000171", "424de400000173", "424de400010174"]


@pytest.fixture
def device():
    return Device(FastClock(60))


@pytest.fixture
def line(device):
    with Line(device) as line:
        yield line


sensor = KINDS["pms"].sensor


def test_it_speaks_only_when_asked(line, device):
    with sensor(line) as made:
        for _ in range(2):
            read(made)
            assert device.passive
        assert 2 <= line.heard.count(pms.ASK) <= 40


def test_without_counts_only_dust_is_left(line):
    with sensor(line, particles=False) as made:
        assert read(made) == {"pm1": 4, "pm25": 7, "pm10": 8}
        assert [field.name for field in made.measures] == ["pm1", "pm25", "pm10"]


def test_temperature_and_formaldehyde_of_the_models_that_have_them():
    words = (5, 8, 9, 4, 7, 8, 900, 250, 40, 3)
    with Line(Device(FastClock(60), words, (-45, 655))) as line, sensor(line, model="PMS5003T") as made:
        said = read(made)
        assert (said["temp"], said["rh"], said["pm25_cnt"]) == (-4.5, 65.5, 30)
        assert "pm5_cnt" not in said
        assert {field.name: field.unit for field in made.measures}["temp"] == "C"
    with (
        Line(Device(FastClock(60), (*words, 1, 0), (12, 215, 400, 0))) as line,
        sensor(line, model="PMS5003ST") as made,
    ):
        said = read(made)
        assert (said["hcho"], said["temp"], said["rh"]) == (12, 21.5, 40)


def test_another_model_than_the_one_that_is_named_is_told(line):
    with sensor(line, model="PMS5003ST") as made, pytest.raises(OSError, match="no PMS5003ST sends 32 bytes"):
        read(made)


def test_a_fault_that_it_tells_of_is_no_reading(line, device):
    with sensor(line) as made:
        read(made)
        device.error = 3
        with pytest.raises(OSError, match=r"tells of a fault \(code 3\)"):
            read(made)


def test_one_that_lost_its_power_meanwhile_and_speaks_by_itself_is_read_all_the_same(line, device):
    with sensor(line, interval=0.0, sample=3.0) as made:
        read(made)
        device.passive = False
        assert read(made)["pm25"] == 7
