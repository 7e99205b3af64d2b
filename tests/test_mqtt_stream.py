"""Messages are cut out of the stream whole, however it comes, and paho gets all the rest."""

import socket
import ssl
import threading
from contextlib import suppress
from itertools import pairwise

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from mysense.channels._mqtt.stream import CHUNK, LARGEST, Message, Stream, acknowledgements
from tests.kit import until
from tests.packets import CONNACK, PINGRESP, SUBACK, packet, publish, user_property

VERSIONS = pytest.mark.parametrize("version", [4, 5])
PLAIN = [CONNACK[5], SUBACK, PINGRESP]


class Line:
    """A connection whose far end a test plays."""

    def __init__(self, version=5, cut=True, wrap=None):
        self.far, near = socket.socketpair()
        if wrap:
            self.far, near = wrap(self.far, near)
        near.setblocking(False)
        self.stream = Stream(near, version, cut)

    def say(self, data):
        """Send, in a thread of its own, while the stream is filled until all has come."""
        sender = threading.Thread(target=self.far.sendall, args=[data])
        sender.start()
        while sender.is_alive():
            self.stream.fill()
        for _ in range(4):
            self.stream.fill()

    def plain(self):
        """What paho can read."""
        return self.stream.recv(10**9) if self.stream.pending() else b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.far.close()
        self.stream.close()


def message(topic="a/b", payload=b"{}", number=1, retain=False):
    return Message(topic, payload, retain, number, len(payload))


@VERSIONS
def test_packets_that_come_byte_by_byte_are_cut_out_whole(version):
    with Line(version) as line:
        data = (
            publish("a/b", b"x" * 200, 7, version=version) + SUBACK + publish("c", b"", 0, version=version) + PINGRESP
        )
        for n in range(len(data)):
            line.say(data[n : n + 1])

        assert line.stream.take() == [message(payload=b"x" * 200, number=7), message("c", b"", 0)]
        assert line.plain() == SUBACK + PINGRESP


@VERSIONS
def test_packets_that_come_in_two_parts_are_cut_out_wherever_the_cut_is(version):
    data = PINGRESP + publish("a/b", b"y" * 130, 300, version=version) + SUBACK
    for n in range(len(data) + 1):
        with Line(version) as line:
            line.say(data[:n])
            line.say(data[n:])

            assert line.stream.take() == [message(payload=b"y" * 130, number=300)]
            assert line.plain() == PINGRESP + SUBACK


def test_many_messages_come_with_one_read():
    with Line() as line:
        line.far.sendall(b"".join(publish("t", b"%d" % n, n) for n in range(1, 1001)))
        line.stream.fill()

        assert line.stream.take() == [message("t", b"%d" % n, n) for n in range(1, 1001)]
        assert line.stream.take() == []


def test_what_a_message_is_marked_with_is_seen():
    with Line() as line:
        line.say(publish("t", b"1", 1, retain=True) + publish("t", b"2", 2, again=True) + publish("t", b"3", 0))

        assert line.stream.take() == [message("t", b"1", 1, True), message("t", b"2", 2), message("t", b"3", 0)]


@pytest.mark.parametrize("size", [1, 4, 40, 500])
def test_the_properties_of_mqtt_5_are_passed_over(size):
    properties = b"".join(user_property("k", str(n)) for n in range(size)) + b"\x01\x01"
    with Line() as line:
        line.say(publish("t", b'{"a":1}', 9, properties=properties) + publish("t", b"", 0, properties=properties))

        assert line.stream.take() == [message("t", b'{"a":1}', 9), message("t", b"", 0)]


@VERSIONS
@pytest.mark.parametrize("size", [LARGEST - 100, LARGEST, LARGEST + 1, 3 * LARGEST, 20 * LARGEST])
def test_of_a_message_that_is_too_large_only_the_beginning_is_kept(version, size):
    payload = bytes(n & 255 for n in range(251)) * (size // 251 + 1)
    payload = payload[:size]
    with Line(version) as line:
        line.say(SUBACK + publish("t", payload, 5, version=version) + publish("u", b"next", 6, version=version))
        first, second = line.stream.take()

        assert (first.topic, first.number, second) == ("t", 5, message("u", b"next", 6))
        assert payload.startswith(first.payload)
        assert first.size == size or first.size > LARGEST, "what is cut is known to be too large"
        assert first.size == len(first.payload) or len(first.payload) <= LARGEST + CHUNK
        assert line.plain() == SUBACK


def test_a_topic_that_is_not_utf_8_does_not_stop_what_comes_behind():
    with Line() as line:
        line.say(publish(b"a/\xff\xc3", b"1", 1) + publish("b", b"2", 2))

        assert [each.payload for each in line.stream.take()] == [b"1", b"2"]


@pytest.mark.parametrize(
    "wrong",
    [
        packet(0x32, b""),
        packet(0x32, b"\0"),
        packet(0x32, b"\0\5a"),
        packet(0x32, b"\0\1a"),
        packet(0x32, b"\0\1a\0"),
        packet(0x32, b"\0\1a\0\0\0"),
        packet(0x32, b"\0\1a\0\1\x7f"),
        packet(0x32, b"\0\1a\0\1\xff\xff\xff\xff\xff"),
        b"\x30\xff\xff\xff\xff\x01",
        b"\x90\xff\xff\xff\x7f",
        b"HTTP/1.1 400 Bad Request\r\n" * 40_000,
    ],
    ids=range(11),
)
def test_what_is_not_mqtt_ends_the_connection(wrong):
    with Line() as line:

        def send():
            with suppress(OSError):
                line.far.sendall(wrong)

        sender = threading.Thread(target=send)
        sender.start()
        with pytest.raises(OSError, match="not MQTT"):
            until(line.stream.fill, 5)
        line.stream.close()
        line.far.close()
        sender.join(5)


@given(st.binary(max_size=300), st.sampled_from([4, 5]))
def test_whatever_comes_is_cut_or_given_to_paho_or_ends_the_connection(data, version):
    with Line(version) as line:
        try:
            line.say(data)
        except ConnectionError:
            return
        assert len(line.plain()) <= len(data)


PACKETS = st.one_of(
    st.builds(lambda *a, **k: (publish(*a, **k), message(*a)), st.sampled_from(["a", "ü/b"]), st.binary(max_size=300),
              st.integers(0, 65535), properties=st.sampled_from([b"", b"\x01\x01", user_property("k" * 130, "v")])),
    st.sampled_from(PLAIN).map(lambda data: (data, None)),
)  # fmt: skip


@given(st.lists(PACKETS, max_size=12), st.lists(st.integers(0, 2000), max_size=6))
def test_every_message_is_cut_out_once_and_in_order(packets, cuts):
    data = b"".join(each for each, _ in packets)
    with Line() as line:
        places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
        for begin, end in pairwise(places):
            line.say(data[begin:end])

        assert line.stream.take() == [each for _, each in packets if each]
        assert line.plain() == b"".join(each for each, what in packets if not what)


def test_without_cutting_paho_gets_everything():
    data = publish("a", b"1") + SUBACK
    with Line(cut=False) as line:
        line.say(data)

        assert (line.plain(), line.stream.take()) == (data, [])


def test_paho_gets_its_bytes_one_by_one_and_is_told_when_there_are_none_yet():
    with Line() as line:
        line.say(SUBACK)
        assert b"".join(line.stream.recv(1) for _ in SUBACK) == SUBACK
        with pytest.raises(BlockingIOError):
            line.stream.recv(1)


def test_the_end_of_the_connection_comes_behind_what_was_sent_before():
    with Line() as line:
        line.far.sendall(publish("a", b"1") + SUBACK)
        line.far.close()
        line.stream.fill(), line.stream.fill()

        assert len(line.stream.take()) == 1
        assert line.plain() == SUBACK
        assert line.stream.pending()
        assert line.stream.recv(1) == b""


def test_what_the_network_does_not_take_waits():
    data = bytes(range(256)) * 40_000
    with Line() as line:
        assert line.stream.send(data) == len(data)
        line.stream.flush()
        assert line.stream.unsent
        got = b""
        while len(got) < len(data):
            got += line.far.recv(1 << 20)
            line.stream.flush()

        assert got == data
        assert not line.stream.unsent


def test_to_send_to_nobody_is_an_error():
    with Line() as line:
        line.far.close()
        line.stream.send(b"x")
        with pytest.raises(BrokenPipeError):
            until(line.stream.flush, 1)


def test_whatever_comes_is_a_sign_of_life():
    """The broker's answer to a ping may stand behind so much that it would come too late."""
    with Line() as line:
        line.say(publish("a", b"1"))
        assert line.plain() == b""
        line.stream.send(b"\xc0\0")
        line.say(publish("a", b"2"))
        assert line.plain() == PINGRESP
        line.say(publish("a", b"3"))

        assert line.plain() == b""
        assert len(line.stream.take()) == 3


def test_all_acknowledgements_go_out_together():
    assert acknowledgements([message(number=n) for n in (1, 0, 300)]) == b"\x40\x02\x00\x01\x40\x02\x01\x2c"


@pytest.fixture(scope="module")
def wrap():
    """Encrypts both ends of a connection."""
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("localhost").configure_cert(server)
    authority.configure_trust(client)

    def wrap(far, near):
        ends = []
        thread = threading.Thread(target=lambda: ends.append(server.wrap_socket(far, server_side=True)))
        thread.start()
        near = client.wrap_socket(near, server_hostname="localhost")
        thread.join()
        return ends[0], near

    return wrap


def test_encrypted_messages_come_record_by_record(wrap):
    with Line(wrap=wrap) as line:
        for n in range(1, 40):
            line.far.sendall(publish("t", b"z" * n, n))
        line.far.sendall(publish("t", b"w" * 100_000, 40) + SUBACK)
        got = []
        until(lambda: line.stream.fill() or got.extend(line.stream.take()) or len(got) == 40)

        assert got == [*(message("t", b"z" * n, n) for n in range(1, 40)), message("t", b"w" * 100_000, 40)]
        assert line.plain() == SUBACK


def test_nothing_of_an_encrypted_connection_waits_unseen(wrap):
    """Whoever waits for the socket does not hear of what was decrypted already."""
    with Line(wrap=wrap) as line:
        sender = threading.Thread(target=line.far.sendall, args=[publish("t", b"v" * 1000, 1) * 2000])
        sender.start()
        got = []

        def fill():
            line.stream.fill()
            assert line.stream._socket.pending() == 0
            got.extend(line.stream.take())
            return len(got) == 2000

        until(fill)
        sender.join()


def test_an_encrypted_connection_that_ends_has_ended(wrap):
    with Line(wrap=wrap) as line:
        line.far.sendall(publish("t", b"1"))
        line.far.shutdown(socket.SHUT_RDWR)
        until(lambda: line.stream.fill() or line.stream.pending())

        assert len(line.stream.take()) == 1
        assert line.stream.recv(1) == b""
