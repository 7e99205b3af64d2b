"""What docs/sensors-system.md shows is what happens."""

import json
import re
import shlex
from pathlib import Path

import pytest

from mysense import config, registry
from mysense.fields import QUANTITIES
from mysense.journal.memory import MemoryJournal
from mysense.node import Node
from mysense.telegram import Ident
from mysense.testing import ManualClock, Sysfs
from tests.kit import mysense

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "sensors-system.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def blocks(kind):
    return [text for name, text in BLOCKS if name == kind]


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """The tree that the page makes, and what its sections need besides."""
    monkeypatch.chdir(tmp_path)
    [program] = blocks("python")
    made: dict[str, Sysfs] = {}
    exec(program, made)
    tree = made["tree"]
    tree.dht()
    tree.probe("28-0316a2794caa", 9.5)
    tree.wifi()
    return tree


@pytest.mark.parametrize("text", blocks("ini"))
def test_every_section_of_the_page_reads(tree, text):
    text = text.replace("/var/lib/mysense", str(tree.root))
    if "1-0077" in text:
        tree.bme280("1-0077")
    for end in config.parse(text).ends:
        if end.section != "sensor:gpsd":
            end.plugin.root = tree.root
            with end.plugin as sensor:
                assert sensor.read()


def test_two_probes_have_the_names_that_the_page_says(tree):
    [text] = [text for text in blocks("ini") if "ds18b20:water" in text]
    sensors = {end.section: end.plugin for end in config.parse(text).ends}
    node = Node(Ident("Test", "k1"), sensors, 60.0, MemoryJournal(), ManualClock())
    for section in sensors:
        node.give(section, {"temp": 20.0})
    fields = [field.name for field in node.ident().fields]

    assert fields == ["temp_air", "temp_water"]


@pytest.mark.parametrize(
    "command", [line[2:] for text in blocks("console") for line in text.splitlines() if line.startswith("$ mysense")]
)
def test_every_command_of_the_page_reads(tree, command):
    said = mysense(*shlex.split(command)[1:], "--root", tree.root)

    assert json.loads(said.stdout)["data"]


def test_the_table_says_what_is_measured():
    rows = re.findall(r"^\| `\[sensor:(\w+)\]` \|[^|]*\|([^|]*)\|", PAGE, re.MULTILINE)

    assert [name for name, _ in rows] == ["iio", "dht", "ds18b20", "gpsd", "wifi", "pi"]
    for name, fields in rows:
        named = re.findall(r"`(\w+)`", fields)
        assert set(named) <= QUANTITIES.keys()
        sensor = registry.find("sensor", name)()
        if name == "pi":
            with sensor:
                assert {field.name for field in sensor.measures} <= set(named)
        elif named:
            assert [field.name for field in sensor.measures] == named
