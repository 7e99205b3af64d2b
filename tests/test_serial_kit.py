"""A daemon with two SDS011: each is itself whatever happens to the plugs, and one that hangs holds up nobody."""

import json

from mysense.testing import FastClock
from mysense.testing.devices.sds011 import Device
from mysense.testing.serial import Line
from tests.kit import Kit, until

CONF = """
[id]
project = Test
serial = two

[daemon]
interval = 1

[sensor:sds011]
port = {folder}/usb-1
device = A160
warm_up = 1
sample = 1
interval = 2

[sensor:sds011:roof]
port = {folder}/usb-2
device = B2C3
warm_up = 1
sample = 1
interval = 2

[publisher:console]
file = {folder}/said
format = json
"""


def played(folder, one, other):
    """Two devices by name, plugged into the first and the second socket."""
    dust = {"A160": (1.0, 2.0), "B2C3": (30.0, 40.0)}
    return [
        Line(Device(FastClock(20), name, dust[name]), link=folder / f"usb-{socket}")
        for socket, name in ((1, one), (2, other))
    ]


def test_two_of_a_kind_are_never_taken_for_one_another(tmp_path):
    kit, said = Kit(tmp_path, CONF.format(folder=tmp_path)), tmp_path / "said"

    def data():
        lines = said.read_text().splitlines() if said.exists() else []
        return [each["data"] for each in map(json.loads, lines) if "data" in each]

    def both():
        return any(each.keys() >= {"pm25", "pm25_roof"} for each in data()) or None

    lines = played(tmp_path, "A160", "B2C3")
    try:
        kit.start()
        until(both, 30)
        for line in lines:
            line.close()
        until(lambda: kit.worker("sensor:sds011")["state"] == "waiting", 30)
        lines = played(tmp_path, "B2C3", "A160")  # the plugs were mixed up
        for section, wrong in (("sensor:sds011", "B2C3, not to A160"), ("sensor:sds011:roof", "A160, not to B2C3")):
            until(lambda section=section, wrong=wrong: wrong in kit.worker(section)["message"], 60)
        for line in lines:
            line.close()
        count = len(data())
        lines = played(tmp_path, "A160", "B2C3")
        until(lambda: len(data()) > count + 1, 90)
        kit.stop()
    finally:
        kit.kill()
        for line in lines:
            line.close()

    assert {each["pm25"] for each in data() if "pm25" in each} == {1.0}
    assert {each["pm25_roof"] for each in data() if "pm25_roof" in each} == {30.0}
    assert "Traceback" not in kit.log.read_text()
