"""Plugins are found by the name of their module; nothing is registered."""

import sys

import pytest

from mysense import extras, registry, sensors
from mysense.errors import ConfigError

SENSOR = '''
"""A thermometer that only counts."""
from mysense import plugin
from mysense.telegram import Field

class Sensor(plugin.Sensor):
    """Counts up."""
    measures = (Field("temp", "C"),)
    first: int = plugin.option(1, "where to begin")
    def read(self):
        return {"temp": self.first}
'''


@pytest.fixture
def counter(tmp_path, monkeypatch):
    """A new sensor: one file in the folder of the sensors, and nothing else."""
    (tmp_path / "counter.py").write_text(SENSOR)
    monkeypatch.setattr(sensors, "__path__", [str(tmp_path), *sensors.__path__])
    registry.builtin.cache_clear()
    yield
    registry.builtin.cache_clear()
    sys.modules.pop("mysense.sensors.counter", None)


def test_a_new_sensor_is_one_new_file(counter):
    assert registry.names("sensor") == ["counter"]
    assert registry.find("sensor", "counter")(first=3).read() == {"temp": 3}


def test_a_name_nearly_right_is_answered_with_the_right_one(counter):
    with pytest.raises(ConfigError, match=r"there is no sensor 'conter', did you mean 'counter'\?"):
        registry.find("sensor", "conter")


def test_a_module_that_has_no_such_end_is_no_plugin_of_that_kind():
    with pytest.raises(ConfigError, match="'console' is no subscriber"):
        registry.find("subscriber", "console")


@pytest.mark.parametrize("kind", registry.KINDS)
def test_every_name_that_is_listed_is_found(kind):
    for name in registry.names(kind):
        assert registry.find(kind, name).__module__.startswith(registry.KINDS[kind][0])


def test_a_missing_library_is_told_with_the_line_that_cures_it():
    with pytest.raises(ImportError, match=r"needs the library 'frobnicate': pip install 'mysense\[frob\]'"):
        extras.library("frobnicate.client", "frob")
