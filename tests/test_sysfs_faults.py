"""For every sensor that reads files of the kernel: nothing wrong is believed, what comes back is read again."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from mysense import registry
from mysense.sensors import dht
from mysense.settings import SensorOptions
from mysense.testing import Sysfs
from mysense.testing.kit import PLACES
from tests.test_trouble import kit, notes, worker

OPTIONS = SensorOptions()


@dataclass(frozen=True)
class Kind:
    """A sensor with the files it reads: each with the fields that come from it, in any order."""

    place: Callable[[Sysfs], object]
    files: dict[str, tuple[str, ...]]


IIO = "sys/bus/iio/devices/iio:device0"
KINDS = {
    "iio": Kind(Sysfs.bme280, {f"{IIO}/in_temp_input": ("temp",), f"{IIO}/in_humidityrelative_input": ("rh",),
                               f"{IIO}/in_pressure_input": ("hpa",)}),
    "dht": Kind(Sysfs.dht, dict.fromkeys((f"{IIO}/in_temp_input", f"{IIO}/in_humidityrelative_input"), ("temp", "rh"))),
    "ds18b20": Kind(Sysfs.probe, {"sys/bus/w1/devices/28-0316a2794cff/w1_slave": ("temp",)}),
    "wifi": Kind(Sysfs.wifi, {"proc/net/wireless": ("rssi", "link")}),
    "pi": Kind(Sysfs.pi, {
        "sys/class/thermal/thermal_zone0/temp": ("temp_cpu",), "proc/loadavg": ("load",), "proc/uptime": ("uptime",),
        "proc/meminfo": ("mem_free",),
        "sys/devices/platform/soc/soc:firmware/get_throttled": ("undervolt", "throttled")}),
}  # fmt: skip
EACH = pytest.mark.parametrize("name", KINDS)
FILES = pytest.mark.parametrize(("name", "file"), [(name, file) for name, kind in KINDS.items() for file in kind.files])


@pytest.fixture
def tree(tmp_path, monkeypatch):
    monkeypatch.setattr(dht, "REST", 0.0)
    return Sysfs(tmp_path / "root")


def sensor(name, tree):
    return registry.find("sensor", name)(root=tree.root)


def said(made) -> dict[str, Any]:
    """What a sensor says now; nothing where it is told instead that it cannot."""
    try:
        return {field: value for field, value in (made.read() or {}).items() if value is not None}
    except OSError:
        return {}


def steady(reading):
    """Without what goes on by itself."""
    return {field: value for field, value in reading.items() if field != "disk_free"}


def test_no_sensor_of_this_kind_is_left_out():
    assert set(KINDS) == set(PLACES)


@FILES
def test_a_byte_that_is_no_text_any_more_is_no_value(name, file, tree):
    KINDS[name].place(tree)
    path = tree.root / file
    whole = path.read_bytes()
    with sensor(name, tree) as made:
        right = steady(said(made))
        assert right.keys() >= {*KINDS[name].files[file]}
        for at in range(len(whole)):
            path.write_bytes(whole[:at] + bytes((whole[at] ^ 0xFF,)) + whole[at + 1 :])
            assert steady(said(made)).items() <= right.items(), at
            path.write_bytes(whole)
            assert steady(said(made)) == right


@FILES
def test_what_is_written_twice_or_not_at_all_is_no_other_value(name, file, tree):
    KINDS[name].place(tree)
    path = tree.root / file
    whole = path.read_bytes()
    with sensor(name, tree) as made:
        right = steady(said(made))
        for text in (whole + whole, b"", b"\n", b"\0" * 20):
            path.write_bytes(text)
            assert steady(said(made)).items() <= right.items(), text
        path.unlink()
        left = steady(said(made))
        assert left.items() <= right.items()
        if name != "ds18b20":  # the kernel tells it in another file as well
            assert not left.keys() & {*KINDS[name].files[file]}
        path.write_bytes(whole)
        assert steady(said(made)) == right


@EACH
def test_a_device_that_is_taken_away_is_told_and_read_again_when_it_is_back(name, tree):
    kind = KINDS[name]
    kind.place(tree)
    made = sensor(name, tree)
    with made:
        right = steady(said(made))
        shutil.rmtree(tree.root)
        if name == "pi":  # the disk is still there
            assert steady(said(made)) == {}
        else:
            with pytest.raises(OSError):
                made.read()
    kind.place(Sysfs(tree.root))
    with made:
        assert steady(said(made)) == right


@EACH
def test_a_kernel_that_does_not_answer_is_told_and_holds_up_nobody(name, tree, tmp_path):
    """Its file is a pipe to which nobody writes: reading it does not come back."""
    kind = KINDS[name]
    kind.place(tree)
    made = sensor(name, tree)
    made.interval = 1.0
    with made:
        assert said(made)
    path = (tree.root / next(iter(kind.files))).resolve()
    path.unlink()
    os.mkfifo(path)
    other = registry.find("sensor", "simulated")(interval=1.0)
    running, far = kit(tmp_path, ("sensor:a", other, OPTIONS), ("sensor:b", made, OPTIONS))
    try:
        running.pass_time(lambda: notes(far, "stuck"))
        count = len(far.data())
        running.pass_time(lambda: len(far.data()) > count + 2)
        assert worker(running, "sensor:b")["state"] == "stuck"
        assert notes(far, "stuck")[0].values["sensor"] == "sensor:b"
    finally:
        with path.open("w"):  # who reads gets the end of it
            path.unlink()
        running.stop()
