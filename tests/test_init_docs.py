"""The page about ``mysense init`` shows what is seen: its commands are typed, on simulated devices."""

import re
import shlex
from pathlib import Path

import pytest

from mysense import config
from mysense.testing.kit import SimulatedKit
from tests.dialogue import Dialogue
from tests.kit import mysense

PAGE = (Path(__file__).parent.parent / "docs" / "init.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```console\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = [shlex.split(line[2:]) for text in BLOCKS for line in text.splitlines() if line[:2] == "$ "]


def shape(text):
    """Its lines without what differs from kit to kit: numbers, ports, names of this machine."""
    text = re.sub(r"\x1b\[K|.*\r", "", text)
    text = re.sub(r"I2C bus [^\s,]+", "I2C bus", re.sub(r"/dev/[^\s,]+", "PORT", text))
    text = re.sub(r"gpsd [\d.]+~?\w*, ", "gpsd, ", re.sub(r"MySense.conf for \S+", "MySense.conf for NODE", text))
    lines = (re.sub(r"(?<![\w.])-?\d[\d.:T+-]*", "0", re.sub(r" +", " ", line)).strip() for line in text.splitlines())
    return [line for line in lines if line and line != "…"]


def test_the_conversation_is_the_one_that_is_shown(tmp_path):
    devices = ["bme280", "bme280", "scd4x", "sds011", "pi", "gpsd"]
    with SimulatedKit(tmp_path, devices) as kit, Dialogue("init", *kit.flags, cwd=tmp_path) as person:
        for question, text in (
            ("Project", "BdP"), ("Label", "shed"), ("Location", ""), ("Publish", "influxdb"),
            ("hostname", "influx.example.org"), ("user, user name", "shed"), ("password", "secret"),
        ):  # fmt: skip
            person.answer(question, text)
        said = person.ends()

    assert shape(said.replace(str(kit.root), "")) == shape(BLOCKS[0].partition("\n")[2])
    assert len(config.load(tmp_path / "MySense.conf").ends) == 7


def test_a_demo_shows_what_is_shown():
    [shown] = [text for text in BLOCKS if "demo" in text]
    done = mysense("demo", "--sensors", "bme280,sds011", "--count", "1")

    printed = shape(done.stderr + done.stdout)
    assert [line for line in shape(shown) if line[0] != "$" and line not in printed and line != "bme280"] == []


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_and_flag_is_there(command):
    program, name, *flags = command
    said = mysense(name, "--help").stdout

    assert program == "mysense"
    assert [flag for flag in flags if flag.startswith("--") and flag not in said] == []


def test_the_line_for_scripts_does_what_is_said(tmp_path):
    [command] = [words for words in COMMANDS if "--yes" in words]
    with SimulatedKit(tmp_path, ["bme280"]) as kit:
        said = mysense(*command[1:], *kit.flags, cwd=tmp_path).stderr

    settings = config.load(tmp_path / "kit.conf")
    assert settings.identity.label == "shed"
    assert [end.section for end in settings.ends] == ["sensor:bme280", "publisher:console"]
    assert "[publisher:csv] is switched off" in said
