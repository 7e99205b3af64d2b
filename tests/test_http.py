"""The keep-alive connection against a server that does what it is told, byte by byte."""

import socket
import ssl
import threading
import time
from contextlib import suppress

import pytest
import trustme

from mysense.channels import _http, _tls
from mysense.errors import UnavailableError
from tests.felt import felt

OK = b"HTTP/1.1 204 No Content\r\n\r\n"
CLOSE = b""


class Wire:
    """A server of bytes: each connection answers its requests from a list, then hangs up."""

    def __init__(self, *connections, tls=None):
        self.heard, self._connections, self._tls = [], connections, tls
        self._opened = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        for answers in self._connections:
            try:
                client, _ = self._socket.accept()
                if self._tls:
                    client = self._tls.wrap_socket(client, server_side=True)
            except OSError:
                continue
            with client:
                for answer in answers:
                    if not self._request(client):
                        break
                    if answer is None:  # says nothing
                        self._done.wait(10)
                        break
                    client.sendall(answer)

    def _request(self, client):
        heard = b""
        while b"\r\n\r\n" not in heard:
            if not (more := client.recv(65536)):
                return False
            heard += more
        head, _, body = heard.partition(b"\r\n\r\n")
        length = next((int(h.split(b":")[1]) for h in head.split(b"\r\n") if h.lower().startswith(b"content-len")), 0)
        while len(body) < length:
            body += client.recv(65536)
        self.heard.append(body)
        return True

    def connect(self, timeout=5.0, tls=None):
        """A connection to it, closed with it."""
        there = _http.Connection("127.0.0.1", self.port, timeout=timeout, tls=tls)
        self._opened.append(there)
        return there

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for there in self._opened:
            there.close()
        self._done.set()
        self._socket.shutdown(socket.SHUT_RDWR)  # wakes its accept
        self._socket.close()
        self._thread.join(5)


def test_an_answer_has_its_status_headers_and_text():
    with Wire([b"HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 4\r\n\r\nbusy"]) as wire:
        answer = wire.connect().request("POST", "/write", b"x")

    assert answer == (503, {"retry-after": "7", "content-length": "4"}, "busy")


def test_requests_share_a_connection():
    with Wire([OK, OK, OK]) as wire:
        there = wire.connect()
        for n in range(3):
            there.request("POST", "/write", b"%d" % n)

    assert wire.heard == [b"0", b"1", b"2"]


def test_an_idle_connection_that_was_closed_is_opened_again():
    with Wire([OK], [OK]) as wire:
        there = wire.connect()
        assert [there.request("POST", "/", b"%d" % n).status for n in range(2)] == [204, 204]


@pytest.mark.parametrize("connections", [([CLOSE],), ([OK, CLOSE], [CLOSE], [OK])])
def test_a_server_that_hangs_up_on_a_new_connection_is_an_outage_and_the_next_request_goes_on(connections):
    with Wire(*connections, [OK]) as wire:
        there = wire.connect()
        for _ in connections[0][1:]:
            there.request("POST", "/", b"x")
        with pytest.raises(UnavailableError, match=f"http://127.0.0.1:{wire.port}: "):
            there.request("POST", "/", b"x")
        assert there.request("POST", "/", b"y").status == 204


@pytest.mark.parametrize("first", [[], [OK]], ids=["new", "used"])
def test_no_answer_within_the_time_out_is_an_outage_and_nothing_is_sent_twice(first):
    with Wire([*first, None]) as wire:
        there = wire.connect(timeout=0.2)
        for _ in first:
            there.request("POST", "/", b"x")
        with pytest.raises(UnavailableError, match=r"no answer within 0\.2 s"):
            there.request("POST", "/", b"y")

    assert wire.heard.count(b"y") == 1


@pytest.mark.parametrize(
    "nonsense",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 two\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        b"\x16\x03",
    ],
)
def test_what_is_no_answer_is_an_outage(nonsense):
    with Wire([nonsense]) as wire, pytest.raises(UnavailableError):
        wire.connect().request("POST", "/", b"x")


def test_an_answer_without_end_is_read_no_further_than_it_is_of_use():
    endless = b"HTTP/1.1 200 OK\r\nContent-Length: 9999999999\r\n\r\n" + b"x" * 200_000
    with Wire([endless], [OK]) as wire:
        there = wire.connect(timeout=0.5)
        assert len(there.request("POST", "/", b"a").text) == _http.LONGEST
        assert there.request("POST", "/", b"b").status == 204


def test_an_answer_given_before_the_whole_body_was_read_is_heard():
    early = b"HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\nConnection: close\r\n\r\nlarge"

    class Early(Wire):
        def _request(self, client):
            return bool(client.recv(1000)) if not self.heard else super()._request(client)

        def _serve(self):
            client, _ = self._socket.accept()
            with client:
                client.recv(1000)
                client.sendall(early)
                client.shutdown(socket.SHUT_WR)
                self._done.wait(0.2)  # and then closes with most of the body unread
            self._connections = [[OK]]
            super()._serve()

    with Early() as wire:
        there = wire.connect()
        assert there.request("POST", "/", b"x" * 20_000_000)[::2] == (413, "large")
        assert there.request("POST", "/", b"y").status == 204


@pytest.mark.parametrize("drip", [b"x", b"X: y\r\n"], ids=["status", "headers"])
def test_an_answer_that_comes_in_drops_has_an_end(drip):
    class Drips(Wire):
        def _request(self, client):
            if super()._request(client) and self.heard[-1] == b"a":
                with suppress(OSError):
                    client.sendall(b"HTTP/1.1 200 OK" + b"\r\n" * (len(drip) > 1))
                    while not self._done.wait(0.02):
                        client.sendall(drip)
                return False
            return True

    with Drips([OK], [OK, None]) as wire:
        there = wire.connect(timeout=5.0)
        begun = felt()
        there.send("POST", "/", b"a")
        with pytest.raises(UnavailableError, match="no whole answer"):
            there.receive(end=time.monotonic() + 0.3)
        assert felt() - begun < 3
        assert there.request("POST", "/", b"b").status == 204
        there.send("POST", "/", b"c")
        with pytest.raises(UnavailableError, match="no whole answer"):
            there.receive(end=time.monotonic() + 0.3)


def test_after_an_answer_with_an_end_the_next_has_the_whole_time_out():
    class Slow(Wire):
        def _request(self, client):
            heard = super()._request(client)
            if len(self.heard) == 2:
                self._done.wait(0.5)
            return heard

    with Slow([OK, OK]) as wire:
        there = wire.connect()
        there.send("POST", "/", b"a")
        assert there.receive(end=time.monotonic() + 0.3).status == 204
        assert there.request("POST", "/", b"b").status == 204


def test_a_client_certificate_is_shown(tmp_path):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    mine = authority.issue_cert("kit@example.org")
    mine.cert_chain_pems[0].write_to_path(tmp_path / "kit.pem")
    mine.private_key_pem.write_to_path(tmp_path / "kit.key")
    wants = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(wants)
    authority.configure_trust(wants)
    wants.verify_mode = ssl.CERT_REQUIRED
    with Wire([OK], [OK], tls=wants) as wire:
        shown = _tls.context(True, tmp_path / "ca.pem", tmp_path / "kit.pem", tmp_path / "kit.key")
        there = wire.connect(tls=shown)
        assert there.request("GET", "/ping").status == 204
        with pytest.raises(UnavailableError, match=f"https://127.0.0.1:{wire.port}"):
            wire.connect(tls=_tls.context(True, tmp_path / "ca.pem", None, None)).request("GET", "/ping")


@pytest.mark.parametrize("said", ["", "soon", "-5", "1.5", "Wed, 99 Foo 2020"])
def test_a_pause_that_cannot_be_read_is_none(said):
    assert _http.retry_after({"retry-after": said}) is None


def test_a_pause_until_a_time_that_has_passed_is_no_pause():
    assert _http.retry_after({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0.0
    assert _http.retry_after({"retry-after": " 120 "}) == 120.0
    assert _http.retry_after({}) is None
