"""mysense as a relay: from one server to others, many nodes through one process, killed at any moment."""

import csv
import random
import re
import shlex
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from mysense.channels import influxdb
from mysense.state import State
from mysense.telegram import SECOND, Data, Field, Ident
from tests.kit import Kit, mysense, until
from tests.servers import Influxd

T0 = 1_700_000_000
QUERY = "SELECT * FROM data, info"


@pytest.fixture
def servers(tmp_path):
    """Two real servers: where the kits write, and where the relay writes."""
    with Influxd(tmp_path / "a") as a, Influxd(tmp_path / "b") as b:
        yield a, b


@pytest.fixture
def relay(tmp_path, servers):
    """A relay between them, which also writes files."""
    folder = tmp_path / "relay"
    folder.mkdir()
    kit = Kit(folder, conf(*servers, folder))
    yield kit
    kit.kill()


def conf(a, b, folder):
    return f"""
[subscriber:influxdb]
hostname = 127.0.0.1
port = {a.port}
start = oldest
bufsize = 500
interval = 0.1
update = 0.5
[publisher:influxdb]
hostname = 127.0.0.1
port = {b.port}
[publisher:csv]
directory = {folder}/csv
"""


def fill(server, idents, begin, end, state=None):
    """Data of several nodes, one a second each; every telegram has a number of its own."""
    far = influxdb.Publisher(hostname="127.0.0.1", port=server.port)
    far.state = State() if state is None else state
    with far:
        for n in range(begin, end):
            batch = [Data(each, (T0 + n) * SECOND, {"temp": n / 7, "id": float(n)}) for each in idents]
            assert not far.publish(batch)


def rows(server, node):
    """What a server answers, the same for every server; [] where there is no database."""
    return server.query(QUERY, node) if node in server.databases() else []


def written(folder, node):
    """The numbers of the telegrams of a node in the CSV files."""
    found = []
    for path in sorted((folder / "csv").glob(f"{node}_*.csv")):
        with path.open(newline="") as lines:
            found += [float(row["id"]) for row in csv.DictReader(lines)]
    return found


def test_a_kit_and_others_by_way_of_a_relay_that_is_killed_ten_times(servers, relay, tmp_path):
    a, b = servers
    nodes = [Ident("Fleet", f"n{n}", f"kit {n}", fields=(Field("temp", "C"),), since=T0 * SECOND) for n in range(5)]
    told = State()  # what a publisher remembers from one time to the next
    fill(a, nodes, 0, 400, told)
    folder = tmp_path / "kit"
    folder.mkdir()
    kit = Kit(
        folder,
        f"""
[id]
project = Fleet
serial = own
label = a kit
[daemon]
interval = 1
[sensor:simulated]
interval = 0.2
[publisher:influxdb]
hostname = 127.0.0.1
port = {a.port}
""",
    )
    kit.start()
    never = threading.Event()
    try:
        for turn in range(10):
            relay.start()
            fill(a, nodes, 400 + turn * 20, 420 + turn * 20, told)
            if turn == 3:
                b.stop()
            if turn == 6:
                b.start()
            if turn == 5:  # one of them moves
                nodes[0] = replace(nodes[0], label="moved", since=(T0 + 520) * SECOND)
            never.wait(random.uniform(0.0, 0.6))  # at any moment
            relay.kill()
        relay.start()
        kit.stop()
        names = [*(node.node for node in nodes), "Fleet_own"]
        until(lambda: all(rows(a, name) == rows(b, name) for name in names), 60)
        assert len(a.rows("SELECT * FROM data", "Fleet_own")) >= 5
        until(lambda: relay.cursor("publisher:csv")["lag"] == 0)
    finally:
        kit.kill()
    relay.stop()

    for node in nodes:
        assert written(relay.journal.parent, node.node) == [float(n) for n in range(600)]
    assert {row["label"] for row in b.rows("SELECT * FROM info", nodes[0].node)} == {"kit 0", "moved"}
    assert [row["new"] for row in b.rows("SELECT * FROM data", nodes[0].node)].count("1") == 2


def test_local_sensors_and_subscribers_work_together_and_a_kit_does_not_take_in_its_own(servers, tmp_path):
    a, _ = servers
    fill(a, [Ident("Fleet", "other")], 0, 3)
    kit = Kit(
        tmp_path,
        f"""
[id]
project = Fleet
serial = own
[daemon]
interval = 1
[sensor:simulated]
interval = 0.2
[subscriber:influxdb]
hostname = 127.0.0.1
port = {a.port}
start = oldest
interval = 0.1
update = 0.2
[publisher:influxdb]
hostname = 127.0.0.1
port = {a.port}
""",
    )
    kit.start()
    try:
        until(lambda: len(rows(a, "Fleet_own") and a.rows("SELECT * FROM data", "Fleet_own")) >= 3)
        kit.stop()
    finally:
        kit.kill()
    told = [line for line in mysense("journal", "export", "-c", kit.conf).stdout.splitlines() if '"data":' in line]

    assert sum('"serial":"other"' in line for line in told) == 3
    own = [line for line in told if '"serial":"own"' in line]
    assert len(own) == len(a.rows("SELECT * FROM data", "Fleet_own"))


def test_the_two_halves_of_a_relay_may_be_two_processes(servers, tmp_path):
    a, b = servers
    fill(a, [Ident("Fleet", "n0", since=T0 * SECOND)], 0, 50)
    halves = []
    for only in ("subscribers", "publishers"):
        folder = tmp_path / only
        folder.mkdir()
        kit = Kit(folder, conf(a, b, tmp_path))
        shared = tmp_path / "journal.db"
        kit.conf.write_text(kit.conf.read_text().replace(str(kit.journal), str(shared)))
        kit.journal = shared
        halves.append((kit, only))
    try:
        for kit, only in halves:
            kit.start("--only", only)
        until(lambda: rows(b, "Fleet_n0") == rows(a, "Fleet_n0"))
    finally:
        for kit, _ in halves:
            kit.kill()

    assert len(b.rows("SELECT * FROM data", "Fleet_n0")) == 50


PAGE = (Path(__file__).parent.parent / "docs" / "influxdb-relay.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```\w*\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_first_exercise_of_the_page_shows_what_the_page_shows(servers):
    a, _ = servers
    [first, second] = [shlex.split(b[2:]) for b in BLOCKS if b.startswith("$ ")]
    [shown] = [block.splitlines() for block in BLOCKS if block.startswith('{"ident"')]
    port = ["--port", str(a.port)]
    window = subprocess.Popen(
        [sys.executable, "-m", *first, *port, "--interval", "0.1", "-n", "4"], stdout=subprocess.PIPE, text=True
    )
    try:
        a.query('CREATE DATABASE "BdP_test_sense"')
        a.write("BdP_test_sense", 'info,label="myTest" temperature=32')
        mysense(*second[1:], *port)
        said = window.communicate(timeout=30)[0].splitlines()
    finally:
        window.kill()

    assert len(said) == len(shown)
    for line, like in zip(said, shown, strict=True):
        assert re.fullmatch(".*".join(map(re.escape, like.split("…"))), line)


def test_the_configuration_of_the_page_relays(servers, tmp_path):
    a, b = servers
    fill(a, [Ident("Fleet", "n0"), Ident("Other", "n0")], 0, 3)
    [text] = [block for block in BLOCKS if block.startswith("[subscriber")]
    for name, server in (("influx.example.org", a), ("archive.example.net", b)):
        text = text.replace(name, f"127.0.0.1\nport = {server.port}")
    (tmp_path / "secret").write_text("no server asks for it\n")
    (tmp_path / "secret").chmod(0o600)
    text = re.sub(r"/etc/mysense/\S+", str(tmp_path / "secret"), text).replace("/srv/mysense", str(tmp_path / "csv"))
    kit = Kit(tmp_path, text)
    kit.start()
    try:
        until(lambda: rows(b, "Fleet_n0") == rows(a, "Fleet_n0"))
        until(lambda: written(tmp_path, "Fleet_n0") == [0, 1, 2])
    finally:
        kit.kill()

    assert b.databases() == ["Fleet_n0"]
