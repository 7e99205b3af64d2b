"""A kit with all the sensors of the system, as a process: one telegram, what goes is told, and it comes back."""

import pytest

from mysense.journal.sqlite import SqliteJournal
from mysense.telegram import Data, Location
from mysense.testing import Receiver, Sysfs
from tests.gpsd import Gpsd
from tests.kit import Kit, until

CONF = """
[id]
project = Test
serial = system
geolocation = 51.0,6.0,20
[daemon]
interval = 1
[sensor:iio]
name = bme280
interval = 0.2
root = {root}
[sensor:ds18b20:water]
interval = 0.2
root = {root}
[sensor:dht]
root = {root}
interval = 2
[sensor:gpsd]
port = {port}
interval = 0.2
[sensor:wifi]
interval = 0.2
root = {root}
[sensor:pi]
interval = 0.2
root = {root}
"""


@pytest.fixture
def tree(tmp_path):
    tree = Sysfs(tmp_path / "kernel")
    tree.bme280()
    tree.probe(temp=12.5)
    tree.dht()
    tree.wifi()
    tree.pi()
    return tree


def data(kit):
    """The data in the journal of a kit."""
    journal = SqliteJournal.open_existing(kit.journal)
    try:
        return [t for _, t in journal.read(0, 1000) if isinstance(t, Data)]
    finally:
        journal.close()


def test_a_kit_of_the_system(tmp_path, tree):
    with Receiver() as receiver, Gpsd(tmp_path / "gpsd", receiver.port) as server:
        kit = Kit(tmp_path, CONF.format(root=tree.root, port=server.port))
        kit.start()
        try:
            whole = until(
                lambda: next(
                    (d for d in data(kit) if {"lat", "hpa", "temp_water", "temp_dht"} <= d.values.keys()), None
                )
            )
            tree.remove(tree.root / "sys/bus/w1/devices/28-0316a2794cff")
            until(lambda: kit.worker("sensor:ds18b20:water")["state"] == "waiting")
            tree.probe(temp=13.5)
            until(lambda: data(kit)[-1].values.get("temp_water") == 13.5)
            assert {w["section"] for w in kit.status()["workers"] if w["state"] != "running"} == set()
            kit.stop()
        finally:
            kit.kill()

    assert whole.values["temp_iio"] == pytest.approx(25.082)
    assert whole.values["temp_water"] == 12.5
    assert whole.values["temp_dht"] == pytest.approx(21.3)
    assert whole.values["rssi"] == -52
    assert whole.values["temp_cpu"] == pytest.approx(48.312)
    assert (whole.values["lat"], whole.values["lon"]) == pytest.approx((51.5, 6.1))  # far from home: on its way
    assert whole.ident.geolocation == Location(51, 6, 20)
    assert kit.log.read_text().count("no probe answers") == 1
