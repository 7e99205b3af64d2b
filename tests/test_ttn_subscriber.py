"""Uplinks over a real broker: into the journal, at either quality of service, and set aside with a reason."""

import json
import threading
import time
from pathlib import Path

import paho.mqtt.publish
import pytest

from mysense.channels import ttn
from mysense.clock import Clock
from mysense.errors import ConfigError, UnavailableError
from mysense.journal.memory import MemoryJournal
from mysense.telegram import Data
from mysense.worker import SubscribeWorker
from tests.servers import Mosquitto

FILES = Path(__file__).parent.parent / "testdata" / "ttn"
PATIENCE = 20.0


class Kits:
    """A broker, who publishes there as the network does, and a worker who takes in."""

    def __init__(self, server, application, **options):
        self.server, self.application = server, application
        self.login = {"username": "network", "password": "acacadabra"}
        self.options = {
            "hostname": "127.0.0.1", "port": server.port, "ssl": False, "topic": (f"v3/{application}/devices/+/up",),
        } | options  # fmt: skip
        self.journal = MemoryJournal()

    def worker(self):
        plugin = ttn.Subscriber(**self.options)
        return SubscribeWorker("subscriber:ttn", plugin, threading.Event(), Clock(), self.journal)

    def publish(self, *names, qos=1, topic="v3/{}/devices/kit/up"):
        """Publish captured messages."""
        where = topic.format(self.application)
        messages = [(where, (FILES / f"{name}.json").read_bytes(), qos, False) for name in names]
        paho.mqtt.publish.multiple(messages, "127.0.0.1", self.server.port, auth=self.login)

    @property
    def data(self):
        return [entry.telegram for entry in self.journal.read(0, 999) if isinstance(entry.telegram, Data)]


def work(worker, condition):
    """Let a worker take in until something holds."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        worker.step()


@pytest.mark.parametrize("qos", [0, 1])
def test_uplinks_are_journalled_at_either_quality_of_service(mosquitto, serial, qos):
    kits = Kits(mosquitto, serial)
    worker = kits.worker()
    with worker.plugin:
        worker.step()
        kits.publish("v3-port3", "v3-port4", "v3-decoded", "v3-join", qos=qos)
        work(worker, lambda: len(kits.data) == 2)

    kit, garden = kits.data
    assert (kit.ident.node, kit.ident.meta["dust"], kit.values["pm25"]) == ("mysense-kits_lopy4-roof", "PMS7003", 8.7)
    assert (garden.ident.node, garden.values["state"]) == ("mysense-kits_lopy4-garden", "ok")


def test_what_comes_during_a_restart_is_taken_with_what_the_kit_told_before(mosquitto, serial):
    kits = Kits(mosquitto, serial)
    worker = kits.worker()
    with worker.plugin:
        worker.step()
        kits.publish("v3-port3")
        work(worker, lambda: kits.journal.status().last)
    kits.publish("v3-port4", "v3-port4")
    again = kits.worker()
    with again.plugin:
        work(again, lambda: kits.journal.status().repeated)

    [data] = kits.data
    assert data.ident.fields[0].device == "PMS7003"


def test_messages_of_version_2_come_by_their_own_topics(mosquitto, serial):
    kits = Kits(mosquitto, serial, topic=(f"{serial}/devices/+/up",))
    worker = kits.worker()
    with worker.plugin:
        worker.step()
        kits.publish("v2-decoded", topic="{}/devices/lopy_garden/up")
        work(worker, lambda: kits.data)

    assert kits.data[0].values["battery"] == 3912


def test_what_cannot_be_read_is_set_aside_with_its_reason_and_holds_up_nothing(mosquitto, serial, tmp_path):
    kits = Kits(mosquitto, serial)
    worker = kits.worker()
    unknown = json.loads((FILES / "v3-port4.json").read_text())
    unknown["uplink_message"]["f_port"] = 12
    with worker.plugin:
        worker.step()
        where = f"v3/{serial}/devices/kit/up"
        bad = [(where, json.dumps(unknown).encode(), 1, False), (where, b"\xff", 1, False)]
        paho.mqtt.publish.multiple(bad, "127.0.0.1", mosquitto.port)
        kits.publish("v3-port4")
        work(worker, lambda: kits.data)

    reasons = [each.reason for each in kits.journal.rejected()]
    assert len(reasons) == 2
    assert "port 12 are not documented" in reasons[0]
    assert "no message of The Things Network: not UTF-8 text" in reasons[1]


def test_an_application_shows_its_key(tmp_path):
    with Mosquitto(tmp_path / "keys", passwords={"garden@ttn": "NNSXS.KEY", "network": "acacadabra"}) as server:
        (tmp_path / "key").write_text("NNSXS.KEY\n")
        kits = Kits(server, "garden@ttn", user="garden@ttn", password_file=tmp_path / "key")
        worker = kits.worker()
        with worker.plugin:
            worker.step()
            kits.publish("v3-decoded")
            work(worker, lambda: kits.data)

        assert (
            "takes our subscription to v3/garden@ttn/devices/+/up (MQTT 3.1.1)"
            in ttn.Subscriber(**kits.options).check()
        )
        (tmp_path / "key").write_text("NNSXS.OTHER\n")
        with pytest.raises(UnavailableError, match="user"):
            ttn.Subscriber(**kits.options).open()


def test_a_list_that_cannot_be_read_is_told_before_anything_is_asked(tmp_path):
    plugin = ttn.Subscriber(hostname="192.0.2.1", devices_file=tmp_path / "none.json")

    for verb in (plugin.open, plugin.check):
        with pytest.raises(ConfigError, match="devices_file"):
            verb()
