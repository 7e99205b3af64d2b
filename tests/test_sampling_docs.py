"""docs/sampling.md says what is so: its sections are read, its names are given, its words are those that are told."""

import re

import pytest

from mysense import config, judge, naming, trouble
from mysense.plugin import Sensor
from mysense.telegram import Field
from mysense.window import KEPT, OUTLIERS, STATISTICS
from tests.kit import Kit, mysense, until
from tests.test_docs import ROOT

PAGE = (ROOT / "docs" / "sampling.md").read_text(encoding="utf-8")


class Weather(Sensor):
    """A temperature."""

    measures = (Field("temp", "C"),)

    def read(self):
        return None


@pytest.mark.parametrize("text", re.findall(r"^```ini\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
def test_its_sections_are_right_and_say_something(text):
    settings = config.parse(text)

    assert not settings.notices
    [sensor] = settings.of("sensor")
    assert sensor.options != type(sensor.options)()


def test_the_names_in_its_table_are_given():
    rows = re.findall(r"^\| `\[(\S+)\]`, `\[(\S+)\]` \| `(\S+)`, `(\S+)` \|$", PAGE, re.MULTILINE)

    assert len(rows) == 3
    for one, other, *shown in rows:
        given = naming.names({one: Weather(), other: Weather()})
        assert [given[section]["temp"] for section in (one, other)] == shown


def test_every_statistic_and_every_kind_of_trouble_is_there():
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", PAGE, re.MULTILINE)
    words = {word for row in rows for word in re.findall(r"\w+", row)}

    kinds = {trouble.STUCK, trouble.SILENT, trouble.ERRORS, trouble.FAILED, trouble.RANGE, trouble.STATIC, trouble.WELL}
    assert words == {"statistic", *STATISTICS, *kinds}
    assert all(f"`{word}`" in PAGE for word in OUTLIERS if word != "no")
    assert f"{KEPT} of a field" in PAGE
    assert judge.STATIC in PAGE


def test_a_kit_shows_all_of_it_from_the_file_to_the_screen(tmp_path):
    kit = Kit(
        tmp_path,
        "[daemon]\ninterval = 2\n[sensor:simulated]\ninterval = 0.2\noutliers = hampel\n"
        "statistic = last, pm25: median\ncounts = yes\nraw = yes\nranges = hpa: 1..2\n"
        f"[sensor:simulated:garden]\ninterval = 0.5\n[publisher:console]\nformat = json\nfile = {tmp_path}/out",
    )
    out = tmp_path / "out"
    checked = mysense("check", "-c", kit.conf).stdout
    kit.start()
    try:
        until(lambda: out.exists() and out.read_text().count('"pm25_n"') > 2 and '"kind":"range"' in out.read_text())
        shown, log = mysense("status", "-c", kit.conf).stdout, kit.log.read_text()
    finally:
        kit.stop()

    assert "several sensors measure temp" in checked
    assert "cannot be true, it goes from 1 to 2" in shown
    assert "values that cannot be true" in shown
    assert log.count("cannot be true, it goes from 1 to 2") == 1
    said = out.read_text().splitlines()
    data = [line for line in said if '"data"' in line and '"raw"' not in line]
    assert any('"temp_garden"' in line and '"pm25_n"' in line for line in data)
    assert not any('"hpa"' in line for line in data)
    assert any('"raw":"simulated"' in line and '"flags":{"hpa":"cannot be true"}' in line for line in said)
