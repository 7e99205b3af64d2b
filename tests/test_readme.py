"""What the README shows is what happens."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from mysense import config, options, plugin, sample
from tests.kit import Kit, mysense, until

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def blocks(language):
    return [text for name, text in BLOCKS if name == language]


def commands():
    """Every command that the README shows, in a block or in a line of text."""
    lines = [line.partition("#")[0] for text in blocks("sh") for line in text.splitlines()]
    lines += [line.removeprefix("$ ") for text in blocks("console") for line in text.splitlines() if line[:2] == "$ "]
    lines += re.findall(r"`((?:\.venv/bin/)?mysense \w[^`]*|make \w[^`]*|python -m [^`]*)`", README)
    return sorted({line.strip().removeprefix(".venv/bin/") for line in lines})


def shape(line):
    """A line of output without what differs from run to run: numbers, and the blanks that align them."""
    return re.sub(r"\s+", " ", re.sub(r"-?\d+(\.\d+)?", "0", line)).strip()


@pytest.mark.parametrize("command", commands())
def test_every_command_and_flag_exists(command):
    program, *words = shlex.split(command)
    if program == "make":
        assert f"\n{words[0]}:" in (ROOT / "Makefile").read_text()
        return
    flags = {word for word in words if word.startswith("--")}
    if program == "python":
        names, program = words[2:3], [sys.executable, "-m", words[1]]
    else:
        names, program = [word for word in words if word.isalpha()], [sys.executable, "-m", "mysense"]

    done = subprocess.run([*program, *names, "--help"], capture_output=True, text=True, timeout=60)

    assert done.returncode == 0, done.stderr
    assert {flag for flag in flags if flag not in done.stdout} == set()


def test_make_run_and_make_test_come_first():
    assert [line.split()[:2] for line in BLOCKS[0][1].splitlines()] == [["make", "run"], ["make", "test"]]


def test_the_sections_it_shows_can_be_written_so(tmp_path):
    for name in ("influxdb", "mqtt"):
        (tmp_path / f"{name}.password").write_text("secret\n")
    text = "\n".join(blocks("ini")).replace("/etc/mysense", str(tmp_path))
    conf = tmp_path / "MySense.conf"
    conf.write_text(text)

    settings = config.load(conf)

    assert [end.section for end in settings.ends] == [
        "sensor:dylos",
        "publisher:influxdb",
        "publisher:mqtt",
        "subscriber:mqtt",
        "subscriber:influxdb",
        "subscriber:influxlisten",
    ]


def test_the_sensor_it_shows_is_one(tmp_path):
    [text] = blocks("python")
    names = {"__name__": "cpu"}
    exec(text, names)
    (tmp_path / "temp").write_text("48312\n")

    sensor = names["Sensor"](file=tmp_path / "temp")

    assert isinstance(sensor, plugin.Sensor)
    assert sensor.read() == {sensor.measures[0].name: 48.312}
    assert "file" in options.declared(type(sensor))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The sample configuration in action: what it printed, and what ``mysense status`` said of it."""
    folder = tmp_path_factory.mktemp("readme")
    text = sample.repository().replace("#serial =", "serial = 33004d45")
    kit = Kit(folder, re.sub(r"^\[journal\]$", "", text, flags=re.MULTILINE))
    try:
        kit.start()
        until(lambda: kit.status()["journal"]["last"] >= 3 and kit.cursor("publisher:console")["lag"] == 0)
        status = mysense("status", "-c", kit.conf).stdout
        kit.stop()
    finally:
        kit.kill()
    return kit.log.read_text(), status


def test_make_run_prints_what_is_shown(run):
    [shown] = blocks("")[:1]

    printed = [shape(line) for line in run[0].splitlines()]
    assert [line for line in shown.splitlines() if shape(line) not in printed] == []


def test_status_says_what_is_shown(run):
    [shown] = blocks("console")

    said = [line.split()[:2] for line in run[1].splitlines() if ":" in line.partition(" ")[0]]
    assert [line.split()[:2] for line in shown.splitlines() if ":" in line.partition(" ")[0]] == said
