"""What a client of the listener may do, and how often. Where a client comes from, the tests make up."""

import logging
import socket
import threading
from contextlib import ExitStack

import pytest

from mysense.channels.influxlisten import Subscriber, rates
from mysense.channels.influxlisten.access import Access
from mysense.channels.influxlisten.conversation import Conversation
from mysense.channels.influxlisten.intake import Intake
from mysense.channels.influxlisten.rates import BURST, GUESS, Rates
from mysense.channels.influxlisten.server import Server
from mysense.channels.influxlisten.waiting import Waiting
from tests.kit import until
from tests.leaks import SECRETS
from tests.ports import free_ports

PING = b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n"
WRITE = b"POST /write?db=x&u=ios&p=guess HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"


class Hand:
    """A clock that a test turns."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def hand():
    return Hand()


USER = Access("ios", SECRETS[0])


def intake(rate, access=USER):
    return Intake(access, Waiting(), 10_000, 5.0, logging.getLogger("mysense.channels.influxlisten"), rate)


def pair():
    """The two ends of a connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        near = socket.create_connection(server.getsockname())
        return near, server.accept()[0]


def answers(client, given, *requests):
    """The statuses and headers that a client at an address is answered, over one connection."""
    with ExitStack() as stack:
        near, far = (stack.enter_context(each) for each in pair())
        thread = threading.Thread(target=Conversation, args=(far, client, given, False))
        thread.start()
        near.sendall(b"".join(requests))
        near.shutdown(socket.SHUT_WR)
        near.settimeout(20)
        thread.join(20)
        assert not thread.is_alive()
        far.close()
        said = near.makefile("rb").read().decode()
    return [part.partition("\r\n\r\n")[0] for part in said.split("HTTP/1.1 ")[1:]]


def test_who_comes_too_often_is_put_off_and_may_come_again(hand):
    limits = Rates(2.0, hand)
    allowed = sum(not limits.wait("192.0.2.7") for _ in range(100))

    assert allowed == 2 * BURST
    assert limits.wait("192.0.2.8") == 0.0  # another client
    assert limits.wait("192.0.2.7") > 0
    hand.now += 0.5
    assert limits.wait("192.0.2.7") == 0.0
    assert limits.wait("192.0.2.7") > 0
    hand.now += 3600
    assert sum(not limits.wait("192.0.2.7") for _ in range(100)) == 2 * BURST


def test_a_wrong_password_counts_as_many_requests(hand):
    limits, guesses = Rates(100.0, hand), 0
    while not limits.wait("192.0.2.7"):
        limits.guessed("192.0.2.7")
        guesses += 1

    assert guesses < 100 * BURST / GUESS + 1


def test_addresses_of_strangers_do_not_fill_the_memory(hand, monkeypatch):
    monkeypatch.setattr(rates, "_MOST", 10)
    limits = Rates(1.0, hand)
    for n in range(100):
        limits.wait(f"192.0.2.{n}")
        limits.guessed(f"198.51.100.{n}")

    assert len(limits._due) <= 11


def test_programs_of_this_machine_and_those_of_who_wants_no_limit_come_as_they_like(hand):
    for limits, client in ((Rates(1.0, hand), "127.0.0.1"), (Rates(1.0, hand), "::1"), (Rates(0.0, hand), "192.0.2.7")):
        assert not any(limits.wait(client) for _ in range(1000))


def test_a_network_of_ipv6_is_one_client(hand):
    limits = Rates(1.0, hand)
    for n in range(100):
        limits.wait(f"2001:db8::{n:x}")

    assert limits.wait("2001:db8::ffff") > 0
    assert limits.wait("2001:db8:0:1::1") == 0.0


def test_a_client_that_comes_too_often_is_answered_429_and_told_once(caplog):
    given = intake(1.0)
    said = answers("192.0.2.7", given, *[PING] * 15)

    assert [each[:3] for each in said] == ["204"] * 10 + ["429"] * 5
    assert "Retry-After: 1" in said[-1]
    assert [record.getMessage() for record in caplog.records] == [
        "192.0.2.7 comes more often than rate = 1 a second: it is put off"
    ]
    assert answers("192.0.2.8", given, PING)[0].startswith("204")


def test_whoever_guesses_passwords_is_soon_put_off():
    said = answers("192.0.2.7", intake(10.0), *[WRITE] * 20)

    assert [each[:3] for each in said] == ["401", "401"] + ["429"] * 18


def test_one_client_cannot_have_all_connections():
    [port] = free_ports(1)
    server = Server("127.0.0.1", port, intake(0.0), 4)
    with ExitStack() as stack:
        stack.callback(server.close)
        pairs = [pair() for _ in range(4)]
        for near, far in pairs:
            stack.callback(near.close)
            client = "192.0.2.8" if near is pairs[-1][0] else "192.0.2.7"
            threading.Thread(target=server._converse, args=(far, client), daemon=True).start()
            until(lambda client=client: client in server._clients.values())
        said = []
        for near, _ in pairs:
            near.sendall(PING)
            near.settimeout(20)
            said.append(near.recv(1000)[9:12])

    assert sorted(said[:3]) == [b"204", b"204", b"503"]
    assert said[3] == b"204"


def test_a_listener_is_on_this_machine_alone_unless_told_otherwise():
    assert Subscriber().hostname == "127.0.0.1"
    assert Subscriber()._warning(Access()) == ""
    assert "everybody" in Subscriber(hostname="0.0.0.0")._warning(Access())
    assert Subscriber(hostname="0.0.0.0")._warning(Access("ios", SECRETS[0])) == ""


@pytest.mark.parametrize(
    ("begin", "more", "code"),
    [(WRITE.removesuffix(b"\r\n"), b"X: %s\r\n", b"431"), (b"POST /write?db=", b"%s", b"414")],
)
def test_headers_without_end_are_read_no_further(begin, more, code):
    with ExitStack() as stack:
        near, far = (stack.enter_context(each) for each in pair())
        thread = threading.Thread(target=Conversation, args=(far, "192.0.2.7", intake(0.0), False))
        thread.start()
        near.settimeout(20)
        near.sendall(begin)
        for _ in range(5):
            near.sendall(more % (b"a" * 60_000))
        near.shutdown(socket.SHUT_WR)
        said = near.recv(1000)
        thread.join(20)

        assert not thread.is_alive()
        assert said.startswith(b"HTTP/1.1 " + code)


def test_many_requests_may_come_over_one_connection():
    said = answers("192.0.2.7", intake(0.0), *[PING] * 5000)  # together more than the headers of one may have

    assert [each[:3] for each in said] == ["204"] * 5000


def test_a_client_that_drips_is_cut_off_wherever_it_is():
    for begun in (b"", b"POST /write?db=x HTTP/1.1\r\nHost: x\r\n", WRITE.replace(b"Length: 0", b"Length: 500")):
        near, far = pair()
        given = intake(0.0, Access())
        given.timeout = 0.3
        thread = threading.Thread(target=Conversation, args=(far, "192.0.2.7", given, False))
        thread.start()
        near.sendall(begun or b"P")

        def dripped(near=near, thread=thread):
            try:
                near.sendall(b"a")
            except OSError:
                return True
            return not thread.is_alive()

        until(dripped, 10)
        thread.join(20)
        assert not thread.is_alive()
        near.close()
        far.close()
