"""The power of a sensor, switched by a line of gpiod; its chips are played, its own types are real."""

import errno
import threading

import gpiod
import pytest

from mysense.errors import UnavailableError
from mysense.plugin import Sensor, option
from mysense.power import Power
from mysense.sensing import SensorWorker
from mysense.settings import SensorOptions
from mysense.telegram import Field
from mysense.testing.clock import ManualClock
from mysense.trouble import Troubles
from tests.kit import until

CHIPS = {"gpiochip0": ("pinctrl-bcm2711", ["ID_SDA", "GPIO17", "GPIO18"]), "gpiochip1": ("expander", ["RELAY1"])}


class Chip:
    """A chip as gpiod has it: what it is called, and where its lines are."""

    def __init__(self, path):
        self.label, self.lines = CHIPS[path.rpartition("/")[2]]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def get_info(self):
        return self

    def line_offset_from_id(self, name):
        if name not in self.lines:
            raise OSError(errno.ENOENT, "no such line")
        return self.lines.index(name)


class Lines:
    """What was asked of gpiod, in its order."""

    def __init__(self):
        self.done, self.refuses, self.gone = [], 0, False

    def request_lines(self, path, config, consumer=None):
        if self.refuses:
            raise OSError(self.refuses, "refused")
        [(offset, settings)] = config.items()
        assert settings.direction is gpiod.line.Direction.OUTPUT
        assert consumer == "mysense"
        low = "low " if settings.active_low else ""
        self.done.append(f"{path.rpartition('/')[2]}/{offset} {low}{settings.output_value.name}")
        return self

    def set_value(self, offset, value):
        if self.gone:
            raise OSError(errno.ENODEV, "No such device")
        self.done.append(value.name)

    def release(self):
        self.done.append("released")


@pytest.fixture
def lines(monkeypatch, tmp_path):
    for name in CHIPS:
        (tmp_path / name).touch()
    played = Lines()
    monkeypatch.setattr("mysense.power.DEVICES", tmp_path)
    monkeypatch.setattr(gpiod, "Chip", Chip)
    monkeypatch.setattr(gpiod, "request_lines", played.request_lines)
    return played


@pytest.mark.parametrize(
    ("pin", "line"),
    [("GPIO17", "gpiochip0/1"), ("17", "gpiochip0/17"), ("RELAY1", "gpiochip1/0"), ("gpiochip1/3",) * 2],
)
def test_a_line_is_found_by_its_name_its_number_or_its_chip(lines, pin, line):
    power = Power(pin)
    assert line.replace("/", " ").split()[1] in power.check()
    assert not lines.done  # looking changes nothing
    power.switch(True)
    power.switch(False)
    power.close()
    power.close()

    assert lines.done == [f"{line} ACTIVE", "INACTIVE", "released"]


def test_a_line_may_be_low_for_power(lines):
    Power("GPIO17", low=True).switch(True)

    assert lines.done == ["gpiochip0/1 low ACTIVE"]


@pytest.mark.parametrize(
    ("number", "said"), [(errno.EBUSY, "in use by another"), (errno.EACCES, "group gpio"), (errno.EINVAL, "cannot be")]
)
def test_a_line_that_cannot_be_had_says_what_to_do(lines, number, said):
    lines.refuses = number

    with pytest.raises(UnavailableError, match=said):
        Power("GPIO17").switch(True)


def test_a_line_of_a_chip_that_was_pulled_out_is_looked_for_anew(lines):
    power = Power("RELAY1")
    power.switch(True)
    lines.gone = True
    with pytest.raises(UnavailableError, match="RELAY1 cannot be used: No such device"):
        power.switch(False)
    lines.gone = False
    power.switch(True)

    assert lines.done == ["gpiochip1/0 ACTIVE", "released", "gpiochip1/0 ACTIVE"]


def test_a_line_that_is_not_there_is_told(lines):
    with pytest.raises(UnavailableError, match=r"GPIO99: there is no such GPIO line; 'gpioinfo'"):
        Power("GPIO99").check()


def test_the_first_version_of_the_library_will_not_do(monkeypatch, lines):
    monkeypatch.delattr(gpiod, "request_lines")

    with pytest.raises(ImportError, match="version 2"):
        Power("GPIO17").switch(True)


class Dead(Sensor):
    """Fails until its power was off for a while."""

    measures = (Field("temp", "C"),)
    interval: float = option(10.0, "seconds")

    def __post_init__(self):
        self.opened = []
        self.power = None

    def open(self):
        self.opened.append(list(self.power.done))
        if "INACTIVE" not in self.power.done:
            raise OSError("no answer")

    def read(self):
        return {"temp": 20.0}


def test_after_failures_in_a_row_the_power_is_switched_off_and_on_and_the_sensor_opened_again(lines, caplog):
    caplog.set_level("INFO")
    clock, stop, got = ManualClock(), threading.Event(), threading.Event()
    sensor = Dead()
    sensor.power = lines
    options = SensorOptions(power_pin="GPIO17", power_after=3, power_wait=5, errors=100)
    worker = SensorWorker("sensor:dead", sensor, stop, clock, lambda *_: got.set(), Troubles(lambda *_: None), options)
    thread = threading.Thread(target=worker.run)
    begun = clock.monotonic()
    thread.start()

    def turned():
        clock.advance(0.5)
        return got.is_set()

    until(turned)
    took = clock.monotonic() - begun
    stop.set()
    thread.join(5)

    assert got.is_set()
    assert [len(done) for done in sensor.opened] == [1, 1, 1, 3]
    assert lines.done == ["gpiochip0/1 ACTIVE", "INACTIVE", "ACTIVE", "released"]
    assert took >= 5 + 0.8 * (1 + 2 + 4) + 2 * 5
    assert caplog.text.count("its power is switched off and on") == 1


class Hanging(Dead):
    """Does not come back from reading until its power is away."""

    def open(self):
        self.opened.append(list(self.power.done))

    def read(self):
        if len(self.opened) == 1:
            until(lambda: "INACTIVE" in self.power.done, 5)
        return {"temp": 20.0}


def test_the_power_of_a_sensor_that_hangs_is_switched_off_which_ends_the_read_and_on_again(lines):
    clock, stop, given = ManualClock(), threading.Event(), []
    sensor = Hanging()
    sensor.power = lines
    options = SensorOptions(power_pin="GPIO17", power_after=100, power_wait=5)

    def give(section, reading):
        given.append(len(lines.done))
        stop.set()

    worker = SensorWorker("sensor:h", sensor, stop, clock, give, Troubles(lambda *_: None), options)
    thread = threading.Thread(target=worker.run)
    thread.start()
    until(lambda: clock.advance(0.5) or (worker.busy_since and sensor.opened), 5)
    worker.hangs(20.0)
    until(lambda: clock.advance(0.5) or stop.is_set(), 5)
    thread.join(5)

    assert [len(done) for done in sensor.opened] == [1, 4]
    assert lines.done == ["gpiochip0/1 ACTIVE", "INACTIVE", "INACTIVE", "ACTIVE", "released"]
    assert given == [4]


def test_without_the_library_only_this_sensor_fails_and_says_why(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "gpiod", None)
    told = []
    troubles = Troubles(lambda kind, text, values: told.append((kind, text)))
    options = SensorOptions(power_pin="GPIO17")
    worker = SensorWorker("sensor:dead", Dead(), threading.Event(), ManualClock(), lambda *_: None, troubles, options)
    worker.run()

    assert worker.status.state == "failed"
    assert "pip install 'mysense[kit]'" in worker.status.message
    assert [kind for kind, _ in told] == ["failed"]
