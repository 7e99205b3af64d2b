"""The Pi itself, and what of it other machines have."""

import logging
from pathlib import Path

import pytest

from mysense.sensors.pi import Sensor, flags, memory
from mysense.testing import Sysfs


@pytest.fixture
def tree(tmp_path):
    return Sysfs(tmp_path)


@pytest.mark.parametrize(("up", "said"), [(35_000, 0), (60, 1)])
def test_what_was_so_before_the_daemon_began_is_news_only_soon_after_the_start_of_the_machine(tree, up, said):
    tree.pi(throttled=0x50000)
    tree.write("proc/uptime", f"{up}.12 99.34\n")
    with Sensor(root=tree.root) as sensor:
        assert sensor.read()["undervolt"] == said
        assert sensor.read()["undervolt"] == 0
        tree.pi(throttled=0xD0000)
        assert sensor.read()["throttled"] == 1


def test_a_pi_tells_all(tree):
    tree.pi()
    with Sensor(root=tree.root, disk=tree.root) as sensor:
        said = sensor.read()
        names = [field.name for field in sensor.measures]

    assert list(said) == names
    assert 0 <= said.pop("disk_free") <= 100
    assert said == {
        "temp_cpu": 48.312, "undervolt": 0, "throttled": 0, "mem_free": 50.0, "load": 0.52, "uptime": 35000.12,
    }  # fmt: skip
    assert Sensor(root=tree.root).check().startswith("Raspberry Pi 4 Model B Rev 1.4: temp_cpu, undervolt")


@pytest.mark.parametrize(
    ("word", "known", "said"),
    [
        (0x0, 0x0, (0, 0)),
        (0x1, 0x0, (1, 0)),
        (0x2, 0x0, (0, 1)),
        (0x4, 0x0, (0, 1)),
        (0x8, 0x0, (0, 1)),
        (0x50005, 0x50005, (1, 1)),
        (0x50000, 0x50000, (0, 0)),  # long ago, and told
        (0x10000, 0x0, (1, 0)),  # between two looks
        (0x50000, 0x10000, (0, 1)),
        (0x80000, 0x0, (0, 1)),
    ],
)
def test_the_firmwares_word(word, known, said):
    assert tuple(flags(word, known).values()) == said


def test_too_little_voltage_is_told_once_until_it_is_well_again(tree, caplog):
    tree.pi(throttled=0x50005)
    with Sensor(root=tree.root) as sensor, caplog.at_level(logging.WARNING):
        told = []
        for word in (0x50005, 0x50005, 0x50000, 0x50000, 0x50005):
            tree.pi(throttled=word)
            told.append((sensor.read()["undervolt"], len(caplog.records)))

    assert told == [(1, 1), (1, 1), (0, 1), (0, 1), (1, 2)]
    assert "better power supply" in caplog.text


def test_a_pi_5_keeps_it_elsewhere(tree):
    tree.write("sys/devices/platform/soc@107c000000/soc@107c000000:firmware/get_throttled", "1\n")
    with Sensor(root=tree.root) as sensor:
        assert sensor.read()["undervolt"] == 1


def test_another_kernel_tells_too_little_voltage_only(tree):
    tree.write("sys/class/hwmon/hwmon0/name", "cpu_thermal\n")
    tree.write("sys/class/hwmon/hwmon0/in0_lcrit_alarm", "0\n")
    tree.write("sys/class/hwmon/hwmon1/name", "rpi_volt\n")
    tree.write("sys/class/hwmon/hwmon1/in0_lcrit_alarm", "1\n")
    with Sensor(root=tree.root) as sensor:
        said = sensor.read()

    assert said["undervolt"] == 1
    assert "throttled" not in said


def test_any_linux_tells_something():
    with Sensor() as sensor:
        said = sensor.read()

    assert {"disk_free", "mem_free", "load", "uptime"} <= said.keys()


def test_the_processors_thermometer_is_taken(tree):
    tree.write("sys/class/thermal/thermal_zone0/type", "acpitz\n")
    tree.write("sys/class/thermal/thermal_zone0/temp", "20000\n")
    tree.write("sys/class/thermal/thermal_zone1/type", "x86_pkg_temp\n")
    tree.write("sys/class/thermal/thermal_zone1/temp", "55000\n")
    with Sensor(root=tree.root) as sensor:
        assert sensor.read()["temp_cpu"] == 55


@pytest.mark.parametrize("text", ["", "x", "MemTotal: 5 kB", "MemTotal: 0 kB\nMemAvailable: 0 kB"])
def test_memory_that_is_not_told(text):
    assert memory(text) is None


@pytest.mark.parametrize(
    ("file", "field"),
    [
        ("sys/class/thermal/thermal_zone0/temp", "temp_cpu"),
        ("sys/devices/platform/soc/soc:firmware/get_throttled", "undervolt"),
        ("proc/loadavg", "load"),
        ("proc/uptime", "uptime"),
        ("proc/meminfo", "mem_free"),
    ],
)
@pytest.mark.parametrize("damage", ["", "hello", "nan", None])
def test_a_file_that_vanishes_or_says_something_else_costs_its_own_fields_only(tree, file, field, damage):
    tree.pi()
    with Sensor(root=tree.root) as sensor:
        if damage is None:
            (tree.root / file).unlink()
        else:
            tree.write(file, damage)
        said = sensor.read()

    assert field not in said
    assert len(said) >= 4


@pytest.mark.parametrize("disk", ["/nowhere", "/proc"])
def test_a_disk_that_is_none_is_told_once(tree, caplog, disk):
    tree.pi()
    with Sensor(root=tree.root, disk=Path(disk)) as sensor, caplog.at_level(logging.WARNING):
        assert all("disk_free" not in sensor.read() for _ in range(3))

    [told] = caplog.records
    assert told.getMessage().startswith("disk_free cannot be told: ")
    assert disk in told.getMessage()


def test_it_is_found_on_a_pi_only(tree):
    assert Sensor.found(tree.root) == []
    tree.pi(model="Raspberry Pi Zero 2 W Rev 1.0")
    assert [tuple(found) for found in Sensor.found(tree.root)] == [({}, "Raspberry Pi Zero 2 W Rev 1.0")]
