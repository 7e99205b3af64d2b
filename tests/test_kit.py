"""From a serial port to a real InfluxDB: the whole road, with the server away, killed and refusing."""

import itertools
import json
import os
import threading

import pytest

from mysense import sensing
from mysense.channels import csv, influxdb
from mysense.daemon import Daemon
from mysense.sensors import dylos
from mysense.settings import DaemonOptions, End, EndOptions, Identity, JournalOptions, PublisherOptions, Settings
from mysense.telegram import SECOND
from tests.kit import Kit, Line, mysense, until
from tests.test_daemon import Running

LINES = [f"{n},{n // 10}" for n in range(1000, 1400)]
serials = itertools.count()


@pytest.fixture
def serial():
    """A serial number of its own for each test: a database of its own."""
    return f"k{os.getpid()}x{next(serials)}"


@pytest.fixture
def line():
    line = Line()
    yield line
    line.close()


@pytest.fixture
def kit(tmp_path):
    made = []

    def make(conf):
        made.append(Kit(tmp_path, conf))
        return made[-1]

    yield make
    for each in made:
        each.kill()


def rows(server, database, query='SELECT * FROM "data"'):
    """Points as dictionaries."""
    return server.rows(query, database)


@pytest.mark.parametrize("per_window", [1, 2])
def test_400_lines_of_a_dylos_become_400_telegrams_or_200_means(
    influxd, line, serial, tmp_path, per_window, monkeypatch
):
    from pathlib import Path

    said = (Path(__file__).parent.parent / "testdata" / "dylos-input.txt").read_text().split()
    assert len(said) == 400
    sensor = dylos.Sensor(port=line.port)
    ends = (
        End(section="sensor:dylos", kind="sensor", plugin=sensor, options=EndOptions()),
        End(
            section="publisher:influxdb",
            kind="publisher",
            plugin=influxdb.Publisher(hostname="127.0.0.1", port=influxd.port),
            options=PublisherOptions(),
        ),
        End(
            section="publisher:csv",
            kind="publisher",
            plugin=csv.Publisher(directory=tmp_path / "csv"),
            options=PublisherOptions(),
        ),
    )
    chosen = Settings(
        identity=Identity(project="Pty", serial=serial, label="shed"),
        daemon=DaemonOptions(interval=5),
        journal=JournalOptions(path=tmp_path / "journal.db"),
        ends=ends,
    )
    monkeypatch.setattr(sensing, "BRIEF", 0.0)  # after the first byte of a line it reads on at once
    running = Running(chosen)
    daemon: Daemon = running.daemon
    source = daemon.sources[0]
    until(lambda: "_midway" in vars(sensor))  # it has listened whether a line is under way
    for number, text in enumerate(said, 1):
        line.say(text.encode() + b"\r\n")
        until(lambda number=number: source.status.count >= number)
        if number % per_window == 0:
            before = daemon.journal.status().last
            running.clock.advance(5)
            until(lambda before=before: daemon.journal.status().last > before)
    until(lambda: all(worker.cursor.lag == 0 for worker in daemon.publishers))
    running.stop()

    pairs = [tuple(map(int, text.split(","))) for text in said]
    groups = [pairs[k : k + per_window] for k in range(0, 400, per_window)]
    means = [tuple(sum(column) / per_window for column in zip(*group, strict=True)) for group in groups]
    got = rows(influxd, f"Pty_{serial}", 'SELECT pm_25, pm_10 FROM "data"')
    assert [(row["pm_25"], row["pm_10"]) for row in got] == means
    times = [row["time"] for row in got]
    assert times == sorted(set(times))
    assert all(time % SECOND == 0 for time in times)
    counted = [text for path in (tmp_path / "csv").glob("*.csv") for text in path.read_text().splitlines()[1:]]
    assert len(counted) == len(means)  # an upsert would hide doubles; a file does not
    assert [row["new"] for row in rows(influxd, f"Pty_{serial}")].count("1") == 1


CONF = """
[id]
project = Kit
serial = {serial}
[daemon]
interval = 1
[sensor:simulated]
interval = 0.2
[publisher:influxdb]
hostname = 127.0.0.1
port = {port}
{more}
[publisher:csv]
directory = {folder}
"""


def times_of(folder):
    """The times of the rows in the CSV files, doubles and all."""
    found = [text.split(",")[1] for path in sorted(folder.glob("*.csv")) for text in path.read_text().splitlines()[1:]]
    return [int(float(time)) for time in found]


def same_as_journal(kit, server, database, folder):
    """What is in the journal is in the database and in the files, once, with its own time."""
    kept = [
        json.loads(text)["data"]["time"]
        for text in mysense("journal", "export", "-c", kit.conf).stdout.splitlines()
        if '"data":' in text
    ]
    assert kept
    assert [row["time"] // SECOND for row in rows(server, database)] == kept
    assert times_of(folder) == kept
    return kept


def test_with_the_server_away_for_a_while_everything_arrives_in_order_and_once(own_influxd, kit, serial, tmp_path):
    daemon = kit(CONF.format(serial=serial, port=own_influxd.port, folder=tmp_path / "csv", more=""))
    daemon.start()
    until(lambda: daemon.status()["journal"]["last"] >= 3 and daemon.cursor("publisher:influxdb")["lag"] == 0)
    own_influxd.stop()
    until(lambda: daemon.cursor("publisher:influxdb")["lag"] >= 2)
    until(lambda: daemon.worker("publisher:influxdb")["state"] == "waiting")
    until(lambda: daemon.cursor("publisher:csv")["lag"] == 0 < daemon.cursor("publisher:influxdb")["lag"])
    own_influxd.start()
    until(lambda: daemon.cursor("publisher:influxdb")["lag"] == 0, 60)
    took = daemon.stop()

    assert took < 5
    same_as_journal(daemon, own_influxd, f"Kit_{serial}", tmp_path / "csv")
    waiting = [text for text in daemon.log.read_text().splitlines() if "publisher:influxdb: waiting" in text]
    assert len(waiting) == 1  # told once, not on every retry


def test_killed_at_any_moment_it_loses_nothing_and_doubles_nothing(influxd, kit, serial, tmp_path):
    daemon = kit(CONF.format(serial=serial, port=influxd.port, folder=tmp_path / "csv", more=""))
    for pause in (0.3, 1.1, 0.05, 1.6, 0.7):
        daemon.start()
        threading.Event().wait(pause)  # the moment of the kill is the point
        daemon.kill()
    daemon.start()
    until(lambda: daemon.status()["journal"]["last"] >= 1 and daemon.cursor("publisher:influxdb")["lag"] == 0)
    daemon.stop()

    same_as_journal(daemon, influxd, f"Kit_{serial}", tmp_path / "csv")


def test_without_a_grant_nothing_is_lost_and_status_says_what_to_do(influxd_auth, kit, serial, tmp_path):
    server, database = influxd_auth, f"Kit_{serial}"
    server.query(f'CREATE DATABASE "{database}"')
    server.query("CREATE USER \"shed\" WITH PASSWORD 'acacadabra'")
    (tmp_path / "password").write_text("acacadabra\n")
    (tmp_path / "password").chmod(0o600)
    more = f"user = shed\npassword_file = {tmp_path / 'password'}"
    daemon = kit(CONF.format(serial=serial, port=server.port, folder=tmp_path / "csv", more=more))
    daemon.start()
    until(lambda: daemon.worker("publisher:influxdb")["state"] == "waiting")
    said = mysense("status", "-c", daemon.conf).stdout
    server.query(f'GRANT ALL ON "{database}" TO "shed"')
    until(lambda: daemon.cursor("publisher:influxdb")["lag"] == 0, 90)
    daemon.stop()

    assert f'GRANT WRITE ON "{database}" TO "shed"' in said
    same_as_journal(daemon, server, database, tmp_path / "csv")
