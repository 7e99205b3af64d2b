"""What docs/ttn.md shows is what happens."""

import re
import shlex
import subprocess
import sys
import threading
from pathlib import Path

import paho.mqtt.publish

from mysense import config
from mysense.channels import ttn
from mysense.channels.ttn import devices
from mysense.clock import Clock
from mysense.journal.memory import MemoryJournal
from mysense.telegram import Field, Location, ident_of
from mysense.worker import SubscribeWorker
from tests.kit import until
from tests.servers import Mosquitto

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "ttn.md").read_text(encoding="utf-8")


def blocks(language):
    """The blocks of code of one language."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return [text for name, text in found if name == language]


def test_every_configuration_of_the_page_is_right():
    found = [config.parse(text).ends[0].plugin for text in blocks("ini")]

    assert [(plugin.user, plugin.place) for plugin in found] == [
        ("garden@ttn", "eu1.cloud.thethings.network:8883")
    ] * len(found)
    assert (found[1].project, found[1].serial) == ("LoRa", "{eui}")
    assert [(device.name, device.serial) for device in found[2].devices] == [
        ("lopy4-1", "33004d45"), ("garden/lopy4-2", "30aea4"),
    ]  # fmt: skip
    assert found[2].all is False


def test_the_list_of_the_page_is_read(tmp_path):
    [text] = blocks("json")
    (tmp_path / "devices.json").write_text(text, encoding="utf-8")
    [(name, ident)] = devices.read(tmp_path / "devices.json").items()

    assert (name, ident.node, ident.label) == ("lopy4-1", "BdP_33004d45", "mill")
    assert ident.geolocation == Location(51.420635, 6.1356117, 22.9)
    assert ident.fields == (Field("pm25", "ug/m3", "SDS011"),)


def test_the_exercise_of_the_page_shows_what_the_page_shows(tmp_path):
    first, *publish = [shlex.split(line[2:]) for text in blocks("console") for line in text.splitlines()]
    [shown] = [text.splitlines() for text in blocks("")]
    with Mosquitto(tmp_path / "broker", more="log_type subscribe") as server:
        words = [str(server.port) if word == "1883" else word for word in first[1:]]
        window = subprocess.Popen([sys.executable, *words], stdout=subprocess.PIPE, text=True)
        try:
            until(lambda: subscribed(server))
            for command in publish:
                where, file = command[command.index("-t") + 1], ROOT / command[command.index("-f") + 1]
                paho.mqtt.publish.single(where, file.read_bytes(), 1, hostname="127.0.0.1", port=server.port)
            said = window.communicate(timeout=30)[0].splitlines()
        finally:
            window.kill()

    assert len(said) == len(shown)
    for line, like in zip(said, shown, strict=True):
        assert re.fullmatch(".*".join(map(re.escape, like.split("…"))), line)


def subscribed(server):
    """Whether somebody has subscribed: mosquitto is asked to log that."""
    return "devices/+/up" in (server.folder / "log").read_text()


def test_a_broker_between_keeps_what_comes_while_the_relay_is_away(tmp_path):
    [text] = blocks("conf")
    bridge = text[text.index("connection ttn") :].replace("bridge_capath /etc/ssl/certs\n", "")
    queue = "queue_qos0_messages true"
    assert queue in text
    message = (ROOT / "testdata" / "ttn" / "v3-decoded.json").read_bytes()
    journal = MemoryJournal()

    def worker(port):
        plugin = ttn.Subscriber(hostname="127.0.0.1", port=port, ssl=False)
        return SubscribeWorker("subscriber:ttn", plugin, threading.Event(), Clock(), journal)

    with Mosquitto(tmp_path / "network", more="log_type subscribe") as network:
        bridge = bridge.replace("eu1.cloud.thethings.network:8883", f"127.0.0.1:{network.port}")
        with Mosquitto(tmp_path / "own", more=f"{queue}\n{bridge}") as own:
            first = worker(own.port)
            with first.plugin:
                first.step()
            until(lambda: subscribed(network))
            with ttn.Subscriber(hostname="127.0.0.1", port=own.port, ssl=False) as watcher:
                where = "v3/garden@ttn/devices/k1/up"
                paho.mqtt.publish.single(where, message, 0, hostname="127.0.0.1", port=network.port)
                until(watcher.receive)  # the broker has it
            assert not journal.status().last
            again = worker(own.port)
            with again.plugin:
                until(lambda: (again.step(), journal.status().last)[1])

    assert ident_of(journal.read(0, 1)[0].telegram).node == "mysense-kits_lopy4-garden"
