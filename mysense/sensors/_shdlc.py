"""SHDLC, which sensors of Sensirion speak on a serial line: questions, and replies with a state.

A frame lies between two bytes 7E; inside, four bytes are written as two each. It ends with the
inverted sum of what it holds (Sensirion, "Datasheet SPS30", version 1.0, chapter 5).
"""

import re
from logging import Logger
from typing import Any, NamedTuple

from mysense.hardware.frames import Frames

HEAD = b"\x7e"
LONGEST = 2 * (6 + 255) + 2
"""Bytes of the longest frame there can be."""
REFUSED = 0x43
"""The state of a reply to what cannot be done now: reading while it does not measure, waking while it is awake."""

_STUFFED = {b"\x7d\x5e": b"\x7e", b"\x7d\x5d": b"\x7d", b"\x7d\x31": b"\x11", b"\x7d\x33": b"\x13"}
_INSIDE = re.compile(rb"(?:[^\x7d\x7e\x11\x13]|\x7d[\x5e\x5d\x31\x33])*")
_PLAIN = {plain: stuffed for stuffed, plain in _STUFFED.items()}


class Reply(NamedTuple):
    """What a device says: to which command, in which state, and whether its status tells of a fault."""

    command: int
    state: int
    fault: bool
    data: bytes


def request(command: int, data: bytes = b"") -> bytes:
    """A question as it goes over the line.

    >>> request(0x80, bytes(1)).hex()
    '7e008001007d5e7e'
    """
    body = bytes((0, command, len(data))) + data
    body += bytes((~sum(body) & 0xFF,))
    return HEAD + re.sub(rb"[\x7e\x7d\x11\x13]", lambda match: _PLAIN[match[0]], body) + HEAD


def unstuffed(inside: bytes) -> bytes:
    """What stands between the two ends of a frame; empty where that cannot be."""
    if not _INSIDE.fullmatch(inside):
        return b""
    return re.sub(rb"\x7d.", lambda match: _STUFFED[match[0]], inside)


def measure(stream: bytes) -> int | None:
    """How long the good reply at the beginning of *stream* is; 0 if there is none, None if it is not whole."""
    end = stream.find(HEAD, 1)
    if end < 0:
        return None if len(stream) < LONGEST else 0
    body = unstuffed(stream[1:end])
    good = len(body) >= 5 and len(body) == 5 + body[3] and sum(body) & 0xFF == 0xFF
    return end + 1 if good else 0


def decode(frame: bytes) -> Reply:
    """What a good frame says.

    >>> decode(bytes.fromhex("7E 00 D2 80 01 20 8C 7E"))
    Reply(command=210, state=0, fault=True, data=b' ')
    """
    body = unstuffed(frame[1:-1])
    return Reply(body[1], body[2] & 0x7F, bool(body[2] & 0x80), body[4:-1])


class Shdlc:
    """Questions and answers on a port that was opened with a timeout of TICK."""

    def __init__(self, port: Any, device: str, log: Logger) -> None:
        self.name: str = port.name
        self._frames = Frames(port, HEAD, measure, device, log)
        self._device = device

    def call(self, command: int, data: bytes = b"", patience: float = 0.5, before: bytes = b"") -> Reply | None:
        """The reply to a command; None when none comes. *before* are bytes that go ahead of it."""
        self._frames.forget()
        frame = self._frames.ask(
            before + request(command, data), lambda said: decode(said).command == command, patience
        )
        return decode(frame) if frame else None

    def sure(self, command: int, data: bytes = b"") -> Reply:
        """The reply to a command, which is said again when it is lost. A command that is refused is an OSError."""
        for _ in range(3):
            if reply := self.call(command, data):
                if reply.state not in (0, REFUSED):
                    raise OSError(
                        f"{self.name}: the {self._device} refuses command {command:#x} (state {reply.state:#x})"
                    )
                return reply
        self.expect(0.0)
        raise TimeoutError(f"{self.name}: the {self._device} does not obey")

    def expect(self, patience: float) -> None:
        """TimeoutError after *patience* seconds of waiting in vain."""
        self._frames.expect(patience)
