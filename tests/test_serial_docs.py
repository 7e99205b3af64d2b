"""What docs/sensors-serial.md shows is what happens."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from mysense import config
from mysense.recognising import serial_sensors

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "sensors-serial.md").read_text(encoding="utf-8")


def blocks(language):
    """The blocks of code of one language."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return [text for name, text in found if name == language]


def fits(said, shown):
    """Whether what was said is what the page shows, where … stands for anything."""
    return re.fullmatch(".*".join(map(re.escape, shown.strip().split("…"))), said.strip()) is not None


@pytest.fixture
def ports():
    """The command of the page that plays two devices, and its ports."""
    command, _, shown = blocks("console")[1].partition("\n")
    program = [sys.executable, *shlex.split(command.removeprefix("$ python "))]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as played:
        ports = [played.stdout.readline(), played.stdout.readline()]
        assert fits("".join(ports), shown)
        yield [port.strip() for port in ports]
        played.stdin.close()
        assert played.wait(10) == 0


def test_the_commands_of_the_page(ports):
    text = blocks("console")[0].replace("/dev/ttyUSB0", ports[0]).replace("/dev/ttyUSB1", ports[1])
    for command, shown in re.findall(r"^\$ mysense (.*)\n(.*)$", text, re.MULTILINE):
        done = subprocess.run(
            [sys.executable, "-m", "mysense", *shlex.split(command)], capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        assert fits(done.stdout, shown), done.stdout


def test_every_configuration_of_the_page_is_right():
    read = [end.section for text in blocks("ini") for end in config.parse(text).ends]

    assert read == ["sensor:sds011", "sensor:mhz19", "sensor:sps30", "sensor:spec_dgs", "sensor:spec_dgs:second"]


def test_every_sensor_on_a_serial_line_has_its_place():
    headings = re.findall(r"^## (.*)$", PAGE, re.MULTILINE)
    for kind in serial_sensors().values():
        model = (kind.__doc__ or "").partition("\n")[0]
        assert any(word in model for heading in headings for word in re.findall(r"\w*\d\w*|DGS|PMS", heading)), model


def test_messages_of_the_page_are_those_of_the_program():
    said = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "mysense" / "hardware").glob("*.py"))
    said = re.sub(r"\{.*?\}", "…", said)
    for message in re.findall(r"^\| `(.*?)` \|", PAGE, re.MULTILINE):
        parts = [part.strip(" :") for part in message.split("…")]
        assert all(part in said for part in parts), message


def test_devices_are_played_without_what_only_tests_need():
    names = ", ".join(f"mysense.testing.devices.{name}" for name in serial_sensors())
    program = f"import sys; sys.modules['pytest'] = None; import mysense.testing.serial, mysense.testing.i2c, {names}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)

    assert done.returncode == 0, done.stderr
