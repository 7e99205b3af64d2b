"""The publisher against a real mosquitto: what arrives, what is refused, and what happens when the broker goes."""

import json
import threading
from collections import Counter
from contextlib import contextmanager, suppress

import pytest
import trustme

from mysense import examples
from mysense.channels import mqtt
from mysense.channels._mqtt.client import Client
from mysense.channels._mqtt.stream import Message
from mysense.channels.mqtt import delivery
from mysense.errors import ConfigError, RejectedError, UnavailableError
from mysense.journal.sqlite import SqliteJournal
from mysense.publishing import PublishWorker
from mysense.state import State
from mysense.telegram import SECOND, Data, Field, Ident, Note
from mysense.testing import FastClock, PublisherContract
from tests.kit import Kit, mysense, until
from tests.listener import Listener
from tests.ports import free_ports
from tests.servers import Mosquitto
from tests.standins.broker import WELCOME, Broker

T0 = 1_700_000_000
VERSIONS = ["5", "3.1.1"]


def data(seconds, ident, **values):
    return Data(ident, (T0 + seconds) * SECOND, values or {"temp": float(seconds)})


def publisher(server, **options):
    return mqtt.Publisher(**{"hostname": "127.0.0.1", "port": server.port, **options})


def numbers(listener, topic):
    """The numbers of the telegrams that came under a topic, in order, each once."""
    return list(dict.fromkeys(int(json.loads(each)["data"]["temp"]) for each in listener.payloads(topic)))


@pytest.fixture
def ident(serial):
    return Ident("Mq", serial, "shed", fields=(Field("temp", "C", "BME280"),), since=T0 * SECOND)


@pytest.fixture
def topic(ident):
    return f"IoS/Mq/{ident.serial}"


@pytest.fixture
def listener(mosquitto, topic):
    with Listener(mosquitto.port, f"{topic}/#") as ears:
        yield ears


@pytest.fixture
def journal(tmp_path):
    journal = SqliteJournal(tmp_path / "journal.db", keep=0)
    yield journal
    journal.close()


@contextmanager
def working(journal, far):
    """A worker that brings what is in the journal to the broker, meanwhile; it tries again ten times as soon."""
    cursor, stop = journal.cursor("publisher:mqtt"), threading.Event()
    worker = PublishWorker("publisher:mqtt", far, stop, FastClock(10), journal, cursor)
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        yield worker
    finally:
        stop.set()
        thread.join(30)
        cursor.close()


class Contract(PublisherContract):
    @pytest.fixture(autouse=True)
    def _server(self, mosquitto):
        self.server = mosquitto


class TestClassic(Contract):
    def make(self):
        return publisher(self.server)


class TestSplitWith311(Contract):
    def make(self):
        return publisher(self.server, layout="split", version="3.1.1")


class TestHomeAssistant(Contract):
    def make(self):
        return publisher(self.server, discovery=True, discovery_prefix="contract/homeassistant", status="contract/is")


@pytest.mark.parametrize("version", VERSIONS)
def test_the_classic_layout_is_one_message_for_each_data(mosquitto, listener, ident, topic, version):
    note = Note(ident, T0 * SECOND, "up", "begun")
    with publisher(mosquitto, version=version) as far:
        assert far.publish([ident, data(0, ident), note, data(1, ident)]) == {}

    assert [(each.topic, each.retained) for each in listener.until(3)] == [
        (topic, False), (f"{topic}/station", False), (topic, False)]  # fmt: skip
    first = json.loads(listener.heard[0].payload)
    assert first["metadata"]["serial"] == ident.serial
    assert first["data"] == {"time": T0, "temp": 0.0}


def test_split_tells_an_ident_before_its_data_once_and_keeps_it_there(mosquitto, listener, ident, topic):
    other = Ident(ident.project, ident.serial, "roof", since=(T0 + 2) * SECOND)
    with publisher(mosquitto, layout="split") as far:
        far.publish([ident, data(0, ident)])
        far.publish([data(1, ident), data(2, other), data(3, other)])

    assert [each.topic.rpartition("/")[2] for each in listener.until(6)] == [
        "ident", "data", "data", "ident", "data", "data"]  # fmt: skip
    with Listener(mosquitto.port, f"{topic}/#") as late:
        [there] = late.until(1)
        assert there.retained
        assert json.loads(there.payload)["ident"]["label"] == "roof"


def test_split_tells_idents_again_after_a_new_connection_and_before_late_data(mosquitto, listener, ident):
    other = Ident(ident.project, ident.serial, "roof", since=(T0 + 2) * SECOND)
    far = publisher(mosquitto, layout="split")
    with far:
        far.publish([data(0, ident), data(2, other), data(1, ident)])
    with far:
        far.publish([data(3, ident)])

    said = [json.loads(each.payload) for each in listener.until(8)]
    assert [each["ident"]["label"] if "ident" in each else each["data"]["temp"] for each in said] == [
        "shed", 0, "roof", 2, "shed", 1, "shed", 3]  # fmt: skip


def test_a_telegram_that_is_sent_again_has_equal_bytes(mosquitto, listener, ident, topic):
    for _ in range(2):
        with publisher(mosquitto) as far:
            far.publish([data(0, ident, temp=20.5, say="ü")])
    first, again = listener.until(2, topic)

    assert first == again


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("window", [1, 100])
def test_a_thousand_telegrams_arrive_in_order(mosquitto, listener, ident, topic, version, window):
    with publisher(mosquitto, version=version, window=window) as far:
        assert far.publish([data(n, ident) for n in range(1000)]) == {}

    listener.until(1000)
    assert numbers(listener, topic) == list(range(1000))
    assert len(listener.heard) == 1000


@pytest.mark.parametrize("version", VERSIONS)
def test_nothing_is_lost_while_the_broker_is_down(own_mosquitto, journal, version):
    idents = [Ident("Mq", f"k{n}") for n in range(3)]
    with Listener(own_mosquitto.port, "IoS/#", name="ears") as ears:
        with working(journal, publisher(own_mosquitto, version=version)) as worker:
            for begin in range(0, 3000, 1000):
                journal.append([data(n, idents[n % 3]) for n in range(begin, begin + 1000)])
                until(lambda begin=begin: len(ears.heard) > begin + 100)
                own_mosquitto.stop()
                until(lambda: worker.status.state == "waiting" or worker.cursor.lag == 0)
                own_mosquitto.start()
            until(lambda: worker.cursor.lag == 0)
        for n in range(3):
            until(lambda n=n: numbers(ears, f"IoS/Mq/k{n}") == list(range(n, 3000, 3)))


def test_a_broker_that_is_killed_gets_all_that_it_had_not_confirmed(own_mosquitto, journal, ident, topic):
    with working(journal, publisher(own_mosquitto)) as worker:
        journal.append([data(n, ident) for n in range(5000)])
        until(lambda: worker.cursor.lag < 5000)
        own_mosquitto.kill()
        sent = 5000 - worker.cursor.lag
        own_mosquitto.start()
        with Listener(own_mosquitto.port, topic) as ears:
            until(lambda: worker.cursor.lag == 0)
            journal.append([data(5000, ident)])
            until(lambda: 5000 in numbers(ears, topic))
    assert sent < 5000
    assert journal.rejected("publisher:mqtt") == []


def test_a_broker_that_hangs_is_named_and_blamed_on_no_message(own_mosquitto, ident, topic):
    far = publisher(own_mosquitto, timeout=1.0)
    for _ in range(delivery.TRIES + 1):
        with far, own_mosquitto.hung(), pytest.raises(UnavailableError, match="confirms nothing for 1 s"):
            far.publish([data(0, ident)])
    far.timeout = 30.0
    with far, Listener(own_mosquitto.port, topic) as ears:
        assert far.publish([data(1, ident)]) == {}
        ears.until(1)


def test_a_connection_that_is_lost_while_it_begins_is_let_go(own_mosquitto, monkeypatch, ident):
    far = publisher(own_mosquitto)
    far.own = ident

    def send(*_):
        raise UnavailableError("gone")

    monkeypatch.setattr(far._delivery, "run", send)
    with pytest.raises(UnavailableError, match="gone"), far:
        pass
    assert far._client is None


def test_a_loss_is_noticed_while_nothing_is_published(own_mosquitto):
    with publisher(own_mosquitto) as far:
        far.idle()
        own_mosquitto.stop()
        with pytest.raises(UnavailableError, match=str(own_mosquitto.port)):
            until(far.idle)


# What the broker refuses


def test_a_topic_that_may_not_be_written_holds_up_no_other(tmp_path, journal):
    rules = "user kit\ntopic write IoS/Mq/k0\ntopic write IoS/Mq/k2\nuser ears\ntopic read IoS/#\n"
    idents = [Ident("Mq", f"k{n}") for n in range(3)]
    words = {"kit": "a", "ears": "b"}
    server = Mosquitto(tmp_path / "server", passwords=words, acl=rules, queue=1000)
    far = publisher(server, user="kit", password="a", version="5")
    with server, working(journal, far) as worker:
        with Listener(server.port, "IoS/#", user="ears", password="b") as ears:
            journal.append([data(n, idents[n % 3]) for n in range(300)])
            for n in (0, 2):
                until(lambda n=n: numbers(ears, f"IoS/Mq/k{n}") == list(range(n, 300, 3)))
            until(lambda: worker.lanes)
            assert ears.payloads("IoS/Mq/k1") == []
            assert [*worker.lanes] == ["IoS/Mq/k1"]
            assert worker.status.state == "waiting"
            assert "does not let us write IoS/Mq/k1: it is a matter of rights" in worker.status.message
        server.stop()
        (server.folder / "acl").write_text(f"{rules}user kit\ntopic write IoS/Mq/k1\n")
        server.start()
        with Listener(server.port, "IoS/#", user="ears", password="b") as ears:
            until(lambda: not worker.lanes and worker.status.state == "running")
            until(lambda: numbers(ears, "IoS/Mq/k1") == list(range(1, 300, 3)))


@pytest.mark.parametrize("status", ["", "here"])
def test_a_broker_that_refuses_and_hangs_up_does_not_hold_up_the_others_either(tmp_path, status):
    """mosquitto 2.0.11 ends a connection after a refusal where max_queued_messages is 0."""
    rules = "user kit\ntopic write IoS/Mq/k0\ntopic write here\n"
    server = Mosquitto(tmp_path / "server", passwords={"kit": "a"}, acl=rules, queue=0)
    good, bad = Ident("Mq", "k0"), Ident("Mq", "k1")
    far = publisher(server, user="kit", password="a", status=status)
    outcome = {}
    with server:
        for _ in range(delivery.TRIES + 2):
            try:
                with far:
                    outcome = far.publish([data(0, bad), data(0, good)])
                    break
            except UnavailableError:
                pass
    assert [*outcome] == ["IoS/Mq/k1"]


def test_a_broker_that_confirms_and_hangs_up_makes_no_other_message_suspect(tmp_path, journal):
    """So does mosquitto 2.0.11 with MQTT 3.1.1, of a topic that its list of rights forbids."""
    server = Mosquitto(tmp_path / "server", passwords={"kit": "a"}, acl="user kit\ntopic write IoS/Mq/k0\n", queue=0)
    good, bad = Ident("Mq", "k0"), Ident("Mq", "k1")
    far = publisher(server, user="kit", password="a", version="3.1.1")
    with server, working(journal, far) as worker:
        journal.append([data(0, good), data(1, bad), data(2, good), data(3, good)])
        until(lambda: worker.cursor.lag == 0, 60)
    assert [kept.telegram.time // SECOND - T0 for kept in journal.rejected("publisher:mqtt")] == [1]


class Hasty:
    """Stands in for a connection to a broker that confirms what it does not like, and hangs up a moment later."""

    place, room, largest = "broker", 0, 0

    def __init__(self):
        self.confirmed, self._sent, self._bad = {}, 0, False

    def publish(self, topic, payload, retain):
        self._sent += 1
        self._new = payload
        return self._sent

    def turn(self, seconds):
        if self._bad:
            raise UnavailableError("hung up")
        self.confirmed = {self._sent: ""}
        self._bad = self._new == b"bad"


def test_a_broker_that_hangs_up_late_makes_the_next_message_no_suspect():
    sending = delivery.Delivery(1, 1.0)
    parcels = [delivery.Parcel(text, Message("t", text.encode())) for text in ("first", "bad", "good")]
    for _ in range(2 * delivery.TRIES):
        with suppress(UnavailableError):
            failures = sending.run(Hasty(), parcels)
            break

    assert [*failures] == ["bad"]


def test_messages_that_are_never_sent_again_are_not_remembered_for_ever():
    with Broker(WELCOME) as server:
        sending = delivery.Delivery(1, 0.1)
        for n in range(300):
            client = Client(f"127.0.0.1:{server.port}", "kit7")
            client.connect("3.1.1", 60)
            server.hang_up()
            with pytest.raises(UnavailableError):
                sending.run(client, [delivery.Parcel("a", Message("a", b"%d" % n))])
            client.close()

        assert len(sending._doubted) <= 101


def test_a_message_that_is_too_large_is_rejected_before_it_is_sent(tmp_path, ident, topic):
    server = Mosquitto(tmp_path / "server", more="max_packet_size 5000")
    with server, Listener(server.port, "IoS/#") as ears, publisher(server, version="5") as far:
        failures = far.publish([data(0, ident), data(1, ident, say="x" * 9000), data(2, Ident("Mq", "other"))])
        assert [*failures] == [topic]
        assert isinstance(failures[topic], RejectedError)
        assert "takes no message of 9,2" in str(failures[topic])
        assert "5,000 are the most" in str(failures[topic])
        assert [each.topic for each in ears.until(1)] == ["IoS/Mq/other"]


def test_a_message_on_which_the_broker_hangs_up_is_found_and_set_aside(tmp_path, journal, ident, topic):
    server = Mosquitto(tmp_path / "server", more="max_packet_size 5000")
    far = publisher(server, version="3.1.1")
    telegrams = [data(n, ident) for n in range(50)]
    telegrams[30] = data(30, ident, temp=30.0, say="x" * 9000)
    with server, Listener(server.port, "IoS/#") as ears, working(journal, far) as worker:
        journal.append(telegrams)
        until(lambda: worker.cursor.lag == 0, 60)
        until(lambda: numbers(ears, topic) == [n for n in range(50) if n != 30])
    [kept] = journal.rejected("publisher:mqtt")
    assert kept.telegram.time == telegrams[30].time
    assert "hangs up each time on this message of 9,2" in kept.reason


def test_what_was_set_aside_is_tried_again_when_the_broker_takes_more(tmp_path, ident):
    large = data(0, ident, say="x" * 9000)
    server = Mosquitto(tmp_path / "server", more="max_packet_size 5000")
    far = publisher(server, version="3.1.1")
    with server:
        for _ in range(delivery.TRIES + 1):
            with far, pytest.raises(UnavailableError):
                far.publish([large, data(1, ident)])
        with far:
            assert isinstance(far.publish([large])[far.lane(large)], RejectedError)
        server.stop()
        conf = server.folder / "mosquitto.conf"
        conf.write_text(conf.read_text().replace("max_packet_size 5000", ""))
        server.start()
        with far:
            assert far.publish([large]) == {}


def test_a_node_that_cannot_have_a_topic_is_set_aside_with_the_reason(mosquitto, listener, ident, topic):
    with publisher(mosquitto) as far:
        failures = far.publish([data(0, Ident("Mq", "a/b")), data(0, ident)])

    assert str(failures[""]) == "the serial 'a/b' cannot be a level of a topic: / separates levels"
    assert listener.until(1, topic)


# Who we are


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """An authority of one's own, with certificates of a server and of a kit."""
    folder, ca = tmp_path_factory.mktemp("tls"), trustme.CA()
    ca.cert_pem.write_to_path(folder / "ca.pem")
    trustme.CA().cert_pem.write_to_path(folder / "other.pem")
    ca.issue_cert("localhost", "127.0.0.1").private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
    ca.issue_cert("kit.example.org", common_name="kit").private_key_and_cert_chain_pem.write_to_path(folder / "kit.pem")
    return folder


@pytest.fixture
def secure(tmp_path, authority):
    with Mosquitto(tmp_path / "secure", certificate=authority / "server.pem") as server:
        yield server


def test_tls_with_a_ca_of_ones_own(secure, authority, ident, topic):
    with Listener(secure.port, "IoS/#", ca=authority / "ca.pem") as ears:
        with publisher(secure, ssl=True, ca_file=authority / "ca.pem") as far:
            assert far.publish([data(n, ident) for n in range(500)]) == {}
        ears.until(500)
        assert numbers(ears, topic) == list(range(500))


@pytest.mark.parametrize("file", ["", "other.pem"])
def test_a_certificate_that_nobody_vouches_for_is_not_trusted(secure, authority, file):
    options = {"ssl": True} | ({"ca_file": authority / file} if file else {})

    with pytest.raises(UnavailableError, match=r"its certificate is not trusted .* see ca_file"):
        publisher(secure, **options).open()


def test_tls_where_there_is_none_and_none_where_there_is_tls(secure, mosquitto):
    for server, options in ((mosquitto, {"ssl": True}), (secure, {})):
        with pytest.raises(UnavailableError, match=str(server.port)):
            publisher(server, timeout=2.0, **options).open()


def test_a_client_certificate_says_who_we_are(tmp_path, authority, ident, topic):
    rules = f"user kit\ntopic readwrite {topic}\n"
    server = Mosquitto(
        tmp_path / "server", certificate=authority / "server.pem", ca=authority / "ca.pem", acl=rules, queue=1000
    )
    kit = {"ssl": True, "ca_file": authority / "ca.pem"}
    with server:
        with Listener(server.port, topic, ca=authority / "ca.pem", certificate=authority / "kit.pem") as ears:
            with publisher(server, **kit, cert_file=authority / "kit.pem") as far:
                assert far.publish([data(0, ident)]) == {}
            ears.until(1)
        with pytest.raises(UnavailableError):
            publisher(server, **kit).open()


def test_a_certificate_that_is_not_there_is_a_matter_for_a_person(secure, tmp_path):
    with pytest.raises(ConfigError, match=r"ca_file .*nothing\.pem"):
        publisher(secure, ssl=True, ca_file=tmp_path / "nothing.pem").open()


def test_a_wrong_password_is_told_once_and_nothing_is_lost_until_it_is_mended(tmp_path, journal, ident, topic, caplog):
    word = tmp_path / "word"
    word.write_text("wrong\n")
    server = Mosquitto(tmp_path / "server", passwords={"kit": "right", "ears": "b"})
    far = publisher(server, user="kit", password_file=word)
    with server, Listener(server.port, topic, user="ears", password="b") as ears, working(journal, far) as worker:
        journal.append([data(n, ident) for n in range(10)])
        until(lambda: worker.status.state == "waiting")
        assert "see user and password" in worker.status.message
        until(lambda: worker._failures > 1)
        word.write_text("right\n")
        until(lambda: worker.cursor.lag == 0)
        ears.until(10)
    told = [each.getMessage() for each in caplog.records if "password" in each.getMessage()]
    assert len(told) == 1
    assert "wrong" not in told[0]


# Birth and will


def test_a_kit_is_online_while_it_is_connected_and_says_farewell(mosquitto, ident, topic):
    far = publisher(mosquitto)
    far.own = ident
    with far, Listener(mosquitto.port, f"{topic}/status") as ears:
        [there] = ears.until(1)
        assert there == (f"{topic}/status", "online", True)
        far.close()
        assert ears.until(2)[1].payload == "offline"
    with Listener(mosquitto.port, f"{topic}/status") as late:
        assert late.until(1)[0].payload == "offline"


def test_who_measures_nothing_has_no_status_but_one_that_is_named(mosquitto, ident, topic, listener):
    with publisher(mosquitto) as far:
        far.publish([data(0, ident)])
    with publisher(mosquitto, status=f"{topic}/relay") as far:
        far.publish([data(1, ident)])

    assert [each.topic.removeprefix(topic) for each in listener.until(4)] == ["", "/relay", "", "/relay"]


def test_a_killed_kit_is_offline_and_online_again_with_its_next_connection(own_mosquitto, tmp_path):
    kit = Kit(
        tmp_path,
        "[daemon]\ninterval = 1\n[id]\nproject = Mq\nserial = k1\n[sensor:simulated]\ninterval = 0.1\n"
        f"[publisher:mqtt]\nhostname = 127.0.0.1\nport = {own_mosquitto.port}\n",
    )
    with Listener(own_mosquitto.port, "IoS/Mq/k1/status") as ears:
        try:
            kit.start()
            ears.until(1)
            kit.kill()
            ears.until(2)
            kit.start()
            ears.until(3)
            kit.stop()
            ears.until(4)
        finally:
            kit.kill()
        assert ears.payloads("IoS/Mq/k1/status") == ["online", "offline", "online", "offline"]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_connection_that_takes_over_an_old_one_ends_online(mosquitto, ident, topic, version):
    state = State()
    first, second = publisher(mosquitto, version=version), publisher(mosquitto, version=version)
    for far in (first, second):
        far.own, far.state = ident, state
    with Listener(mosquitto.port, f"{topic}/status") as ears:
        first.open()
        second.open()  # as after the loss of a network that the broker has not noticed
        try:
            until(lambda: ears.payloads(f"{topic}/status")[-2:] == ["offline", "online"])
            second.publish([data(0, ident)])
            assert ears.payloads(f"{topic}/status")[-1] == "online"
        finally:
            second.close()
            first.close()


def test_the_name_of_a_connection_is_kept_and_can_be_given(mosquitto):
    far = publisher(mosquitto)
    names = []
    for _ in range(2):
        with far:
            names.append(far._client.client_id)
    with publisher(mosquitto, client_id="kit-7") as given:
        assert given._client.client_id == "kit-7"
    assert names[0] == names[1] == far.state["client"]
    assert len(names[0]) <= 23  # more, a broker of version 3.1.1 need not take


# By hand


@pytest.mark.parametrize("version", VERSIONS)
def test_check_says_what_is_there_disturbs_nobody_and_publishes_nothing(own_mosquitto, ident, version):
    far = publisher(own_mosquitto, client_id="kit", version=version)
    far.own = ident
    with Listener(own_mosquitto.port, "#") as ears, far:
        ears.until(1)
        other = publisher(own_mosquitto, client_id="kit", version=version)
        other.own = ident
        said = other.check()
        assert far.publish([data(0, ident)]) == {}
        ears.until(2)
        assert len(ears.heard) == 2
    assert said == f"connected to 127.0.0.1:{own_mosquitto.port}, MQTT {version}, mosquitto version 2.0.11"


def test_check_of_a_broker_that_is_away_names_it():
    [port] = free_ports(1)

    with pytest.raises(UnavailableError, match=f"127.0.0.1:{port}: Connection refused"):
        mqtt.Publisher(hostname="127.0.0.1", port=port).check()


def test_the_examples_can_be_published_by_hand(mosquitto):
    with Listener(mosquitto.port, "hand/#") as ears:
        done = mysense("publish", "mqtt", "--hostname", "127.0.0.1", "--port", mosquitto.port, "--topic", "hand")
        ears.until(3)
    assert done.stderr == "mqtt: published 3 data telegrams of 1 node to hand/BdP/test_sense\n"
    assert Counter(each.topic for each in ears.heard) == {"hand/BdP/test_sense": 3}
    assert [json.loads(each.payload)["data"]["hpa"] for each in ears.heard] == [
        telegram.values["hpa"] for telegram in examples.telegrams() if isinstance(telegram, Data)
    ]


@pytest.mark.parametrize(("version", "together"), [("3.1.1", 50), ("5", 20)])
def test_telegrams_are_on_their_way_together(own_mosquitto, ident, monkeypatch, version, together):
    """Over a slow network it counts how many wait for their confirmation at once; mosquitto asks for 20 at most."""
    flying = []
    with publisher(own_mosquitto, window=50, version=version) as far:
        turn = far._client.turn

        def counting(timeout):
            flying.append(len(far._delivery._flying))
            turn(timeout)

        monkeypatch.setattr(far._client, "turn", counting)
        assert far.publish([data(n, ident) for n in range(200)]) == {}
    assert max(flying) == together
