"""A whole kit as a process, and servers behind faults: the short form of ``python -m torture.world``."""

import random

import pytest

from tests.delays import Delays
from tests.farends import in_files, in_influxd, in_journal, sent
from tests.faults import HTTP, LINE, TLS, Fault, draw
from tests.fleet import T0, Fleet, once
from tests.kit import mysense, until
from tests.mqtt import Loader
from tests.proxy import Proxy
from tests.relay import Relay
from torture.world import plan, world

SEEDS = {
    4: "each kind of fault strikes within a quarter of a minute",
}
"""Seeds that are tried each time, and what they once found, or why they are here."""
SOON = 3.0
"""Seconds within which a telegram is delivered wherever the far end is there."""


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_network_and_servers_do_each_telegram_arrives_once(tmp_path, seed):
    went = world(tmp_path, seed, 11, calm=0.5, away=1.5, patience=60)

    assert went.happened.total() > 20
    assert went.met.total() > 20
    assert went.own > 5
    assert went.delay < 5 * SOON  # with a full machine, and nothing here may be skipped


def test_a_plan_follows_from_its_seed():
    assert plan(1, 100, 2, 4) == plan(1, 100, 2, 4) != plan(2, 100, 2, 4)
    for episodes in plan(1, 100, 2, 4).values():
        ends = [time for each in episodes for time in (each.begin, each.end)]
        assert ends == sorted(ends)
        assert all(0 < time <= 100 for time in ends)


def test_every_fault_can_be_drawn():
    dice = random.Random(1)
    for kind in LINE + TLS + HTTP:
        assert draw(dice, kind).kind == kind
        assert str(draw(dice, kind)).startswith(kind)


HANGING = """\
[id]
project = Own
serial = kit
[daemon]
interval = 1
[sensor:simulated]
interval = 0.2
[publisher:influxdb]
hostname = 127.0.0.1
port = {influxd.port}
[publisher:mqtt]
hostname = 127.0.0.1
port = {broker.port}
topic = far/{{project}}/{{serial}}
[publisher:influxdb:hung]
hostname = 127.0.0.1
port = {hung[0].port}
timeout = 100
[publisher:mqtt:hung]
hostname = 127.0.0.1
port = {hung[1].port}
timeout = 100
[subscriber:mqtt:hung]
hostname = 127.0.0.1
port = {hung[1].port}
timeout = 100
"""


def test_far_ends_and_a_source_that_hang_delay_nobody_else(own_mosquitto, own_influxd, tmp_path):
    fleet, loader = Fleet(5), Loader(own_mosquitto, rate=100)
    with Proxy(own_influxd.port) as one, Proxy(own_mosquitto.port) as two:
        for proxy in (one, two):
            proxy.strike(Fault("hang"))
        more = HANGING.format(influxd=own_influxd, broker=own_mosquitto, hung=(one, two))
        with Relay(tmp_path / "kit", own_mosquitto, more=more) as kit:
            kit.listens()
            with Delays(kit) as delays:
                loader.load(fleet.messages(range(600)))
                wanted = sent(fleet, range(600))
                until(lambda: wanted <= in_files(tmp_path / "kit" / "csv").keys())
                until(lambda: wanted <= in_influxd(own_influxd).keys())
            cursors = {name: kit.cursor(f"publisher:{name}:hung")["seq"] for name in ("influxdb", "mqtt")}
        assert one.met["hang"]
        assert two.met["hang"]

    assert cursors == {"influxdb": 0, "mqtt": 0}
    prompt = {name: delay for name, delay in delays.longest.items() if not name.endswith(":hung")}
    assert prompt.keys() == {"publisher:influxdb", "publisher:mqtt", "publisher:csv"}
    assert max(prompt.values()) < SOON


MISTAKEN = """\
[publisher:influxdb]
hostname = 127.0.0.1
port = {influxd.port}
"""


def test_a_mistake_of_a_server_does_not_empty_a_history_into_the_rejected(own_mosquitto, own_influxd, tmp_path):
    fleet, server = Fleet(2), own_influxd
    wrong = fleet.names[0]
    server.query(f'CREATE DATABASE "{wrong}"')
    server.write(wrong, f'data temp="warm" {T0 - 1}000000000')  # from now on it refuses each number
    with Relay(tmp_path / "kit", own_mosquitto, more=MISTAKEN.format(influxd=server)) as kit:
        kit.listens()
        Loader(own_mosquitto).load(fleet.messages(range(400)))
        until(lambda: in_influxd(server)[sent(fleet, [399]).pop()])
        until(lambda: kit.worker("publisher:influxdb")["state"] == "blocked")
        aside = int(mysense("journal", "rejected", "publisher:influxdb", "-c", kit.conf).stderr.split()[0])
        told = mysense("status", "-c", kit.conf).stdout
        until(lambda: kit.cursor("publisher:csv")["lag"] == 0)
        lag = kit.cursor("publisher:influxdb")["lag"]
        server.query('DROP MEASUREMENT "data"', wrong)
        mysense("journal", "retry", "-c", kit.conf)
        until(lambda: kit.cursor("publisher:influxdb")["lag"] == 0)
        until(lambda: kit.worker("publisher:influxdb")["state"] == "running")
        left = mysense("journal", "rejected", "publisher:influxdb", "-c", kit.conf).stdout
        said = kit.said("telegrams in a row were refused")

    assert aside == 20
    assert lag > 180, "the rest of that node's history still waits in its place"
    assert "20 telegrams in a row were refused" in told
    assert "retry" in told
    assert said == 1
    assert left == ""
    once(in_influxd(server), sent(fleet, range(400)), "in influxd")
    once(in_files(tmp_path / "kit" / "csv"), sent(fleet, range(400)), "in the CSV files")
    once(in_journal(kit), sent(fleet, range(400)), "in the journal")
