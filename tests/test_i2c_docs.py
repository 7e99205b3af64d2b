"""What docs/sensors-i2c.md shows is what happens."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mysense import config, registry
from mysense.hardware.chip import Chip
from mysense.hardware.i2c import listed
from tests.kit import until
from tests.test_add_docs import said

PAGE = (Path(__file__).parent.parent / "docs" / "sensors-i2c.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_table_names_every_sensor_on_i2c_with_its_fields_and_addresses():
    classes = {name: registry.find("sensor", name) for name in registry.names("sensor")}
    there = {name for name, cls in classes.items() if issubclass(cls, Chip)}
    rows = {
        row[0]: row for row in re.findall(r"^\| .* \| `\[sensor:(\w+)\]` \| (.*) \| (0x.*) \|$", PAGE, re.MULTILINE)
    }

    assert rows.keys() == there
    for name, (_, fields, places) in rows.items():
        assert re.findall(r"`(\w+)`", fields) == [field.name for field in classes[name]().measures]
        assert re.findall(r"0x\w+", places) == listed(classes[name].addresses).split(", ")


def test_every_configuration_of_the_page_is_right():
    one, two = (config.parse(text) for text in blocks("ini"))

    assert [end.plugin.altitude for end in one.ends if end.section == "sensor:scd4x"] == [22]
    assert [(end.section, end.plugin.i2c) for end in two.ends] == [
        ("sensor:bme280:inside", 0x76), ("sensor:bme280:outside", 0x77),
    ]  # fmt: skip


def test_every_option_on_the_page_is_there():
    names = {name for kind in ("bme280", "bme680", "scd30", "scd4x") for name in vars(registry.find("sensor", kind)())}

    assert {"heater", "heating", "altitude", "pressure", "temperature_offset", "low_power", "asc", "gas"} <= names


@pytest.fixture
def shell(tmp_path):
    """Run a command as it is shown; one with & behind goes on until the test ends."""
    env = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    running = []

    def shell(command):
        shared = {"cwd": tmp_path, "env": env, "text": True, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        if command.endswith(" &"):
            running.append(subprocess.Popen(["/bin/sh", "-c", f"exec {command[:-2]}"], **shared))
            until(lambda: (tmp_path / "bus").is_socket())
            return running[-1].stdout.readline()
        return subprocess.run(command, shell=True, timeout=60, stdin=subprocess.DEVNULL, **shared).stdout

    yield shell
    for process in running:
        process.terminate()
        assert process.wait(20) == 0
        process.stdout.close()
    assert not (tmp_path / "bus").exists()


def test_the_session_shows_what_happens(shell):
    [session] = blocks("console")
    for command, shown in said(session):
        output = shell(command)
        assert re.fullmatch(shown, output), f"$ {command}\n{output}\nis not as shown:\n{shown}"


def test_a_bus_whose_starter_is_gone_ends(tmp_path):
    """Nobody has to look for simulated buses that were left behind."""
    code = """if True:
        import subprocess, sys
        bus = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        bus.stdout.readline()
    """
    bus = [sys.executable, "-m", "mysense.testing.i2c", "bus", "bme280@0x76"]
    subprocess.run([sys.executable, "-c", code, *bus], cwd=tmp_path, timeout=60, check=True)

    until(lambda: not (tmp_path / "bus").exists(), 20)
