"""The SPS30 on a serial line and on I2C: the same readings, told faults, and known by its serial number."""

import threading
import time

import pytest

from mysense.clock import Clock
from mysense.hardware.i2c import Address
from mysense.sensing import SensorWorker
from mysense.sensors import _shdlc, _sps30
from mysense.sensors.sps30 import Sensor
from mysense.settings import SensorOptions
from mysense.testing import FastClock
from mysense.testing.chips.sps30 import Chip
from mysense.testing.devices.sps30 import Device
from mysense.testing.i2c import SimulatedBus
from mysense.testing.serial import Line
from mysense.trouble import Troubles
from tests.answers import DAMAGES, Answers
from tests.kit import until
from tests.serials import KINDS, read

READING = KINDS["sps30"].reading


@pytest.mark.parametrize(
    ("command", "data", "text"),
    [
        (0x00, b"\1\3", "7E0000020103F97E"), (0x01, b"", "7E000100FE7E"), (0x03, b"", "7E000300FC7E"),
        (0x10, b"", "7E001000EF7E"), (0x11, b"", "7E007D3100EE7E"), (0x80, b"\0", "7E008001007D5E7E"),
        (0x56, b"", "7E005600A97E"), (0xD0, b"\3", "7E00D001032B7E"), (0xD2, b"\0", "7E00D201002C7E"),
    ],
)  # fmt: skip
def test_questions_are_those_of_the_data_sheet(command, data, text):
    assert _shdlc.request(command, data).hex().upper() == text


class Place:
    """An SPS30, whichever way leads to it."""

    def __init__(self, model, sensor, pull):
        self.model, self.sensor, self.pull = model, sensor, pull


def over_serial(line):
    def sensor(**options):
        made = Sensor(port=line.port, **options)
        made.clock = line.device.clock
        return made

    return Place(line.device.model, sensor, lambda: setattr(line, "fault", lambda said: b""))


def over_i2c(bus, chip, clock):
    def sensor(**options):
        made = Sensor(i2c=Address(0x69), bus=bus.name, **options)
        made.clock = clock
        return made

    return Place(chip.model, sensor, lambda: bus.away.add(0x69))


@pytest.fixture(params=["serial", "i2c"])
def place(request):
    clock = FastClock(30)
    if request.param == "serial":
        with Line(Device(clock)) as line:
            yield over_serial(line)
    else:
        chip = Chip(clock=clock)
        with SimulatedBus({0x69: chip}) as bus:
            yield over_i2c(bus, chip, clock)


def test_it_is_read_when_it_is_warm(place):
    with place.sensor() as made:
        begun = made.clock.monotonic()
        assert read(made) == READING
        assert made.clock.monotonic() - begun >= 29


def test_one_that_sleeps_is_woken_and_one_that_measures_in_another_way_is_started_anew(place):
    place.model.asleep = True
    with place.sensor() as made:
        assert read(made) == READING
    place.model.start(5)
    with place.sensor() as made:
        assert place.model.format == 3
        assert read(made) == READING


def test_its_fan_stops_when_it_is_closed(place):
    with place.sensor():
        assert place.model.format == 3
    assert place.model.format == 0


def test_one_that_lost_its_power_is_told(place, monkeypatch):
    monkeypatch.setattr(_sps30, "EMPTY", 1.0)
    with place.sensor() as made:
        read(made)
        place.model.power()
        with pytest.raises(OSError, match=r"without power"):
            until(lambda: made.read() and None, 5)


def test_at_work_it_is_asked_often_enough_and_not_too_often():
    """By the real time: it has something new once a second."""
    stop, given, told = threading.Event(), [], []
    with SimulatedBus({0x69: Chip()}) as bus:
        made = Sensor(i2c=Address(0x69), bus=bus.name, warm_up=3.0)

        def give(section, reading):
            given.append(reading)
            stop.set()

        worker = SensorWorker("sensor:s", made, stop, Clock(), give, Troubles(lambda *_: None), SensorOptions())
        worker.become = lambda state, message="", level=None: told.append(message) if message else None
        thread = threading.Thread(target=worker.run)
        thread.start()
        stop.wait(15)
        stop.set()
        thread.join(5)
        transfers = bus.transfers[0x69]

    assert told == []
    assert len(given) == 1
    assert transfers < 50


def test_one_that_is_gone_is_told(place, monkeypatch):
    monkeypatch.setattr(_sps30, "PATIENCE", 1.0)
    with place.sensor() as made:
        read(made)
        place.pull()
        with pytest.raises(OSError, match=r"does not answer|nothing answers"):
            until(lambda: made.read() and None, 10)


@pytest.mark.parametrize(
    ("bits", "said"), [(1 << 4, "fan of the SPS30 stands still"), (1 << 5, "laser of the SPS30 fails")]
)
def test_a_fault_that_spoils_what_it_measures_is_no_reading(place, bits, said, monkeypatch):
    monkeypatch.setattr(_sps30, "HOURLY", 0.0)
    with place.sensor() as made:
        read(made)
        place.model.status = bits
        with pytest.raises(OSError, match=said):
            until(lambda: made.read() and None, 10)


def test_a_fan_of_a_wrong_speed_is_told_once(place, caplog, monkeypatch):
    monkeypatch.setattr(_sps30, "HOURLY", 0.0)
    place.model.status = 1 << 21
    with place.sensor() as made:
        for _ in range(3):
            read(made)
    assert caplog.text.count("too slow or too fast") == 1


def test_another_than_the_one_that_is_meant_is_refused(place):
    with place.sensor(device="8ba5d1b2c3e4f5a6") as made:
        assert "SPS30 8BA5D1B2C3E4F5A6" in made._told
    with pytest.raises(OSError, match="leads to the SPS30 8BA5D1B2C3E4F5A6, not to 00"):
        place.sensor(device="00").open()


def test_a_check_on_i2c_leaves_it_to_who_works_with_it():
    clock = FastClock(30)
    chip = Chip(clock=clock)
    with SimulatedBus({0x69: chip}) as bus:
        place = over_i2c(bus, chip, clock)
        with place.sensor() as made:
            read(made)
            assert place.sensor().check() == "SPS30 8BA5D1B2C3E4F5A6, 0x69 on " + bus.name
            assert place.model.format == 3
            assert read(made, 1.0) == READING
        with pytest.raises(OSError, match="not to 00"):
            place.sensor(device="00").check()


def test_one_on_i2c_that_another_program_works_with_is_left_alone(tmp_path):
    clock = FastClock(30)
    chip = Chip(clock=clock)
    with SimulatedBus({0x69: chip}) as bus, bus.served(tmp_path / "bus") as path:
        other = Sensor(i2c=Address(0x69), bus=path)
        with over_i2c(bus, chip, clock).sensor() as made:
            read(made)
            for look in (other.open, other.check):
                with pytest.raises(OSError, match=r"0x69 on .* is in use by another program"):
                    look()
                other.close()
            assert chip.model.format == 3
            assert read(made, 1.0) == READING


def test_it_is_on_one_line_only():
    with pytest.raises(ValueError, match="not on both"):
        Sensor(port="/dev/ttyUSB0", i2c=Address(0x69))


@pytest.mark.parametrize("damage", DAMAGES)
def test_no_byte_of_an_answer_on_i2c_can_be_damaged_and_become_a_value(damage, monkeypatch):
    monkeypatch.setattr(_sps30, "HOURLY", 0.0)  # its status is asked for each time
    clock = FastClock(100_000)  # it has something new each time
    chip = Chip(clock=clock)
    answers = Answers(chip)
    with SimulatedBus({0x69: chip}) as bus, over_i2c(bus, chip, clock).sensor(warm_up=10.0) as made:
        monkeypatch.setattr(made._port, "pause", lambda seconds: None)
        assert read(made) == READING
        until(lambda: answers.spoil(-1, 0, "") or made.read())
        sizes = answers.sizes
        assert sizes == [3, 60, 6]
        for which, size in enumerate(sizes):
            for at in range(size):
                answers.spoil(which, at, damage)
                said = made.read()
                assert said is None or said == READING
                answers.spoil(-1, 0, "")
                assert read(made) == READING


@pytest.mark.parametrize("fault", ["held", "gone", "away"])
def test_a_bus_that_fails_and_recovers(fault):
    clock = FastClock(30)
    chip = Chip(clock=clock)
    with SimulatedBus({0x69: chip}) as bus:
        made = over_i2c(bus, chip, clock).sensor()
        with made:
            read(made)
            setattr(bus, fault, {0x69} if fault == "away" else True)
            begun = time.monotonic()
            with pytest.raises(OSError):
                until(lambda: made.read() and None, 5)
            assert time.monotonic() - begun < 1.5
        with pytest.raises(OSError):
            made.open()
        made.close()
        setattr(bus, fault, set() if fault == "away" else False)
        chip.power_up()
        with made:
            assert read(made) == READING
