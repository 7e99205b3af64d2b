"""What comes over the network: requests to the listener, and all that a broker may send."""

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from mysense.channels import influxlisten
from mysense.channels._mqtt.client import Client
from mysense.channels._mqtt.stream import Stream
from mysense.errors import UnavailableError
from tests.fuzz.damage import Check, Examples, damaged
from tests.fuzz.places import journal, quiet
from tests.ports import free_ports

REQUESTS = [
    b"POST /write?db=Demo_k1&precision=s HTTP/1.1\r\nHost: x\r\nContent-Length: 24\r\n\r\ndata temp=20.5 170000000\n",
    b"POST /api/v2/write?bucket=b/c&org=o HTTP/1.1\r\nAuthorization: Token a:b\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"8\r\nm f=1 1\n\r\n0\r\n\r\n",
    b"POST /api/v3/write_lp?db=x&accept_partial=false HTTP/1.1\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
    b"m f=1",
    b"GET /query?q=CREATE+DATABASE+%22x%22%3BSHOW+DATABASES HTTP/1.0\r\n\r\n",
    b"GET /ping?verbose=1 HTTP/1.1\r\n\r\n",
    b"POST /query HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 15\r\n\r\n"
    b"q=SHOW+DATABASE",
    b"POST /write?db=x&u=a&p=b HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Length: 20\r\n\r\n\x1f\x8b\x08"
    + b"\0" * 17,
]
HTTP = [
    b"\r\n\r\n",
    b"Content-Length: ",
    b"Transfer-Encoding: chunked\r\n",
    b": ",
    b"%00",
    b"%ff",
    b"0\r\n",
    b"HTTP/9",
    b"?",
]


@contextmanager
def requests(folder: Path) -> Iterator[tuple[Examples, Check]]:
    """Requests to the listener, byte by byte as a stranger likes."""
    [port] = free_ports(1)
    listener, stop = influxlisten.Subscriber(port=port, timeout=5.0, max_body=100_000), threading.Event()

    def receive() -> None:
        while not stop.is_set():
            take(listener.receive())
            listener.confirm()

    def check(sent: bytes) -> None:
        sock = socket.create_connection(("127.0.0.1", port), timeout=60)
        with sock, suppress(ConnectionError):  # it may have heard enough
            sock.sendall(sent)
            sock.shutdown(socket.SHUT_WR)
            while sock.recv(65536):
                pass
        assert not bugs, bugs
        with socket.create_connection(("127.0.0.1", port), timeout=60) as sock:
            sock.sendall(b"GET /ping HTTP/1.0\r\n\r\n")
            assert sock.recv(100).startswith(b"HTTP/1.1 204")

    with ExitStack() as stack:
        take = stack.enter_context(journal(folder))
        bugs = stack.enter_context(quiet("mysense.channels.influxlisten"))
        listener.open()
        stack.callback(listener.close)
        thread = threading.Thread(target=receive)
        thread.start()
        stack.callback(thread.join)
        stack.callback(stop.set)
        yield damaged(REQUESTS, HTTP), check


PACKETS = [
    b"\x20\x02\x00\x00",
    b"\x20\x03\x00\x00\x00",
    b"\x90\x03\x00\x01\x01",
    b"\x90\x04\x00\x01\x00\x01",
    b"\xd0\x00",
    b"\x30\x10\x00\x0bIoS/Demo/k1{}\n",
    b"\x32\x12\x00\x0bIoS/Demo/k1\x00\x07{}\n",
    b"\x32\x13\x00\x0bIoS/Demo/k1\x00\x07\x00{}\n",
    b"\x40\x02\x00\x01",
    b"\xe0\x00",
    b"\xe0\x02\x8e\x00",
    b"\x62\x02\x00\x01",
    b"\x20\x08\x00\x00\x05\x27\x00\x00\x10\x00",
]
MQTT = [
    b"\x32\xff\xff\xff\x7f",
    b"\x30\x80\x80\x80\x80\x01",
    b"\x90\x00",
    b"\x20\x00",
    b"\xf0\x02\x00\x00",
    b"\x00\x00",
]


@contextmanager
def packets(folder: Path) -> Iterator[tuple[Examples, Check]]:
    """What a broker sends, in pieces of any size: the same is cut out of it, however it comes."""

    def messages(data: bytes, version: int, size: int) -> tuple[list[Any], bytes, bool]:
        near, far = socket.socketpair()
        with near, far:
            near.setblocking(False)
            stream, plain, refused = Stream(near, version, True), b"", False
            for at in range(0, len(data), size):
                far.sendall(data[at : at + size])
                try:
                    stream.fill()
                except ConnectionError:
                    refused = True
                with suppress(BlockingIOError):
                    while piece := stream.recv(1000):
                        plain += piece
                if refused:
                    break
            return stream.take(), plain, refused

    def check(example: tuple[bytes, int, int]) -> None:
        data, version, size = example
        whole, pieces = messages(data, version, len(data) + 1), messages(data, version, size)
        assert pieces == whole

    yield st.tuples(damaged(PACKETS, MQTT), st.sampled_from([4, 5]), st.integers(1, 20)), check


@contextmanager
def broker(folder: Path) -> Iterator[tuple[Examples, Check]]:
    """A hostile broker: whatever it answers, the connection is lost in a way that the daemon knows."""
    server = socket.create_server(("127.0.0.1", 0))
    answer, stop = [b""], threading.Event()

    def serve() -> None:
        while not stop.is_set():
            try:
                sock, _ = server.accept()
            except OSError:
                return
            with sock, suppress(OSError):
                sock.settimeout(60)
                sock.recv(1000)  # CONNECT
                sock.sendall(answer[0])
                sock.shutdown(socket.SHUT_WR)
                while sock.recv(1000):
                    pass

    def check(example: tuple[bytes, bytes, str]) -> None:
        begin, rest, version = example
        answer[0] = begin + rest
        client = Client(f"127.0.0.1:{server.getsockname()[1]}", "fuzz", lasting=60.0, timeout=30.0)
        with suppress(UnavailableError):
            client.connect(version, 60)
            client.subscribe(["IoS/#"])
            for _ in range(100):
                client.turn(1.0)
        client.take()
        client.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        begins = st.sampled_from([b"", b"\x20\x02\x00\x00", b"\x20\x03\x00\x00\x00"])
        yield st.tuples(begins, damaged(PACKETS, MQTT), st.sampled_from(["3.1.1", "5", "auto"])), check
    finally:
        stop.set()
        socket.socket.shutdown(server, socket.SHUT_RDWR)
        thread.join()
        server.close()
