"""A relay from a broker to a server and to files: killed, cut off, and nothing lost or doubled."""

import threading

from tests.fleet import Fleet, count, journalled, once, stored
from tests.kit import until
from tests.mqtt import Loader
from tests.relay import Relay
from torture.broker import forget
from torture.relay import storm


def test_of_all_that_a_broker_took_everything_arrives_once_though_each_in_turn_is_killed(tmp_path):
    went = storm(tmp_path, 20, 4_000, seed=7, rate=600, calm=0.5, away=1, patience=60)

    assert set(went.done) == {"relay", "influxd", "broker"}


def test_what_is_published_while_the_relay_is_away_arrives_after(own_mosquitto, influxd, serial, tmp_path):
    fleet = Fleet(5, serial)
    relay, loader = Relay(tmp_path / "relay", own_mosquitto, influxd), Loader(own_mosquitto)
    try:
        relay.start()
        relay.listens()
        relay.stop()
        loader.load(fleet.messages(range(3_000)))
        relay.start()
        loader.load(fleet.messages(range(3_000, 3_500)))
        until(lambda: relay.taking()["count"] > 500)
        relay.kill()
        loader.load(fleet.messages(range(3_500, 6_000)))
        relay.start()
        wanted = fleet.marks(range(6_000))
        until(lambda: count(influxd, fleet.names) == len(relay.files()) == len(wanted))
    finally:
        relay.kill()

    once(stored(influxd, fleet.names), wanted, "in influxd")
    once(journalled(relay), wanted, "in the journal")
    once(relay.files(), wanted, "in the CSV files")


def test_a_broker_that_is_killed_forgets_what_it_took_and_nothing_that_mysense_confirmed_is_lost(tmp_path):
    went = forget(tmp_path, 5, 1, 2_000, seed=3, rate=2_000)

    assert 2_000 < went.arrived <= went.sent  # more than came in peace


def test_a_broker_that_goes_on_from_an_older_save_gives_again_what_is_known_already(own_mosquitto, tmp_path):
    fleet, loader = Fleet(5), Loader(own_mosquitto)
    relay = Relay(tmp_path / "relay", own_mosquitto)
    try:
        relay.start()
        relay.listens()
        relay.kill()
        loader.load(fleet.messages(range(500)))
        own_mosquitto.stop()  # now the session is on disk, with all of these
        own_mosquitto.start()
        relay.start()
        until(lambda: len(relay.files()) == 500)
        own_mosquitto.kill()
        own_mosquitto.start()
        loader.load(fleet.messages(range(500, 600)))
        until(lambda: len(relay.files()) == 600)
        until(lambda: relay.taking()["count"] == 1_100)
    finally:
        relay.kill()

    once(journalled(relay), fleet.marks(range(600)), "in the journal")
    once(relay.files(), fleet.marks(range(600)), "in the CSV files")


def test_the_share_of_a_relay_that_is_away_waits_for_it(own_mosquitto, tmp_path):
    fleet, loader = Fleet(10), Loader(own_mosquitto)
    one, two = (Relay(tmp_path / name, own_mosquitto, subscriber="group = pair") for name in ("one", "two"))
    with one, two:
        one.listens()
        two.listens()
        one.kill()
        loader.load(fleet.messages(range(1_000)))
        until(lambda: len(two.files()) == 500)  # mosquitto deals messages out in turn, also to who is away
        one.start()
        until(lambda: len(one.files()) == 500)

        once(one.files() + two.files(), fleet.marks(range(1_000)), "in the files of both")


def test_two_relays_of_a_group_deliver_each_telegram_once_though_one_is_killed(own_mosquitto, tmp_path):
    fleet, loader, never = Fleet(10), Loader(own_mosquitto, rate=1_500), threading.Event()
    pair = [Relay(tmp_path / name, own_mosquitto, subscriber="group = pair") for name in ("one", "two")]
    one, two = pair
    try:
        for relay in pair:
            relay.start()
            relay.listens()
        with loader.loading(fleet.messages(range(4_000))) as loading:
            while loading.is_alive():
                never.wait(0.3)
                one.kill()
                never.wait(0.3)
                one.start()
        wanted = fleet.marks(range(4_000))
        until(lambda: len(one.files() + two.files()) == len(wanted))
    finally:
        for relay in pair:
            relay.kill()

    assert min(len(one.files()), len(two.files())) > 500
    once(one.files() + two.files(), wanted, "in the files of both")
    once(journalled(one) + journalled(two), wanted, "in both journals")


def test_the_two_halves_of_a_relay_may_be_two_processes_and_each_be_killed(own_mosquitto, influxd, serial, tmp_path):
    fleet, loader = Fleet(5, serial), Loader(own_mosquitto, rate=1_000)
    taking = Relay(tmp_path / "taking", own_mosquitto, influxd)
    giving = Relay(tmp_path / "giving", own_mosquitto, influxd)
    giving.conf.write_text(taking.conf.read_text())
    giving.journal = taking.journal
    try:
        taking.start("--only", "subscribers")
        taking.listens()
        giving.start("--only", "publishers")
        for n, (relay, only) in enumerate([(taking, "subscribers"), (giving, "publishers")]):
            with loader.loading(fleet.messages(range(n * 1_500, n * 1_500 + 1_500))):
                until(lambda n=n: loader.confirmed > n * 1_500 + 300)
                relay.kill()
                relay.start("--only", only)
        wanted = fleet.marks(range(3_000))
        until(lambda: count(influxd, fleet.names) == len(taking.files()) == len(wanted))
    finally:
        taking.kill()
        giving.kill()

    once(stored(influxd, fleet.names), wanted, "in influxd")
    once(journalled(taking), wanted, "in the journal")
    once(taking.files(), wanted, "in the CSV files")
