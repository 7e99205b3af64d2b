"""A daemon that subscribes to a real mosquitto, and the commands that only have a look."""

import json
import threading
from pathlib import Path

import pytest

from tests.kit import Kit, mysense, until
from tests.publishing import classic, fill, numbers, publish, received, subscriber, topic

VERSIONS = pytest.mark.parametrize("version", ["5", "3.1.1"])


def conf(server, *names, more=""):
    sections = [
        f"[subscriber:mqtt{name}]\nhostname = 127.0.0.1\nport = {server.port}\n{more}" for name in names or ("",)
    ]
    return "\n".join(sections)


def written(folder):
    """The numbers in the CSV files of a relay."""
    rows = [line.split(",") for path in sorted(folder.glob("*.csv")) for line in path.read_text().splitlines()[1:]]
    return [float(row[-1]) for row in rows]


@pytest.fixture
def kit(tmp_path):
    kits = []

    def make(text):
        kits.append(Kit(tmp_path, f"{text}\n[publisher:csv]\ndirectory = {tmp_path}/csv\n"))
        return kits[-1]

    yield make
    for each in kits:
        each.kill()


def test_a_relay_that_is_killed_again_and_again_has_everything_once(own_mosquitto, kit, ident):
    relay = kit(conf(own_mosquitto, more=f"topic = {ident.serial}/{{serial}}"))
    relay.start()
    until(lambda: relay.worker("subscriber:mqtt")["state"] == "running")
    sender = threading.Thread(target=lambda: [fill(own_mosquitto, ident, *range(n, n + 50)) for n in range(0, 800, 50)])
    sender.start()
    for _ in range(4):
        before = relay.status()["journal"]["last"]
        until(lambda least=before: relay.status()["journal"]["last"] > least or not sender.is_alive())
        relay.kill()
        relay.start()
    sender.join()
    until(lambda: sorted(written(relay.conf.parent / "csv")) == [float(n) for n in range(800)], 60)
    took = relay.stop()

    assert took < 5


def test_several_brokers_are_several_sections(mosquitto, own_mosquitto, kit, ident):
    more = f"topic = {ident.serial}/{{serial}}"
    relay = kit(conf(mosquitto, ":north", more=more) + "\n" + conf(own_mosquitto, ":south", more=more))
    relay.start()
    for name in ("north", "south"):
        until(lambda section=f"subscriber:mqtt:{name}": relay.worker(section)["state"] == "running")
    fill(mosquitto, ident, 1)
    fill(own_mosquitto, ident, 2)
    until(lambda: sorted(written(relay.conf.parent / "csv")) == [1.0, 2.0])
    relay.stop()


def test_a_flood_of_large_messages_waits_in_the_broker(own_mosquitto, kit, ident):
    relay = kit(conf(own_mosquitto, more=f"topic = {ident.serial}/{{serial}}"))
    relay.start()
    until(lambda: relay.worker("subscriber:mqtt")["state"] == "running")
    relay.stop()
    large = [(topic(ident), classic(n, ident, text=f"{n} " + "x" * 500_000)) for n in range(100)]
    publish(own_mosquitto, large)
    fill(own_mosquitto, ident, 999)
    relay.start()
    until(lambda: relay.status()["journal"]["last"] >= 101, 60)
    status = Path(f"/proc/{relay.process.pid}/status").read_text()
    relay.stop()
    [peak] = [int(line.split()[1]) // 1024 for line in status.splitlines() if line.startswith("VmHWM")]

    assert peak < 80, f"{peak} MB, and 50 were waiting"


@VERSIONS
def test_a_look_leaves_nothing_behind_and_takes_nothing_away(own_mosquitto, ident, version):
    named = {"client_id": "relay7", "version": version}
    source = subscriber(own_mosquitto, ident, **named)
    with source:
        source.receive()
    fill(own_mosquitto, ident, 1)
    command = ["--hostname", "127.0.0.1", "--port", own_mosquitto.port, "--topic", f"{ident.serial}/{{serial}}",
               "--client_id", "relay7", "--version", version]  # fmt: skip
    publish(own_mosquitto, [(topic(ident), classic(2, ident))], retain=True)
    shown = mysense("subscribe", "mqtt", *command, "-n", 1).stdout
    assert json.loads(shown.splitlines()[-1])["data"]["temp"] == 2.0
    looking = subscriber(own_mosquitto, ident, **named)
    assert "takes our subscription" in looking.check()
    with source:
        assert source._client.present
        assert sorted(set(numbers(received(source, 2)))) == [1, 2]
    own_mosquitto.stop()

    assert b"relay7" in (own_mosquitto.folder / "mosquitto.db").read_bytes()
    assert b"mysense-" not in (own_mosquitto.folder / "mosquitto.db").read_bytes()


def test_check_tells_what_is_wrong_and_where(mosquitto, kit, ident):
    relay = kit(conf(mosquitto))
    assert f"127.0.0.1:{mosquitto.port} takes our subscription to IoS/+/+" in mysense("check", "-c", relay.conf).stdout
    mosquitto_port = relay.conf.read_text().replace(str(mosquitto.port), "1")
    relay.conf.write_text(mosquitto_port)
    done = mysense("check", "-c", relay.conf, code=None)
    assert "127.0.0.1:1: Connection refused" in done.stdout + done.stderr
    assert done.returncode
