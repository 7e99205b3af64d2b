"""Relays that publish to brokers: one far end that is away holds up no other, and nothing goes round."""

import json
from collections import Counter

import pytest

from tests.fleet import Fleet, count, journalled, once, stored
from tests.kit import Kit, mysense, until
from tests.mqtt import Loader
from tests.relay import Relay
from tests.servers import Mosquitto

TO = """\
[publisher:mqtt]
hostname = 127.0.0.1
port = {broker.port}
"""
KIT = """\
[id]
project = Fleet
serial = own
[daemon]
interval = 1
[sensor:simulated]
interval = 0.2
[subscriber:mqtt]
hostname = 127.0.0.1
port = {broker.port}
"""


@pytest.fixture
def brokers(tmp_path):
    """Two brokers."""
    with Mosquitto(tmp_path / "broker-a") as a, Mosquitto(tmp_path / "broker-b") as b:
        yield a, b


def lags(relay):
    """How far behind each publisher of a relay is."""
    return {cursor["name"]: cursor["lag"] for cursor in relay.status()["journal"]["cursors"]}


def quiet(*relays):
    """Wait until nothing is on its way between relays any more: twice the same, and all delivered."""

    def state():
        said = [relay.status() for relay in relays]
        return [(each["journal"]["cursors"], [worker["count"] for worker in each["workers"]]) for each in said]

    until(lambda: not any(lag for relay in relays for lag in lags(relay).values()) and state() == state())


@pytest.mark.parametrize("away", ["influxdb", "csv", "mqtt"])
def test_one_of_three_far_ends_that_is_away_the_whole_time_holds_up_no_other(
    away, brokers, own_influxd, serial, tmp_path
):
    (a, b), fleet = brokers, Fleet(5, serial)
    relay = Relay(tmp_path / "relay", a, own_influxd, more=TO.format(broker=b))
    archive = Relay(tmp_path / "archive", b)
    with archive:
        archive.listens()
        match away:
            case "influxdb":
                own_influxd.stop()
            case "csv":
                (relay.folder / "csv").write_text("a file where a folder should be")
            case "mqtt":
                b.stop()
        with relay:
            relay.listens()
            Loader(a).load(fleet.messages(range(2_000)))
            wanted = fleet.marks(range(2_000))
            if away != "influxdb":
                until(lambda: count(own_influxd, fleet.names) == len(wanted))
                once(stored(own_influxd, fleet.names), wanted, "in influxd")
            if away != "csv":
                until(lambda: len(relay.files()) == len(wanted))
                once(relay.files(), wanted, "in the CSV files")
            if away != "mqtt":
                until(lambda: len(archive.files()) == len(wanted))
                once(journalled(archive), wanted, "behind the other broker")
            until(lambda: [name for name, lag in lags(relay).items() if lag] == [f"publisher:{away}"])
            assert relay.worker(f"publisher:{away}")["state"] == "waiting"


def test_two_relays_between_two_brokers_carry_nothing_round(brokers, tmp_path):
    (a, b), here, there = brokers, Fleet(3, "Here"), Fleet(3, "There")
    forth = Relay(tmp_path / "forth", a, more=TO.format(broker=b))
    back = Relay(tmp_path / "back", b, more=TO.format(broker=a))
    with forth, back:
        forth.listens()
        back.listens()
        Loader(a).load(here.messages(range(1_000)))
        Loader(b).load(there.messages(range(1_000)))
        wanted = here.marks(range(1_000)) | there.marks(range(1_000))
        until(lambda: len(forth.files()) == len(back.files()) == len(wanted))
        quiet(forth, back)
        # More of one node than are known as repeats: that they went round would not be seen by that.
        back.stop()
        Loader(a).load(Fleet(1, "Here").messages(range(1_000, 4_000)))
        until(lambda: lags(forth)["publisher:mqtt"] == 0)
        back.start()
        wanted |= Fleet(1, "Here").marks(range(1_000, 4_000))
        until(lambda: len(forth.files()) == len(back.files()) == len(wanted))
        quiet(forth, back)

    once(journalled(forth), wanted, "in the journal of one")
    once(journalled(back), wanted, "in the journal of the other")


def test_a_relay_that_reads_and_writes_one_topic_does_not_take_in_what_it_published(own_mosquitto, tmp_path):
    fleet = Fleet(1)
    relay = Relay(tmp_path / "relay", own_mosquitto, more=TO.format(broker=own_mosquitto))
    witness = Relay(tmp_path / "witness", own_mosquitto)
    with relay, witness:
        relay.listens()
        witness.listens()
        Loader(own_mosquitto).load(fleet.messages(range(3_000)))
        wanted = fleet.marks(range(3_000))
        until(lambda: witness.taking()["count"] == 2 * len(wanted))
        quiet(relay, witness)

        assert relay.worker("publisher:mqtt")["count"] < 1.1 * len(wanted)
        once(journalled(relay), wanted, "in the journal")


def test_a_kit_takes_in_others_and_not_itself(own_mosquitto, tmp_path):
    fleet, folder = Fleet(2), tmp_path / "kit"
    folder.mkdir()
    kit = Kit(folder, KIT.format(broker=own_mosquitto) + TO.format(broker=own_mosquitto))
    witness = Relay(tmp_path / "witness", own_mosquitto)

    def times(who):
        """The times of what the kit measured, in a journal."""
        told = [json.loads(line) for line in mysense("journal", "export", "-c", who.conf).stdout.splitlines()]
        return Counter(each["data"]["time"] for each in told if each.get("serial") == "own" and "data" in each)

    try:
        with witness:
            witness.listens()
            kit.start()
            until(lambda: kit.worker("subscriber:mqtt")["state"] == "running")  # a broker keeps nothing before that
            Loader(own_mosquitto).load(fleet.messages(range(100)))
            until(lambda: len(times(witness)) >= 3)
            kit.stop()
            until(lambda: times(witness).keys() == times(kit).keys())
            kit.start()  # now everything of its own that was published while it was away has come to it, too
            until(lambda: kit.worker("subscriber:mqtt")["state"] == "running")
            repeated = kit.status()["journal"]["repeated"]
            kit.stop()
    finally:
        kit.kill()

    assert set(times(kit).values()) == {1}
    assert repeated == 0  # it did not even come as far as the journal, which would know it again
    once(journalled(kit), fleet.marks(range(100)), "in the journal of the kit")
