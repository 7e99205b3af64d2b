"""Kits in Home Assistant, by way of a real mosquitto: they appear, change, and go."""

import json
import time

import pytest

from mysense.channels import mqtt
from mysense.channels.mqtt import homeassistant as ours
from mysense.state import State
from mysense.telegram import SECOND, Data, Field, Ident
from tests.homeassistant import Home
from tests.kit import until
from tests.listener import Listener
from tests.packets import CONNACK, packet
from tests.servers import Mosquitto
from tests.standins.broker import Broker

TEMP, RH = Field("temp", "C", "BME280"), Field("rh", "%", "BME280")


@pytest.fixture(autouse=True)
def _in_a_moment(monkeypatch):
    monkeypatch.setattr(ours, "_DELAY", (0.0, 0.1))


@pytest.fixture
def ident(serial):
    return Ident("Ha", serial, "shed", fields=(TEMP, RH))


@pytest.fixture
def prefix(serial):
    return f"home-{serial}"


@pytest.fixture
def seen(mosquitto, prefix, ident):
    """What a Home Assistant hears: device messages, and what is below the topics of the kit."""
    home = Home(prefix)
    with Listener(
        mosquitto.port, *home.filters, f"IoS/Ha/{ident.serial}/state", f"IoS/Ha/{ident.serial}/status"
    ) as ears:
        yield Seen(home, ears)


class Seen:
    """A Home Assistant, and what it has heard so far."""

    def __init__(self, home, ears):
        self.home, self.ears, self._done = home, ears, 0

    def states(self):
        """The states of its entities, by the names of the fields, after all that has come."""
        while self._done < len(self.ears.heard):
            self.home.take(self.ears.heard[self._done])
            self._done += 1
        return {key.rpartition("-")[2]: value for key, value in self.home.states.items()}

    def until(self, **states):
        until(lambda: self.states() == states)


def publisher(server, prefix, own=None, state=None, **options):
    given = {"hostname": "127.0.0.1", "port": server.port, "discovery": True, "discovery_prefix": prefix, **options}
    far = mqtt.Publisher(**given)
    far.own, far.state = own, State() if state is None else state
    return far


def data(ident, ago=0.0, **values):
    return Data(ident, time.time_ns() - int(ago * SECOND), values)


@pytest.mark.parametrize("layout", ["classic", "split"])
def test_a_kit_appears_with_its_values(mosquitto, prefix, ident, seen, layout):
    with publisher(mosquitto, prefix, ident, layout=layout) as far:
        assert far.publish([ident, data(ident, temp=20.5, rh=60)]) == {}
        seen.until(temp="20.5", rh="60")
        assert seen.home.online == {f"mysense_Ha_{ident.serial}": True}
        far.publish([data(ident, temp=0)])
        seen.until(temp="0", rh=None)
    until(lambda: seen.states() and seen.home.online == {f"mysense_Ha_{ident.serial}": False})


def test_a_device_stays_announced_and_its_state_does_not_stay(mosquitto, prefix, ident):
    with publisher(mosquitto, prefix, ident) as far:
        far.publish([data(ident, temp=20.5, rh=60)])
    with Listener(mosquitto.port, f"{prefix}/#", f"IoS/Ha/{ident.serial}/#") as late:
        there = late.until(2)
    assert {each.topic for each in there} == {
        f"{prefix}/device/mysense_Ha_{ident.serial}/config", f"IoS/Ha/{ident.serial}/status"}  # fmt: skip


def test_it_sees_the_newest_of_what_is_measured_now_and_no_history(mosquitto, prefix, ident, seen):
    with publisher(mosquitto, prefix, ident, expire=60.0) as far:
        far.publish([data(ident, ago=3600, temp=1.0)])
        far.publish([data(ident, ago=-3600, temp=2.0)])  # a clock that is wrong
        assert not [each for each in seen.ears.heard if each.topic.endswith(("state", "config"))]
        far.publish([data(ident, ago=20, temp=3.0), data(ident, ago=10, temp=4.0), data(ident, ago=30, temp=5.0)])
        far.publish([data(ident, ago=15, temp=6.0)])
        seen.until(temp="4.0", rh=None)
    states = [json.loads(each.payload) for each in seen.ears.heard if each.topic.endswith("/state")]
    assert {each["temp"] for each in states} == {4.0}


def test_a_clock_that_is_set_back_hides_nothing(mosquitto, prefix, ident, seen, monkeypatch):
    with publisher(mosquitto, prefix, ident) as far:
        now = time.time_ns()
        with monkeypatch.context() as wrong:
            wrong.setattr(time, "time_ns", lambda: now + 86400 * SECOND)
            far.publish([data(ident, temp=1.0)])
        far.publish([data(ident, temp=2.0)])
        seen.until(temp="2.0", rh=None)


def test_a_field_that_comes_appears_and_one_that_goes_is_removed(mosquitto, prefix, ident, seen):
    fewer = Ident("Ha", ident.serial, "roof", fields=(TEMP, Field("pm25", "ug/m3", "SDS011")))
    with publisher(mosquitto, prefix, ident) as far:
        far.publish([data(ident, temp=1.0, rh=60)])
        far.publish([data(fewer, temp=2.0, pm25=3.5)])
        seen.until(temp="2.0", pm25="3.5")
    [config] = seen.home.devices
    messages = [json.loads(each.payload)["cmps"] for each in seen.ears.heard if each.topic == config]
    assert [message.get(f"mysense_Ha_{ident.serial}-rh", {}).get("name", "gone") for message in messages] == [
        "Relative humidity", "gone", "gone"]  # fmt: skip
    assert len(messages[-1]) == 2
    assert seen.home.devices[config]["dev"]["name"] == "roof"


def test_a_field_that_went_while_nothing_ran_is_removed_too(mosquitto, prefix, ident, seen):
    state, fewer = State(), Ident("Ha", ident.serial, "shed", fields=(TEMP,))
    with publisher(mosquitto, prefix, ident, state) as far:
        far.publish([data(ident, temp=1.0, rh=60)])
    with publisher(mosquitto, prefix, ident, State(dict(state))) as far:
        far.publish([data(fewer, temp=2.0)])
        seen.until(temp="2.0")


def test_states_are_sent_again_when_home_assistant_has_started(mosquitto, prefix, ident, seen):
    with publisher(mosquitto, prefix, ident) as far:
        far.publish([data(ident, temp=20.5, rh=60)])
        topic = f"IoS/Ha/{ident.serial}/state"
        until(lambda: far.idle() or len(seen.ears.payloads(topic)) == 2)  # once more for whoever has just learnt of it
        seen.ears.say(f"{prefix}/status", "offline")
        seen.ears.say(f"{prefix}/status", "online")
        until(lambda: far.idle() or len(seen.ears.payloads(topic)) == 3)
        assert len(set(seen.ears.payloads(topic))) == 1
        far.idle()
        assert far._homeassistant.due() == []


def test_a_state_that_is_no_longer_fresh_is_not_sent_again(mosquitto, prefix, ident, seen):
    measured = data(ident, ago=0.5, temp=20.5)
    with publisher(mosquitto, prefix, ident, expire=1.0) as far:
        far.publish([measured])
        until(lambda: not far._homeassistant._fresh(measured))
        far._homeassistant._again()
        until(lambda: far._homeassistant._due < time.monotonic())
        assert far._homeassistant.due() == []


def test_a_broker_that_forgot_is_told_again_with_the_next_connection(tmp_path, prefix, ident):
    server = Mosquitto(tmp_path / "server")
    far = publisher(server, prefix, ident)
    with server:
        with far:
            far.publish([data(ident, temp=1.0)])
        server.kill()
        server.start()
        with far, Listener(server.port, f"{prefix}/#") as ears:
            far.publish([data(ident, temp=2.0)])
            assert ears.until(1)[0].topic == f"{prefix}/device/mysense_Ha_{ident.serial}/config"


def test_what_was_announced_is_cleared_when_discovery_is_switched_off(mosquitto, prefix, ident, seen):
    state = State()
    with publisher(mosquitto, prefix, ident, state) as far:
        far.publish([data(ident, temp=1.0, rh=60)])
    with publisher(mosquitto, prefix, ident, state, discovery=False) as far:
        far.publish([data(ident, temp=2.0, rh=60)])
        seen.until()
    assert [*state] == ["client"]
    with Listener(mosquitto.port, f"{prefix}/#", f"IoS/Ha/{ident.serial}/status") as late:
        assert [each.topic for each in late.until(1)] == [f"IoS/Ha/{ident.serial}/status"]


def test_another_prefix_moves_the_device(mosquitto, prefix, ident):
    state = State()
    with Listener(mosquitto.port, f"{prefix}/#", f"{prefix}-2/#") as ears:
        for each in (prefix, f"{prefix}-2"):
            with publisher(mosquitto, each, ident, state) as far:
                far.publish([data(ident, temp=1.0)])
        ears.until(3)
    assert [(each.topic.partition("/")[0], bool(each.payload)) for each in ears.heard] == [
        (prefix, True), (prefix, False), (f"{prefix}-2", True)]  # fmt: skip


def test_a_relay_shows_all_its_nodes_and_says_itself_whether_it_is_there(mosquitto, prefix, serial):
    home, topic = Home(prefix), f"IoS/{serial}"
    with Listener(mosquitto.port, *home.filters, f"{topic}/#") as ears:
        with publisher(mosquitto, prefix, status=f"{topic}/relay") as far:
            far.publish([data(Ident(serial, f"k{n}", fields=(TEMP,)), temp=float(n)) for n in range(3)])
        ears.until(3 + 3 + 3 + 2)
    for each in ears.heard:
        home.take(each)
    assert {key.rpartition("_k")[2]: state for key, state in home.states.items()} == {
        "0-temp": "0.0", "1-temp": "1.0", "2-temp": "2.0"}  # fmt: skip
    assert all(message["avty"] == [{"t": f"{topic}/relay"}] for message in home.devices.values())
    assert set(home.online.values()) == {False}


def test_what_may_not_be_told_to_home_assistant_holds_up_no_telegram(tmp_path, prefix, ident, caplog):
    rules = f"user kit\ntopic write IoS/Ha/{ident.serial}\nuser ears\ntopic read IoS/#\n"
    words = {"kit": "a", "ears": "b"}
    server = Mosquitto(tmp_path / "server", passwords=words, acl=rules, queue=1000)
    with server, Listener(server.port, "IoS/#", user="ears", password="b") as ears:
        with publisher(server, prefix, ident, user="kit", password="a", version="5") as far:
            for n in range(3):
                assert far.publish([data(ident, temp=float(n))]) == {}
            again = far._homeassistant.show({f"IoS/Ha/{ident.serial}": data(ident, temp=4.0)})
            assert [each.lane for each in again] == [f"IoS/Ha/{ident.serial}/state"]  # not what was refused
        ears.until(3)
    told = [each.getMessage() for each in caplog.records]
    assert len([each for each in told if "config: it is a matter of rights" in each]) == 1


@pytest.mark.parametrize(("version", "refusal"), [("5", b"\0\1\0\x87"), ("3.1.1", b"\0\1\x80")])
def test_who_may_not_hear_when_it_starts_publishes_all_the_same(version, refusal, caplog):
    welcome = CONNACK[5 if version == "5" else 4]
    with Broker((welcome, packet(0x90, refusal))) as server, \
         publisher(server, "homeassistant", version=version) as far:  # fmt: skip
        far.idle()

    assert "does not let us read homeassistant/status" in caplog.text
    assert caplog.text.count("kits show in Home Assistant only some time after it has started") == 1
