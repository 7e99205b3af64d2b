"""The way to a broker: what goes wrong there is told in one sentence that says what to do."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from hypothesis import given, settings
from hypothesis import strategies as st

from mysense.channels._mqtt.client import Client
from mysense.channels.mqtt import Subscriber
from mysense.errors import ConfigError, UnavailableError
from mysense.telegram import SECOND
from tests.felt import felt
from tests.kit import until
from tests.packets import CONNACK, SUBACK, packet, publish
from tests.ports import free_ports
from tests.servers import Mosquitto
from tests.standins.broker import UNKNOWN_VERSION, WELCOME, Broker

TELEGRAM = b'{"project":"BdP","serial":"k1","data":{"time":%d}}'
SUBACK_OF_ALL = {4: packet(0x90, b"\0\1\1\1\1\1"), 5: packet(0x90, b"\0\1\0\1\1\1\1")}
"""Says yes to the four filters of a subscriber."""
BOTH = pytest.mark.parametrize("version", ["5", "3.1.1"])


def subscriber(server, **options):
    return Subscriber(**{"hostname": "127.0.0.1", "port": server.port, "timeout": 5.0, **options})


def refused(source):
    """Why a subscriber cannot be opened."""
    with pytest.raises(UnavailableError) as caught:
        source.open()
    assert source._client is None, "nothing stays open"
    return str(caught.value)


def ended(server, version="5"):
    """What ends a connection, at once or after a while."""
    client = Client(f"127.0.0.1:{server.port}", "kit7", timeout=1.0)

    def work():
        client.connect(version, 60)
        until(lambda: client.turn(1.0))

    with pytest.raises(UnavailableError) as caught:
        work()
    client.close()
    return caught.value


# Certificates


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture(scope="module")
def folder(tmp_path_factory, authority):
    folder = tmp_path_factory.mktemp("certificates")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    trustme.CA().cert_pem.write_to_path(folder / "other.pem")
    return folder


def issued(folder, authority, name, *names, **how):
    made = authority.issue_cert(*names, **how)
    made.private_key_and_cert_chain_pem.write_to_path(folder / f"{name}.pem")
    return folder / f"{name}.pem"


@pytest.fixture(scope="module")
def secure(folder, authority):
    """A broker that encrypts; its certificate is for localhost and 127.0.0.1."""
    with Mosquitto(folder / "m", certificate=issued(folder, authority, "broker", "localhost", "127.0.0.1")) as server:
        yield server


@pytest.mark.parametrize("hostname", ["localhost", "127.0.0.1"])
def test_a_broker_is_reached_encrypted(secure, folder, hostname):
    assert (
        "takes our subscription" in subscriber(secure, hostname=hostname, ssl=True, ca_file=folder / "ca.pem").check()
    )


def test_a_certificate_of_others_is_not_trusted(secure, folder):
    for ca in (folder / "other.pem", None):
        assert re.search(r"its certificate is not trusted \(.*\): see ca_file",
                         refused(subscriber(secure, ssl=True, ca_file=ca)))  # fmt: skip
    assert subscriber(secure, ssl=True, verify=False).check()


def test_a_certificate_for_another_name_is_not_trusted(folder, authority):
    with Mosquitto(folder / "n", certificate=issued(folder, authority, "n", "elsewhere.example.org")) as server:
        for hostname in ("localhost", "127.0.0.1"):
            why = refused(subscriber(server, hostname=hostname, ssl=True, ca_file=folder / "ca.pem"))
            assert re.search(r"not trusted \(.*mismatch.*\): see hostname", why)


def test_a_certificate_that_is_over_is_told(folder, authority):
    past = datetime.now(UTC) - timedelta(days=1)
    with Mosquitto(folder / "o", certificate=issued(folder, authority, "o", "localhost", not_after=past)) as server:
        why = refused(subscriber(server, hostname="localhost", ssl=True, ca_file=folder / "ca.pem"))

    assert "certificate has expired): it has to be renewed" in why


def test_a_client_shows_its_certificate(folder, authority):
    server = Mosquitto(
        folder / "c", certificate=issued(folder, authority, "c", "localhost"), ca=folder / "ca.pem",
        acl="user kit7\ntopic read IoS/#\n",
    )  # fmt: skip
    mine = issued(folder, authority, "mine", "kit7", common_name="kit7")
    with server:
        options = {"hostname": "localhost", "ssl": True, "ca_file": folder / "ca.pem"}
        assert subscriber(server, cert_file=mine, **options).check()
        assert re.search(
            "no encrypted connection|connection was lost|without a word", refused(subscriber(server, **options))
        )
        with pytest.raises(ConfigError, match=r"cert_file .* holds no certificate"):
            subscriber(server, cert_file=folder / "ca.pem", **options).open()


def test_ssl_must_suit_the_port(secure, mosquitto):
    assert "ssl" in refused(subscriber(secure))
    assert "ssl" in refused(subscriber(mosquitto, ssl=True))


# Who we are


def test_a_password_that_was_wrong_is_read_anew(tmp_path):
    file = tmp_path / "password"
    file.write_text("wrong\n")
    with Mosquitto(tmp_path / "m", passwords={"relay": "acacadabra"}) as server:
        for version in ("5", "3.1.1"):
            source = subscriber(server, user="relay", password_file=file, version=version)
            file.write_text("wrong\n")
            why = refused(source)
            assert "see user" in why
            assert "wrong" not in why
            file.write_text("acacadabra\n")
            with source:
                assert not source.receive()


def test_a_password_is_in_no_message(tmp_path, caplog):
    caplog.set_level("DEBUG")
    with Mosquitto(tmp_path / "m", passwords={"relay": "acacadabra"}) as server:
        source = subscriber(server, user="relay", password="sesame")
        why = refused(source)

    assert "sesame" not in why + repr(source) + caplog.text


@BOTH
def test_a_subscription_that_is_refused_is_told_with_its_topics(tmp_path, version):
    [library] = Path("/usr/lib").glob("*/mosquitto_dynamic_security.so")
    (tmp_path / "rights.json").write_text(
        '{"defaultACLAccess":{"publishClientSend":true,"publishClientReceive":true,"subscribe":false,'
        '"unsubscribe":true},"groups":[{"groupname":"all"}],"anonymousGroup":"all"}'
    )
    more = f"plugin {library}\nplugin_opt_config_file {tmp_path}/rights.json"
    with Mosquitto(tmp_path / "m", more=more) as server:
        why = refused(subscriber(server, version=version, topic="kits/{serial}"))

    assert "does not let us read kits/+, kits/+/ident, kits/+/data, kits/+/station" in why


def test_two_clients_with_one_name_are_told(mosquitto, serial):
    first, second = (subscriber(mosquitto, client_id=serial) for _ in range(2))
    for told in ("the connection was lost$", f"another client have the client_id '{serial}'"):  # once may be chance
        with first, second, pytest.raises(UnavailableError, match=told) as lost:
            until(lambda: first.receive())
    assert lost.value.wait == 2


def test_a_client_that_another_one_replaced_leaves_it_alone():
    """mosquitto hangs up without a word; others say why (MQTT 5, 3.14.2.1)."""
    with Broker(CONNACK[5] + packet(0xE0, b"\x8e\0")) as server:
        error = ended(server)

    assert "another client has the client_id 'kit7': give each its own" in str(error)
    assert error.wait == 60


# Brokers that are old, absent, silent, or none


@pytest.mark.parametrize("answer", [UNKNOWN_VERSION, None], ids=["says so", "hangs up"])
def test_a_broker_without_mqtt_5_is_spoken_to_in_its_own_version(answer):
    with Broker(answer, WELCOME) as server:
        client = Client(f"127.0.0.1:{server.port}", "kit7")
        client.connect("auto", 60)
        client.close()

    assert server.versions == [5, 4]
    assert client.version == 4


def test_a_version_that_is_asked_for_is_the_only_one_tried():
    with Broker(UNKNOWN_VERSION) as server:
        assert "set version = 3.1.1" in refused(subscriber(server, version="5"))
        assert server.versions == [5]


def test_a_broker_that_hangs_up_without_a_word_is_told():
    with Broker(None) as server:
        assert "without a word; is ssl = no right for this port?" in refused(subscriber(server))


@pytest.mark.parametrize("code", range(2, 6))
def test_a_refusal_of_mqtt_3_1_1_is_told(code):
    with Broker(packet(0x20, bytes([0, code])), stay=False) as server:
        assert re.search("set another|does not know|does not let us in|unavailable",
                         refused(subscriber(server, version="3.1.1")))  # fmt: skip


def test_a_broker_that_is_not_there_is_told():
    [port] = free_ports(1)
    assert refused(Subscriber(hostname="127.0.0.1", port=port)) == f"127.0.0.1:{port}: Connection refused"
    assert re.search("nowhere.invalid:1883: .*(known|resolution)", refused(Subscriber(hostname="nowhere.invalid")))


def test_what_is_no_broker_is_told():
    with Broker(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n", stay=False) as server:
        why = refused(subscriber(server, timeout=1.0))

    assert re.search("not MQTT|without a word|does not answer", why)


@BOTH
def test_what_came_before_the_connection_was_lost_is_taken_and_then_the_loss_is_told(version):
    """Nobody sends a message of QoS 0 again."""
    number, taken = 5 if version == "5" else 4, []
    with Broker((CONNACK[number], SUBACK_OF_ALL[number])) as server, subscriber(server, version=version) as source:
        source.receive()
        server.say(b"".join(publish("IoS/BdP/k1", TELEGRAM % n, 0, version=number) for n in range(30)))
        server.hang_up()

        def work():
            while True:
                taken.extend(source.receive())
                source.confirm()

        with pytest.raises(UnavailableError, match="the connection was lost"):
            work()

    assert [each.time // SECOND for each in taken] == [*range(30)]


@given(st.binary(min_size=1, max_size=40), st.sampled_from(["5", "3.1.1"]), st.booleans())
@settings(max_examples=60)
def test_whatever_a_broker_sends_ends_in_a_message_or_in_the_loss_of_the_connection(data, version, before):
    head = b"" if before else (CONNACK[5] if version == "5" else CONNACK[4])
    with Broker(head + data, stay=False) as server:
        assert ended(server, version)


@pytest.mark.parametrize(
    "wrong",
    [packet(0x90, b""), packet(0x90, b"\0"), packet(0x90, b"\0\1\x7f"), packet(0x20, b""), packet(0x40, b"\0"),
     packet(0x40, b"\0\1\xff\xff"), packet(0xE0, b"\xff"), packet(0x50, b"\0\1"), packet(0x62, b"\0\1"),
     packet(0xF0, b""), packet(0x10, b""), packet(0x00, b""), packet(0xB0, b"\0\1\0\x63"), packet(0x90, b"\0\1\0\x63")],
    ids=range(14),
)  # fmt: skip
@BOTH
def test_a_packet_that_is_damaged_is_no_bug_of_ours(wrong, version):
    with Broker(CONNACK[5 if version == "5" else 4] + wrong, stay=False) as server:
        assert ended(server, version)


def test_a_broker_that_does_not_answer_to_a_subscription_is_told():
    with Broker(CONNACK[5]) as server:
        assert "does not answer to a subscription" in refused(subscriber(server, timeout=0.3))


def test_a_broker_that_hangs_is_noticed(own_mosquitto):
    source = subscriber(own_mosquitto)
    source.keepalive = 1.0  # less than one may set
    with source:
        source.receive()
        with own_mosquitto.hung(), pytest.raises(UnavailableError, match="does not answer any more"):
            until(lambda: source.receive())


def test_a_broker_that_hangs_does_not_hold_up_the_farewell(own_mosquitto):
    source = subscriber(own_mosquitto)
    source.open()
    with own_mosquitto.hung():
        begun = felt()
        source.close()

        assert felt() - begun < 0.5
        assert "does not answer" in refused(subscriber(own_mosquitto, timeout=0.2))


def test_a_key_without_a_certificate_is_told(tmp_path):
    with pytest.raises(ConfigError, match="set both"):
        Subscriber(ssl=True, key_file=tmp_path / "key").open()


def test_a_broker_may_ask_to_be_asked_more_often():
    """Server Keep Alive (MQTT 5, 3.2.2.3.14) holds instead of ours."""
    welcome = packet(0x20, b"\0\0\3\x13\0\1")
    with Broker(welcome + SUBACK) as server:
        client = Client(f"127.0.0.1:{server.port}", "kit7")
        client.connect("5", 600)
        with pytest.raises(UnavailableError, match="does not answer any more"):
            until(lambda: client.turn(0.2))
        client.close()
