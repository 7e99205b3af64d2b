"""For every sensor on a serial line: nothing hangs, nothing wrong is believed, what comes back is read again."""

import itertools
import logging
import os
import random
import threading
from dataclasses import replace

import pytest

from mysense import registry
from mysense.recognising import serial_sensors
from mysense.sensors import _sps30, pms
from mysense.sensors._resting import Resting
from mysense.testing.serial import HEARD, Device, Line
from tests.felt import felt
from tests.kit import until
from tests.serials import AT_ONCE, KINDS, read

EACH = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
NAMED = pytest.mark.parametrize("name", KINDS)


@pytest.fixture
def impatient(monkeypatch):
    """Silence counts as such after two seconds."""
    for module in [_sps30, *(kind.module for kind in KINDS.values() if kind is not KINDS["sps30"])]:
        monkeypatch.setattr(module, "PATIENCE", 2.0, raising=False)
    monkeypatch.setattr(Resting, "silence", 2.0)
    monkeypatch.setattr(pms.Sensor, "silence", 2.0)


def test_a_line_that_is_played_for_months_remembers_only_what_came_last():
    with Line(Device()) as line:
        port, sent = os.open(line.port, os.O_RDWR | os.O_NOCTTY), bytes(range(250)) * 16
        for _ in range(2 * HEARD // len(sent)):
            os.write(port, sent)
        os.write(port, b"the end")
        until(lambda: line.heard.endswith(b"the end"))
        os.close(port)

        assert len(line.heard) == HEARD
        assert line.heard.endswith(sent[-100:] + b"the end")


def fails(sensor, seconds=15.0):
    """The OSError that reading ends in; until then no read takes longer than it may."""
    end = felt() + seconds
    while felt() < end:
        begun = felt()
        try:
            sensor.read()
        except OSError as error:
            return error
        finally:
            assert felt() - begun < AT_ONCE
    raise AssertionError("no error, though there is no device")


def test_no_serial_sensor_is_left_out():
    assert set(serial_sensors()) == {*KINDS, "dylos"}
    assert set(serial_sensors()) <= set(registry.names("sensor"))


@EACH
def test_it_reads_what_the_device_measures(kind):
    with kind.line() as line, kind.sensor(line) as sensor:
        for _ in range(2):
            assert read(sensor) == pytest.approx(kind.reading)
        assert set(kind.reading) == {field.name for field in sensor.measures}


@EACH
def test_a_device_that_falls_silent_is_told_in_time_and_read_again_when_it_speaks(kind, impatient):
    with kind.line() as line:
        sensor = kind.sensor(line)
        with sensor:
            read(sensor)
            line.fault = lambda said: b""
            error = fails(sensor)
            assert isinstance(error, TimeoutError)
            assert "does not answer" in str(error)
        line.fault = bytes
        with sensor:
            assert read(sensor) == pytest.approx(kind.reading)


@EACH
def test_nothing_at_the_port_is_told_when_it_is_opened_or_soon_after(kind, impatient):
    with kind.line() as line:
        line.fault = lambda said: b""
        begun = felt()
        with pytest.raises(OSError, match=r"does not|do as it is told"), kind.sensor(line) as sensor:
            raise fails(sensor, 60.0)
        assert felt() - begun < 45


@EACH
def test_an_adapter_that_is_pulled_out_is_an_oserror_and_it_is_found_again_elsewhere(kind, tmp_path):
    with kind.line(link=tmp_path / "usb-1a86-port0") as line:
        first = line.path
        sensor = kind.sensor(line, port=str(tmp_path / "usb-*"))
        with sensor:
            read(sensor)
            held = os.open(first, os.O_RDWR)  # its number is taken, so the next one has another name
            line.unplug()
            assert str(fails(sensor)) == f"{line.port} cannot be read or written: was the adapter pulled out?"
        os.close(held)
        with pytest.raises(OSError, match="is the adapter plugged in"):
            sensor.open()
        sensor.close()
        line.plug()
        with sensor:
            assert read(sensor) == pytest.approx(kind.reading)


@NAMED
def test_damage_to_any_byte_never_becomes_a_value(name, caplog):
    kind, places = KINDS[name], itertools.count()
    caplog.set_level(logging.WARNING)

    def damage(said):
        at = next(places)
        if at % 2:  # every other time
            at = at // 2 % len(said)
            return said[:at] + bytes((said[at] ^ 0xFF,)) + said[at + 1 :]
        return said

    with kind.line() as line, kind.sensor(line) as sensor:
        read(sensor)
        line.fault = damage
        for _ in range(3):
            assert read(sensor, 60) == pytest.approx(kind.reading)
    assert sum("passed over" in record.message for record in caplog.records) <= 4


@NAMED
def test_halves_and_frames_that_run_together_cost_only_themselves(name):
    kind, dice = KINDS[name], random.Random(4)  # in no step with what is said

    def fault(said):
        match dice.randrange(3):
            case 0:
                return said[: len(said) // 2]
            case 1:
                return said + said
        return said

    with kind.line() as line, kind.sensor(line) as sensor:
        read(sensor)
        line.fault = fault
        for _ in range(3):
            assert read(sensor, 60) == pytest.approx(kind.reading)


@pytest.mark.parametrize(("name", "options"), [("pms", {}), ("sds011", {"mode": "query"})])
def test_one_that_is_not_asked_while_it_warms_up_is_not_taken_for_silent(name, options, monkeypatch):
    monkeypatch.setattr(KINDS[name].module.Sensor, "silence", 1.0)
    kind = replace(KINDS[name], speed=12.0)  # warming up takes two seconds
    with kind.line() as line, kind.sensor(line, **options) as sensor:
        assert read(sensor) == pytest.approx(kind.reading)


@EACH
def test_noise_alone_is_told_in_time(kind, impatient):
    with kind.line() as line:
        sensor = kind.sensor(line)
        with sensor:
            read(sensor)
            line.fault = lambda said: bytes(byte ^ 0x55 for byte in said)
            assert isinstance(fails(sensor, 60.0), OSError)


@EACH
def test_a_device_whose_line_is_torn_off_while_it_is_closed_is_let_go(kind):
    with kind.line() as line:
        sensor = kind.sensor(line)
        sensor.open()
        line.unplug()
        begun = felt()
        sensor.close()
        sensor.close()
        assert felt() - begun < 2


@EACH
def test_check_says_what_is_there_and_where(kind):
    with kind.line() as line:
        said = kind.sensor(line).check()

        assert line.path in said
        assert threading.active_count() < 20


def test_two_programs_do_not_share_a_port():
    kind = KINDS["sds011"]
    with kind.line() as line, kind.sensor(line), pytest.raises(OSError, match="in use by another program"):
        kind.sensor(line).open()
