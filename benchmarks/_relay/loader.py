"""Fills a broker with telegrams of many nodes, at QoS 1, as fast as the broker takes them or at a given rate.

It speaks MQTT 3.1.1 over a bare socket: a client library would take longer than the broker.
"""

import socket
import struct
import threading
import time
from collections.abc import Sequence

from mysense.telegram import SECOND, Data, Field, Ident, Location
from mysense.wire import encode_classic

PROJECT, TOPIC, NODES, T0 = "Bench", "IoS", 100, 1_700_000_000
UNITS = {
    "pm1": "ug/m3", "pm25": "ug/m3", "pm10": "ug/m3", "temp": "C", "rh": "%", "hpa": "hPa",
    "no2": "ppb", "o3": "ppb", "rssi": "dBm", "battery": "mV",
}  # fmt: skip
CHUNK = 1000
"""Messages on their way at once, unless a rate is given."""


def databases() -> list[str]:
    """The database of each node."""
    return [f"{PROJECT}_k{n}" for n in range(NODES)]


def messages(count: int) -> list[bytes]:
    """Ready PUBLISH packets of the classic layout: ten fields; the nodes take turns, none repeats a time."""
    fields = tuple(Field(name, unit) for name, unit in UNITS.items())
    idents = [Ident(PROJECT, f"k{n}", f"kit{n}", Location(51.4, 6.1, 22.9), fields) for n in range(NODES)]
    made = []
    for n in range(count):
        ident = idents[n % NODES]
        values = {name: round(n * 0.01 + k, 2) for k, name in enumerate(UNITS)}
        payload = encode_classic(Data(ident, (T0 + n // NODES) * SECOND, values)).encode()
        topic = f"{TOPIC}/{PROJECT}/{ident.serial}".encode()
        body = struct.pack(f">H{len(topic)}sH", len(topic), topic, n % CHUNK + 1) + payload
        made.append(b"\x32" + _length(len(body)) + body)
    return made


def load(port: int, packets: Sequence[bytes], rate: float = 0) -> float:
    """Have the broker take all packets, *rate* a second (0: as fast as it takes them); how many seconds it took."""
    never, size = threading.Event(), max(1, int(rate / 10)) if rate else CHUNK
    with socket.create_connection(("127.0.0.1", port), timeout=60) as line:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line.sendall(b"\x10\x10\x00\x04MQTT\x04\x02\x00\x00\x00\x04load")
        assert _exactly(line, 4) == b"\x20\x02\x00\x00", "the broker does not want the loader"
        begun = time.monotonic()
        for k in range(0, len(packets), size):
            if rate:
                never.wait(max(0, begun + k / rate - time.monotonic()))
            chunk = packets[k : k + size]
            line.sendall(b"".join(chunk))
            confirmed = _exactly(line, 4 * len(chunk))
            assert confirmed[::4] == b"\x40" * len(chunk), "the broker did not take a message"
        took = time.monotonic() - begun
        line.sendall(b"\xe0\x00")
    return took


def _length(size: int) -> bytes:
    """MQTT's form of a length (version 3.1.1, section 2.2.3)."""
    said = bytearray()
    while True:
        size, low = divmod(size, 128)
        said.append(low | (0x80 if size else 0))
        if not size:
            return bytes(said)


def _exactly(line: socket.socket, size: int) -> bytes:
    got = b""
    while len(got) < size:
        more = line.recv(size - len(got))
        assert more, "the broker closed the connection"
        got += more
    return got
