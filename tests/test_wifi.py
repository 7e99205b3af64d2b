"""Wi-Fi's table in /proc, as kernels write it."""

import pytest

from mysense.errors import UnavailableError
from mysense.sensors.wifi import Link, Sensor, parse
from mysense.testing import Sysfs

TAIL = "        0      0      0      0      0        0"


@pytest.fixture
def tree(tmp_path):
    return Sysfs(tmp_path)


@pytest.mark.parametrize(
    ("line", "link"),
    [
        (" wlan0: 0000   58.  -52.  -256" + TAIL, Link(83, -52)),
        (" wlan0: 0000   70.  -38.  -256" + TAIL, Link(100, -38)),
        ("wlp3s0: 0000   0.  -110.  -256" + TAIL, Link(0, -110)),
        (" wlan0: 0000   58   -52   -256" + TAIL, Link(83, -52)),  # not updated since
        ("  eth1: 0005  100.  200.     0" + TAIL, Link(None, None)),  # an old driver's own units
        (" wlan0: 0000   45.   35.     0" + TAIL, Link(64, None)),
    ],
)
def test_lines(line, link):
    [said] = parse(line + "\n").values()
    assert said == link


@pytest.mark.parametrize(
    "line", [" wlan0: 0000    0     0     0" + TAIL, "", "wlan0:", " wlan0: 0000   58.", "x" * 500]
)
def test_what_is_not_connected_or_no_line_is_none(line):
    assert parse(line) == {}


def test_a_damaged_table_gives_nothing_that_cannot_be():
    text = " wlan0: 0000   58.  -52.  -256" + TAIL + "\n"
    for place in range(len(text)):
        for letter in "09-. x\n":
            for link in parse(text[:place] + letter + text[place + 1 :]).values():
                assert link.level is None or -150 <= link.level < 0
                assert link.quality is None or 0 <= link.quality <= 100


def test_the_only_connected_interface(tree):
    tree.wireless(" wlan0: 0000   58.  -52.  -256" + TAIL, " wlan1: 0000    0     0     0" + TAIL)
    assert Sensor(root=tree.root).read() == {"rssi": -52, "link": 83}
    assert Sensor(root=tree.root).check() == "wlan0: -52 dBm"
    assert [found.options for found in Sensor.found(tree.root)] == [{}]


def test_of_two_one_is_named(tree):
    tree.wireless(" wlan0: 0000   58.  -52.  -256" + TAIL, " wlan1: 0000   40.  -70.  -256" + TAIL)
    with pytest.raises(UnavailableError, match="name one as 'interface': wlan0, wlan1"):
        Sensor(root=tree.root).read()
    assert Sensor(root=tree.root, interface="wlan1").read()["rssi"] == -70
    assert [found.options for found in Sensor.found(tree.root)] == [{"interface": "wlan0"}, {"interface": "wlan1"}]


def test_what_is_missing_is_told(tree):
    with pytest.raises(UnavailableError, match="keeps no table"):
        Sensor(root=tree.root).read()
    tree.wireless()
    with pytest.raises(UnavailableError, match="there is no Wi-Fi here"):
        Sensor(root=tree.root).read()
    tree.wireless(" wlan0: 0000    0     0     0" + TAIL)
    with pytest.raises(UnavailableError, match="wlan0 is not connected"):
        Sensor(root=tree.root).read()
    tree.wifi()
    assert Sensor(root=tree.root).read()["rssi"] == -52
