"""The Dylos on a pseudo-terminal: lines in pieces, noise, a cable that is pulled."""

import logging
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mysense.hardware.serial import find
from mysense.sensors import dylos
from tests.kit import Line, until
from tests.serials import AT_ONCE


@pytest.fixture
def line():
    line = Line()
    yield line
    line.close()


@pytest.fixture
def sensor(line):
    sensor = dylos.Sensor(port=line.port)
    with sensor:
        yield sensor


def read(sensor, count=1):
    """The next readings."""
    found = []

    def look():
        if reading := sensor.read():
            found.append((reading["pm_25"], reading["pm_10"]))
        return len(found) >= count

    until(look, 5)
    return found


def test_a_line_is_a_reading(line, sensor):
    line.say(b"511,21\r\n647,32\r\n")

    assert read(sensor, 2) == [(511, 21), (647, 32)]


def test_one_that_stays_off_after_a_power_cut_is_told_and_read_again_when_somebody_has_pressed_its_button(line):
    with dylos.Sensor(port=line.port, patience=0.7) as sensor:
        line.say(b"511,21\r\n")
        assert until(sensor.read, 5)
        with pytest.raises(TimeoutError, match="press its button"):
            until(sensor.read, 5)
    with dylos.Sensor(port=line.port, patience=0.7) as sensor:
        line.say(b"512,22\r\n513,23\r\n")
        assert until(sensor.read, 5)


def test_half_a_line_waits_for_the_rest(line, sensor):
    line.say(b"51")
    assert sensor.read() is None
    line.say(b"1,2")
    assert sensor.read() is None
    line.say(b"1\r")

    assert read(sensor) == [(511, 21)]


def test_a_byte_that_is_no_text_any_more_costs_its_line_and_no_line_is_read_twice(line, sensor):
    good = b"511,21\r\n"
    for at in range(len(good)):
        line.say(good[:at] + bytes((good[at] ^ 0xFF,)) + good[at + 1 :] + b"512,22\r\n513,23\r\n")
        last = read_until(sensor, (513, 23))
        assert last.count((513, 23)) == 1
        assert set(last) <= {(511, 21), (512, 22), (513, 23)}


def read_until(sensor, last):
    """The readings up to *last*; none takes longer than it may."""
    found = []
    while last not in found:
        begun = time.monotonic()
        if reading := sensor.read():
            found.append((reading["pm_25"], reading["pm_10"]))
        assert time.monotonic() - begun < AT_ONCE
    return found


def test_silence_does_not_hold_up_a_read(sensor):
    begun = time.monotonic()
    assert sensor.read() is None
    assert time.monotonic() - begun < AT_ONCE


@pytest.mark.parametrize(
    "noise",
    [b"", b"abc", b"5x1,21", b"511", b"511,21,3", b"1,2,3,4", b"nan,1", b"-1,1", b"511,", b",", b"1.5,2", b"\xff\x00",
     b"99999,1", b"21,511", "５１１,21".encode(), b"inf,inf", b"x" * 500],
)  # fmt: skip
def test_a_line_that_is_none_is_passed_over_and_told_once_and_nothing_else_is_lost(line, sensor, noise, caplog):
    with caplog.at_level(logging.WARNING):
        line.say(b"510,20\r\n" + noise + b"\r\n" + noise + b"\r\n511,21\r\n")

        assert read(sensor, 2) == [(510, 20), (511, 21)]
    passed = [record for record in caplog.records if "passed over" in record.message]
    assert (len(passed) > 0) == bool(noise)
    assert len(passed) <= 2  # the first with its reason, and how many in the end


def test_a_line_under_way_while_we_open_does_not_become_a_small_number(line):
    sensor = dylos.Sensor(port=line.port)
    timer = threading.Timer(0.005, lambda: line.say(b"1,21\r\n647,32\r\n"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dylos, "QUIET", 2.0)  # however slow this machine is
        timer.start()
        with sensor:
            assert read(sensor) == [(647, 32)]
    timer.join()


def test_dust_in_micrograms_by_the_formula_and_fine_dust_without_the_coarse(line):
    with dylos.Sensor(port=line.port, unit="ug/m3") as sensor:
        line.say(b"1050,31\r\n")
        [(fine, coarse)] = read(sensor)
    with dylos.Sensor(port=line.port, subtract=True) as sensor:
        line.say(b"1050,31\r\n")
        counts = read(sensor)

    assert (fine, coarse) == (pytest.approx(2.183, abs=0.001), pytest.approx(13.299, abs=0.001))
    assert counts == [(1019, 31)]
    assert [field.unit for field in dylos.Sensor(unit="ug/m3").measures] == ["ug/m3", "ug/m3"]


def test_an_adapter_that_goes_is_an_oserror_and_when_it_is_back_it_is_found_again(tmp_path):
    first, link = Line(), tmp_path / "usb-Prolific-port0"
    link.symlink_to(first.port)
    sensor = dylos.Sensor(port=str(tmp_path / "usb-*"))
    sensor.open()
    first.say(b"511,21\r\n")
    assert read(sensor) == [(511, 21)]
    first.close()
    with pytest.raises(OSError):
        until(lambda: sensor.read(), 5)
    sensor.close()
    link.unlink()
    with pytest.raises(OSError, match="is the adapter plugged in"):
        sensor.open()
    sensor.close()
    second = Line()  # it has another name now
    link.symlink_to(second.port)
    with sensor:
        second.say(b"647,32\r\n")
        assert read(sensor) == [(647, 32)]
    second.close()


def test_a_port_that_may_not_be_opened_says_what_to_do(monkeypatch):
    import serial

    def refuse(*_, **__):
        raise serial.SerialException(13, "could not open port: Permission denied")

    monkeypatch.setattr(serial, "serial_for_url", refuse)
    with pytest.raises(OSError, match="dialout"):
        dylos.Sensor(port="/dev/ttyUSB0").open()


def test_several_adapters_that_fit_are_named(tmp_path):
    lines = [Line(), Line()]
    for number, each in enumerate(lines):
        (tmp_path / f"usb-{number}").symlink_to(each.port)
    with pytest.raises(OSError, match=r"several serial ports.*usb-0.*usb-1"):
        dylos.Sensor(port=str(tmp_path / "usb-*")).open()
    for each in lines:
        each.close()


def test_a_usb_id_chooses_among_the_adapters(monkeypatch):
    class Port:
        def __init__(self, device, vid, pid, serial_number=None):
            self.device, self.vid, self.pid, self.serial_number = device, vid, pid, serial_number

    ports = [
        Port("/dev/ttyUSB0", 0x10C4, 0xEA60),
        Port("/dev/ttyUSB1", 0x067B, 0x2303, "A1"),
        Port("/dev/ttyS0", None, None),
    ]
    monkeypatch.setattr("mysense.hardware.serial._adapters", lambda: ports)

    assert find("067b:2303") == "/dev/ttyUSB1"
    assert find("067B:2303:A1") == "/dev/ttyUSB1"
    with pytest.raises(OSError, match="USB id 067b:2303:B2"):
        find("067b:2303:B2")
    with pytest.raises(OSError, match="several"):
        find("")
    assert find("socket://192.0.2.1:4000") == "socket://192.0.2.1:4000"


@given(st.binary(max_size=100))
def test_whatever_comes_is_two_counts_or_a_valueerror(text):
    try:
        small, large = dylos.parse(text)
    except ValueError as error:
        small, large = 0, 0
        assert str(error)  # noqa: PT017 (there is something to say)

    assert 65535 >= small >= large >= 0
