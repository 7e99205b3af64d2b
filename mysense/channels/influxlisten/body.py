"""The body of a request: plain or chunked, packed or not, and never larger than may be."""

import re
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator
from email.message import Message
from typing import IO

from mysense.channels.influxlisten.answers import AGAIN, Refusal

_PIECE = 65536
_size = re.compile(rb"[ \t]*([0-9a-fA-F]{1,15})[ \t]*(?:;.*)?\r?\n").fullmatch


class Room:
    """How many bytes may be on their way into the journal at once; who comes when it is full is sent away."""

    def __init__(self, most: int) -> None:
        self._left = most
        self._lock = threading.Lock()

    def take(self, count: int) -> None:
        """Take room for so many bytes; Refusal when there is none."""
        with self._lock:
            if count > self._left:
                raise Refusal(503, "too much waits for the journal already: come again", AGAIN)
            self._left -= count

    def give(self, count: int) -> None:
        """Give it back."""
        with self._lock:
            self._left += count


def expected(headers: Message) -> bool:
    """Whether a request has a body."""
    return "transfer-encoding" in headers or headers.get("content-length", "0").strip() != "0"


def read(stream: IO[bytes], headers: Message, most: int, take: Callable[[int], None]) -> bytes:
    """The body, unpacked. *take* is called for every piece of it, before the next is read.

    Raises Refusal where it is too large or nothing that can be read, ConnectionError when it ends too early.
    """
    length = announced(headers, most)
    pieces = _counted(_plain(stream, length) if length is not None else _chunks(stream), most)
    match headers.get("content-encoding", "identity").strip().lower():
        case "gzip" | "x-gzip":
            pieces = _counted(_unpacked(pieces), most)
        case "identity" | "":
            pass
        case other:
            raise Refusal(415, f"cannot read a body that is packed by {other}: only gzip")
    body = bytearray()
    for piece in pieces:
        take(len(piece))
        body += piece
    return bytes(body)


def announced(headers: Message, most: int) -> int | None:
    """The length of the body; None where it comes in chunks. Refusal where that is known to be too much."""
    lengths, codings = headers.get_all("content-length", []), headers.get_all("transfer-encoding", [])
    if codings:  # all of them count: a proxy that reads them in another way would see other requests in it
        if [coding.strip().lower() for coding in codings] != ["chunked"] or lengths:
            raise Refusal(400, "a body has either a length or chunks")
        return None
    said = lengths[0].strip() if lengths else "0"
    if len({length.strip() for length in lengths}) > 1 or not re.fullmatch("[0-9]{1,18}", said):
        raise Refusal(400, "the length of the body is not a number")
    if int(said) > most:
        raise _too_large(most)
    return int(said)


def _plain(stream: IO[bytes], length: int) -> Iterator[bytes]:
    while length:
        piece = stream.read(min(length, _PIECE))
        if not piece:
            raise ConnectionError("the body ends too early")
        length -= len(piece)
        yield piece


def _chunks(stream: IO[bytes]) -> Iterator[bytes]:
    while True:
        size = _size(line := stream.readline(1024))
        if not size:
            raise Refusal(400, "not a chunk") if line else ConnectionError("the body ends too early")
        if not int(size[1], 16):
            break
        yield from _plain(stream, int(size[1], 16))
        if stream.readline(3) not in (b"\r\n", b"\n"):
            raise Refusal(400, "a chunk is longer than it says")
    for _ in range(100):  # trailers
        if stream.readline(1024) in (b"\r\n", b"\n", b""):
            return
    raise Refusal(400, "too many trailers")


def _unpacked(pieces: Iterable[bytes]) -> Iterator[bytes]:
    unpack = zlib.decompressobj(zlib.MAX_WBITS | 16)
    begun = False
    for packed in pieces:
        while packed:
            if unpack.eof:  # gzip files may stand one behind the other
                unpack = zlib.decompressobj(zlib.MAX_WBITS | 16)
            begun = True
            try:
                piece = unpack.decompress(packed, _PIECE)
            except zlib.error as error:
                raise Refusal(400, f"the body is no gzip: {error}") from None
            packed = unpack.unconsumed_tail or unpack.unused_data
            yield piece
    if begun and not unpack.eof:
        raise Refusal(400, "the body is no gzip: it ends too early")


def _counted(pieces: Iterable[bytes], most: int) -> Iterator[bytes]:
    total = 0
    for piece in pieces:
        total += len(piece)
        if total > most:
            raise _too_large(most)
        yield piece


def _too_large(most: int) -> Refusal:
    return Refusal(413, f"Request Entity Too Large: at most {most} bytes, also unpacked (see max_body)")
