"""The bytes between paho and the broker: much is read and written at once.

paho asks the network for one byte, then for one more, then for the rest, message by message,
and builds a dozen objects for each. That is fine for a kit and too slow for a relay. So paho
is given this instead of a socket: it connects, subscribes and keeps alive as ever, while the
messages (PUBLISH, MQTT 3.1.1 and 5, section 3.3) are cut out before it sees them.
"""

import socket
import ssl
from collections.abc import Iterable
from contextlib import suppress
from typing import NamedTuple

CHUNK = 262_144
"""Bytes that are read at once."""
LARGEST = 1_000_000
"""Bytes of a message that are kept; the rest of a larger one is read and forgotten."""
_QUICKACK = getattr(socket, "TCP_QUICKACK", 0)  # Linux has it
_PUBLISH = 3
_PINGREQ, _PINGRESP = b"\xc0\x00", b"\xd0\x00"
_EMPTY = b""
NOT_MQTT = "the broker sends what is not MQTT"


class Message(NamedTuple):
    """A message as it came in. *number* is what it is acknowledged by, 0 where nobody waits for that.

    Of a message that is too large the payload is only the beginning; *size* is all of it.
    """

    topic: str
    payload: bytes
    retain: bool = False
    number: int = 0
    size: int = 0


class Stream:
    """A socket that does not block, as paho uses one.

    With *cut* the messages of protocol *version* (4 or 5) are cut out, into ``messages``.
    """

    def __init__(self, sock: socket.socket, version: int, cut: bool) -> None:
        self._socket, self._version, self._cut = sock, version, cut
        self.messages: list[Message] = []
        self._rest = _EMPTY  # the beginning of a packet whose end has not come yet
        self._skip = 0  # bytes of a message still to come, and to be forgotten
        self._plain = bytearray()  # what is for paho
        self._out = bytearray()
        self._asked = False  # whether paho waits for a sign of life
        self._ended = False

    def fill(self) -> None:
        """Read what has come; raises OSError when the connection is broken."""
        secure, left = isinstance(self._socket, ssl.SSLSocket), CHUNK
        while left > 0 and not self._ended:
            try:
                data = self._socket.recv(CHUNK)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return
            except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
                data = _EMPTY
            self._ended = not data
            self._hurry()
            if self._cut:
                if self._asked and data:  # its own may come long after, behind many messages
                    self._plain += _PINGRESP
                    self._asked = False
                self._split(data)
            else:
                self._plain += data
            left -= len(data) if secure else CHUNK  # TLS gives a record at a time, however much there is

    def _hurry(self) -> None:
        """Have the kernel confirm at once what came; a broker that sends small packets waits for it, else 40 ms."""
        with suppress(OSError):
            self._socket.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)

    def _split(self, data: bytes) -> None:
        """Messages to *messages*, everything else to paho, and what is not whole waits."""
        if self._skip:
            skipped = min(self._skip, len(data))
            self._skip -= skipped
            data = data[skipped:]
        data, at = self._rest + data if self._rest else data, 0
        end, add, version = len(data), self.messages.append, self._version
        while at + 2 <= end:
            head, length, body = data[at], data[at + 1], at + 2
            if length > 127:
                found = _length(data, at + 1)
                if found is None:
                    break
                length, body = found
            after, message = body + length, head >> 4 == _PUBLISH
            if after > end:
                if length > LARGEST and not message:
                    raise ConnectionError(NOT_MQTT)
                if length > LARGEST and end - body >= LARGEST:
                    self._skip = after - end
                    add(_message(data, head, body, end, version)._replace(size=length))
                    at = end
                break
            if message:
                add(_message(data, head, body, after, version))
            else:
                self._plain += data[at:after]
            at = after
        self._rest = data[at:] if at else data

    def pending(self) -> int:
        """Bytes that are there for paho."""
        return len(self._plain) or int(self._ended)

    def recv(self, count: int) -> bytes:
        """Bytes for paho; none when the connection has ended."""
        if not self._plain:
            if self._ended:
                return _EMPTY
            raise BlockingIOError
        taken = bytes(self._plain[:count])
        del self._plain[:count]
        return taken

    def send(self, data: bytes | bytearray) -> int:
        """Bytes for the broker: ``flush`` sends them."""
        self._asked = self._asked or data == _PINGREQ
        self._out += data
        return len(data)

    @property
    def unsent(self) -> bool:
        """Whether something waits to be sent."""
        return bool(self._out)

    def flush(self) -> None:
        """Send what the network takes now; raises OSError when the connection is broken."""
        with suppress(BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            while self._out:
                del self._out[: self._socket.send(self._out)]

    def fileno(self) -> int:
        """The socket's, to wait on."""
        return self._socket.fileno()

    def setblocking(self, blocking: bool) -> None:
        """As a socket."""
        self._socket.setblocking(blocking)

    def close(self) -> None:
        """Send what waits (the farewell), if that is possible at once, and close."""
        with suppress(OSError):
            self.flush()
        self._socket.close()

    def take(self) -> list[Message]:
        """The messages that were cut out since the last time."""
        taken, self.messages = self.messages, []
        return taken


def _length(data: bytes, at: int) -> tuple[int, int] | None:
    """The remaining length that stands at *at*, and where what it counts begins; None while it is not whole."""
    length = 0
    for place in range(4):
        if at + place >= len(data):
            return None
        byte = data[at + place]
        length |= (byte & 127) << 7 * place
        if byte < 128:
            return length, at + place + 1
    raise ConnectionError(NOT_MQTT)


def _message(data: bytes, head: int, at: int, after: int, version: int) -> Message:
    """The PUBLISH that lies between *at* and *after*."""
    if after - at < 2:
        raise ConnectionError(NOT_MQTT)
    topic = at + 2 + (data[at] << 8 | data[at + 1])
    payload, number = topic, 0
    if head & 6 and topic + 2 <= after:
        payload += 2
        number = data[topic] << 8 | data[topic + 1]
    if version == 5 and payload < after:  # its properties say nothing that a telegram needs
        size = data[payload]
        if size < 128:
            payload += 1 + size
        else:
            size, payload = _length(data, payload) or (after, payload)
            payload += size
    if payload > after or (head & 6 and not number):
        raise ConnectionError(NOT_MQTT)
    return Message(
        data[at + 2 : topic].decode(errors="backslashreplace"),
        data[payload:after],
        bool(head & 1),
        number,
        after - payload,
    )


def acknowledgements(messages: Iterable[Message]) -> bytes:
    """The acknowledgements (PUBACK) of messages, all in one."""
    return b"".join(b"\x40\x02" + each.number.to_bytes(2, "big") for each in messages if each.number)
