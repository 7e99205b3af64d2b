"""The proxy of faults does what each fault says: else what stands the faults has stood nothing."""

import contextlib
import http.client
import random
import socket
import socketserver
import ssl
import threading
import time

import pytest

from tests.faults import HTTP, LINE, TLS, Fault, answer, draw, kinds
from tests.kit import until
from tests.proxy import Certificates, Proxy


class Echo(socketserver.BaseRequestHandler):
    """Says what it hears."""

    def handle(self):
        with contextlib.suppress(OSError):
            while data := self.request.recv(65536):
                self.request.sendall(data)
                self.server.heard += data


@pytest.fixture
def server():
    """A server that says what it hears."""

    class Server(socketserver.ThreadingTCPServer):
        request_queue_size, daemon_threads, block_on_close, heard = 100, True, False, b""

    with Server(("127.0.0.1", 0), Echo) as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@pytest.fixture
def proxy(server):
    with Proxy(server.server_address[1]) as made:
        yield made


@pytest.fixture
def line(proxy):
    """A client's connection, which has said something."""
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as made:
        assert asked(made, b"hello") == b"hello"
        yield made


def asked(line, data):
    """What comes back."""
    line.sendall(data)
    said = b""
    while len(said) < len(data) and (more := line.recv(65536)):
        said += more
    return said


def drained(line):
    """Hear to the end."""
    while line.recv(100):
        pass


def test_without_a_fault_all_passes_and_many_at_once(proxy):
    with contextlib.ExitStack() as stack:
        lines = [
            stack.enter_context(socket.create_connection(("127.0.0.1", proxy.port), timeout=10)) for _ in range(20)
        ]
        data = random.Random(1).randbytes(100_000)

        assert [asked(line, data) for line in lines] == [data] * 20
    assert not proxy.met


@pytest.mark.parametrize("up", [True, False])
def test_a_cut_ends_the_connection_after_so_many_bytes(proxy, line, server, up):
    with proxy.struck(Fault("cut", up, 3)):
        said = asked(line, b"0123456789")
        assert up or said == b"012"
    assert proxy.met == {"cut": 1}
    until(lambda: server.heard == (b"hello012" if up else b"hello0123456789"))


def test_a_reset_is_a_reset(proxy, line):
    with proxy.struck(Fault("reset", False, 3)):
        line.sendall(b"0123456789")
        until(lambda: proxy.met["reset"])
        with pytest.raises(ConnectionResetError):
            drained(line)


def test_half_closed_one_way_ends_and_the_other_goes_on(proxy, line, server):
    with proxy.struck(Fault("half-close", False, 3)):
        assert asked(line, b"0123456789") == b"012"
        line.sendall(b"still here")
        until(lambda: server.heard.endswith(b"still here"))


def test_a_delay_takes_its_time(proxy, line):
    begun = time.monotonic()
    with proxy.struck(Fault("delay", pause=0.1)):
        assert asked(line, b"0123456789") == b"0123456789"
    assert time.monotonic() - begun > 0.19  # there and back


def test_drops_come_one_by_one_until_it_is_lifted(proxy, line):
    with proxy.struck(Fault("drip", pause=0.01)):
        line.sendall(b"0123456789")
        assert line.recv(100) == b"0"
    said = b""
    while len(said) < 9:
        said += line.recv(100)
    assert said == b"123456789"


def test_what_hangs_is_carried_when_that_is_over(proxy, line, server):
    with proxy.struck(Fault("hang")):
        line.sendall(b"0123456789")
        until(lambda: proxy.met["hang"])
        assert server.heard == b"hello"
    assert line.recv(100) == b"0123456789"


def test_whoever_is_refused_is_refused_and_welcome_afterwards(proxy, line):
    with proxy.struck(Fault("refuse")):
        assert line.recv(1) == b""  # what was there is cut
        for _ in range(3):
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", proxy.port))
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as again:
        assert asked(again, b"hello") == b"hello"


def test_garbage_is_heard_and_what_is_answered_to_it_is_not(proxy, line, server):
    with proxy.struck(Fault("garbage", after=3, pause=0.2, noise=b"\0\xff")):
        assert asked(line, b"0123456789")[:5] == b"012\0\xff"[:5]
        line.sendall(b"what?")
        drained(line)
    assert server.heard == b"hello0123456789"


def test_a_wrong_certificate_is_wrong_and_the_right_one_is_right_again(server, tmp_path):
    certificates = Certificates(tmp_path)
    trust = ssl.create_default_context(cafile=str(certificates.ca))

    def said():
        with (
            socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as plain,
            trust.wrap_socket(plain, server_hostname="localhost") as line,
        ):
            return asked(line, b"hello")

    why = []
    with Proxy(server.server_address[1], certificates) as proxy:
        assert said() == b"hello"
        for which in range(3):
            with proxy.struck(Fault("wrong certificate", which=which)), pytest.raises(ssl.SSLError) as caught:
                said()
            why.append(caught.value.verify_message)
        assert said() == b"hello"

    assert [words.split()[0] for words in why] == ["unable", "Hostname", "certificate"]


@pytest.mark.parametrize("taken", [True, False])
def test_a_lie_is_told_whether_or_not_the_server_has_heard_of_it(influxd, serial, taken):
    influxd.query(f"CREATE DATABASE {serial}")
    fault = Fault("500", path="/write", answer=answer("500 Oops", "no", "Retry-After: 3"), taken=taken)
    with Proxy(influxd.port) as proxy, proxy.struck(fault):
        client = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=10)
        for n in range(2):
            client.request("POST", f"/write?db={serial}", f"data temp={n} {n + 1}")
            told = client.getresponse()
            assert (told.status, told.headers["Retry-After"], told.read()) == (500, "3", b"no")
        client.request("GET", "/ping")  # which is no part of the lie
        assert client.getresponse().status == 204
        client.close()

    assert len(influxd.rows("SELECT * FROM data", serial)) == (2 if taken else 0)
    assert proxy.met == {"500": 2}


def test_the_same_seed_gives_the_same_faults():
    names = LINE + TLS + HTTP

    def drawn(seed):
        dice = random.Random(seed)
        bag = kinds(dice, names)
        return [draw(dice, next(bag)) for _ in range(50)]

    assert drawn(1) == drawn(1) != drawn(2)
    assert {fault.kind for fault in drawn(1)[: len(names)]} == {*names}
