"""A loader: publishes at QoS 1 whatever the broker does, and knows what the broker took.

It speaks MQTT 3.1.1 over a bare socket: a client library would take longer than the broker.
"""

import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from tests.servers import Mosquitto

WINDOW = 500
"""Messages on their way before the first is confirmed."""
PATIENCE = 60.0
"""Seconds that a broker may be away."""
_PUBACK = b"\x40\x02"


class Loader:
    """Publishes messages, *rate* a second (0: as fast as the broker takes them).

    What was not confirmed when a connection ended is sent again, so the broker may hold it twice;
    *confirmed* counts what it took, *again* what was sent more than once.
    """

    def __init__(
        self,
        broker: Mosquitto,
        *,
        rate: float = 0,
        user: str = "",
        password: str = "",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.port, self.rate, self.user, self.password, self.tls = broker.port, rate, user, password, tls
        self.confirmed = self.again = 0

    def load(self, messages: Sequence[tuple[str, bytes]]) -> None:
        """Publish, and return when all is confirmed."""
        size = min(WINDOW, max(1, int(self.rate / 20))) if self.rate else WINDOW
        line: socket.socket | None = None
        never, begun = threading.Event(), time.monotonic()
        try:
            for at in range(0, len(messages), size):
                if self.rate:
                    never.wait(max(0.0, begun + at / self.rate - time.monotonic()))
                left = {n + 1: _packet(n + 1, *message) for n, message in enumerate(messages[at : at + size])}
                while left:
                    line = line or self._connect()
                    try:
                        self._send(line, left)
                    except OSError:
                        self.again += len(left)
                        line.close()
                        line = None
        finally:
            if line:
                with suppress(OSError):  # a farewell, if the broker is there to hear it
                    line.sendall(b"\xe0\x00")
                line.close()

    @contextmanager
    def loading(self, messages: Sequence[tuple[str, bytes]]) -> Iterator[threading.Thread]:
        """Publish meanwhile, and to the end."""
        failures: list[BaseException] = []

        def run() -> None:
            try:
                self.load(messages)
            except BaseException as error:  # raised below: a thread tells nobody
                failures.append(error)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield thread
        thread.join()
        if failures:
            raise failures[0]

    def _send(self, line: socket.socket, left: dict[int, bytes]) -> None:
        """Send what is left and take out what is confirmed; raises OSError when the connection ends."""
        line.sendall(b"".join(left.values()))
        said = b""
        while left:
            more = line.recv(65536)
            if not more:
                raise ConnectionError("the broker ended the connection")
            said += more
            while len(said) >= 4:
                answer, said = said[:4], said[4:]
                assert answer[:2] == _PUBACK, answer
                del left[answer[2] << 8 | answer[3]]
                self.confirmed += 1

    def _connect(self) -> socket.socket:
        never, end = threading.Event(), time.monotonic() + PATIENCE
        while True:
            try:
                return self._greet()
            except OSError:
                assert time.monotonic() < end, "the broker does not come back"
                never.wait(0.05)

    def _greet(self) -> socket.socket:
        line = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)
        try:
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.tls:
                line = self.tls.wrap_socket(line, server_hostname="127.0.0.1")
            names = [_text(self.user), _text(self.password)] if self.user else []
            body = _text("MQTT") + bytes([4, 0xC2 if names else 0x02, 0, 0]) + _text("") + b"".join(names)
            line.sendall(b"\x10" + _length(len(body)) + body)
            answer = line.recv(4)
        except OSError:
            line.close()
            raise
        if not answer:
            line.close()
            raise ConnectionError("the broker ended the connection")
        assert answer == b"\x20\x02\x00\x00", f"the broker does not want the loader: {answer!r}"
        return line


def _packet(number: int, topic: str, payload: bytes) -> bytes:
    """A PUBLISH at QoS 1 (version 3.1.1, section 3.3)."""
    body = _text(topic) + struct.pack(">H", number) + payload
    return b"\x32" + _length(len(body)) + body


def _text(text: str) -> bytes:
    return struct.pack(">H", len(text.encode())) + text.encode()


def _length(size: int) -> bytes:
    """MQTT's form of a length (version 3.1.1, section 2.2.3)."""
    said = bytearray()
    while True:
        size, low = divmod(size, 128)
        said.append(low | (0x80 if size else 0))
        if not size:
            return bytes(said)
