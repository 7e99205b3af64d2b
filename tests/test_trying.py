"""One reading of each sensor, whatever the sensors do."""

import threading

import pytest

from mysense import trying
from mysense.errors import UnavailableError
from mysense.plugin import Sensor, option
from mysense.settings import End, EndOptions
from mysense.telegram import Field
from mysense.trying import readings
from tests.felt import felt


class Plain(Sensor):
    measures = (Field("temp", "C", "test"), Field("rh", "%", "test"))
    warm_up: float = option(3600.0, "s")
    after: int = option(0, "reads without a reading")

    def open(self):
        self.left = self.after

    def read(self):
        self.left -= 1
        return {"temp": 21.04, "rh": None} if self.left < 0 else None


class Cold(Plain):
    def read(self):
        return {"temp": 20.0} if not self.warm_up else None


class Gone(Plain):
    def open(self):
        raise UnavailableError("nothing answers")


class Broken(Plain):
    def read(self):
        return {"temp": 1 / 0}


class Hung(Plain):
    def read(self):
        threading.Event().wait(30)


def ends(*sensors):
    return [
        End(section=f"sensor:t{n}", kind="sensor", plugin=sensor, options=EndOptions())
        for n, sensor in enumerate(sensors)
    ]


def test_a_reading_is_shown_with_units_under_the_names_that_are_published():
    [trial] = readings(ends(Plain(warm_up=0.0, after=3, fields=("temp_out",))))

    assert (trial.ok, trial.text, trial.values) == (True, "temp_out 21.0 °C", {"temp_out": 21.04})


def test_a_device_that_must_warm_up_is_not_waited_for():
    sensor = Cold()
    begun = felt()
    [trial] = readings(ends(sensor), patience=10)

    assert trial.text == "temp 20.0 °C, not warm yet"
    assert felt() - begun < 5
    assert sensor.warm_up == 3600.0  # the daemon's is another


def test_trouble_of_one_hides_nothing_of_the_others():
    gone, broken, plain = readings(ends(Gone(), Broken(), Plain(warm_up=0.0)))

    assert (gone.ok, gone.text) == (False, "nothing answers")
    assert not broken.ok
    assert "ZeroDivisionError" in broken.text
    assert plain.ok


def test_no_reading_in_time_is_no_failure_but_told():
    [trial] = readings(ends(Plain(after=10**6)), patience=0.5)

    assert trial.ok
    assert trial.text.startswith("no reading within 0")


def test_why_it_may_take_longer_is_told():
    class Seldom(Plain):
        seldom = "sends once a minute"

    [trial] = readings(ends(Seldom(after=10**6)), patience=0.5)

    assert trial.text == "no reading within 0 s: it sends once a minute"


def test_a_reading_of_many_values_fits_into_a_table():
    class Many(Plain):
        measures = tuple(Field(f"f{n}", "", "test") for n in range(12))

        def read(self):
            return {field.name: n for n, field in enumerate(self.measures)}

    [trial] = readings(ends(Many(warm_up=0.0)))

    assert trial.text == "f0 0, f1 1, f2 2, f3 3 and 8 more"
    assert len(trial.values) == 12


def test_one_that_hangs_does_not_hold_up_the_rest(monkeypatch):
    monkeypatch.setattr(trying, "MORE", 0.5)
    begun = felt()
    hung, plain = readings(ends(Hung(), Plain(warm_up=0.0)), patience=1)

    assert felt() - begun < 5
    assert (hung.ok, plain.ok) == (False, True)
    assert "does not come back" in hung.text


@pytest.mark.parametrize("sensor", [Plain(warm_up=0.0), Gone(), Broken()])
def test_whatever_happens_it_is_closed(sensor, monkeypatch):
    closed = []
    monkeypatch.setattr(type(sensor), "close", lambda self: closed.append(self))
    readings(ends(sensor))

    assert closed
