"""The two wires of an I2C bus: one pair for all sensors of this process, whoever is at the other end."""

import errno
import fcntl
import re
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from mysense.errors import UnavailableError
from mysense.extras import library

DEVICES = Path("/dev")
"""Where Linux has its I2C buses, as i2c-0, i2c-1, …"""
NACK = frozenset((errno.EREMOTEIO, errno.ENXIO))
"""What Linux says when no chip pulls the line at an address."""
PLAYED: "dict[str, Wires]" = {}
"""Buses that somebody plays in this process, by the name that option ``bus`` gives: ``played:NAME``."""

REQUEST, REPLY = struct.Struct("<BBHH"), struct.Struct("<HH")
"""On a socket: address, flags, bytes written, bytes wanted; then what is written. Answer: errno, bytes; then those."""
WRITE, CLAIM, RELEASE = 1, 2, 4
"""Flags of a request: it writes, be it nothing; or it is about whom the chip belongs to, and no transfer."""


class Wires(Protocol):
    """A way to a bus."""

    def transfer(self, address: int, out: bytes | None, count: int, seconds: float) -> bytes:
        """Write *out* (None: do not write), then read *count* bytes without letting go of the bus.

        Raises OSError: with EREMOTEIO or ENXIO when no chip answers, ETIMEDOUT when the lines are
        held. Comes back after about *seconds*.
        """

    def claim(self, address: int) -> None:
        """Have the chip at *address* for this process alone; BlockingIOError while another one has it.

        It ends with ``release``, ``close``, or the process.
        """

    def release(self, address: int) -> None:
        """Let others have it."""

    def close(self) -> None:
        """Let go."""


class Device:
    """A bus of this machine, by its device file. A chip is claimed by a lock on the byte of its number."""

    def __init__(self, path: str) -> None:
        smbus2 = library("smbus2", "kit")
        self._message = smbus2.i2c_msg
        try:
            self._bus: Any = smbus2.SMBus(path)
        except OSError as error:
            raise UnavailableError(_advice(path, error)) from None

    def transfer(self, address: int, out: bytes | None, count: int, seconds: float) -> bytes:
        messages = [] if out is None else [self._message.write(address, out)]
        if count:
            messages.append(self._message.read(address, count))
        self._bus.i2c_rdwr(*messages)  # Linux itself gives up after a second
        return bytes(messages[-1]) if count else b""

    def claim(self, address: int) -> None:
        fcntl.lockf(self._bus.fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, address)

    def release(self, address: int) -> None:
        fcntl.lockf(self._bus.fd, fcntl.LOCK_UN, 1, address)

    def close(self) -> None:
        self._bus.close()


class Socket:
    """A bus that another process plays, at the other end of a Unix socket."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.connect(path)
        except OSError as error:
            self._socket.close()
            raise UnavailableError(f"nobody plays a bus at {path}: {error.strerror or error}") from None

    def transfer(self, address: int, out: bytes | None, count: int, seconds: float) -> bytes:
        return self._ask(address, 0 if out is None else WRITE, out or b"", count, seconds)

    def claim(self, address: int) -> None:
        self._ask(address, CLAIM)

    def release(self, address: int) -> None:
        self._ask(address, RELEASE)

    def _ask(self, address: int, flags: int, out: bytes = b"", count: int = 0, seconds: float = 1.0) -> bytes:
        self._socket.settimeout(seconds)
        try:
            self._socket.sendall(REQUEST.pack(address, flags, len(out), count) + out)
            code, length = REPLY.unpack(exactly(self._socket, REPLY.size))
        except TimeoutError:
            raise OSError(errno.ETIMEDOUT, "the bus does not move") from None
        if code:
            raise OSError(code, errno.errorcode.get(code, "no transfer"))
        return exactly(self._socket, length)

    def close(self) -> None:
        self._socket.close()


def exactly(connection: socket.socket, count: int) -> bytes:
    """*count* bytes; ConnectionResetError when fewer come."""
    received = b""
    while len(received) < count:
        if not (part := connection.recv(count - len(received))):
            raise ConnectionResetError(errno.ECONNRESET, "the bus was closed at its other end")
        received += part
    return received


def where(text: str) -> str:
    """Which bus is meant: its number, a path, ``unix:`` and a path; ValueError for anything else.

    >>> where("1"), where("/dev/i2c-3"), where("unix:/run/bus")
    ('/dev/i2c-1', '/dev/i2c-3', 'unix:/run/bus')
    """
    if text.isascii() and text.isdigit():
        return str(DEVICES / f"i2c-{int(text)}")
    if text.startswith(("/", "unix:/", "played:")):
        return text
    raise ValueError(f"{text!r} is no bus: write its number (1), its path (/dev/i2c-1), or unix: and a path")


def meant(text: str) -> str:
    """*text* if it names a bus; ValueError otherwise. For options."""
    where(text)
    return text


class Shared:
    """A bus and the lock on it. Made anew after it was gone; closed when nobody uses it any more."""

    _all: "dict[str, Shared]" = {}  # noqa: RUF012 (shared by design)
    _guard = threading.Lock()

    def __init__(self, path: str) -> None:
        self.path, self.lock = path, threading.Lock()
        self._users = 0
        self._claims: Counter[int] = Counter()
        self._wires: Wires | None = None

    @classmethod
    def join(cls, path: str) -> "Shared":
        """The bus with that path, and one user more."""
        with cls._guard:
            shared = cls._all.setdefault(path, cls(path))
            shared._users += 1
        return shared

    def leave(self, claimed: Iterable[int] = ()) -> None:
        """One user fewer, who had *claimed* some chips."""
        with self._guard:
            self._users -= 1
            if not self._users:
                del self._all[self.path]
                self._drop()
                return
        for address in claimed:
            with self.lock, suppress(OSError):
                self.release(address)

    # What follows is called with the lock held

    def connect(self) -> None:
        """Be sure that the bus is there, and what was claimed is ours."""
        if self._wires:
            return
        self._wires = _connect(self.path)
        try:
            for address in self._claims:
                self._wires.claim(address)
        except OSError:
            self._drop()
            raise

    def claim(self, address: int) -> None:
        """Have a chip for this process alone; several of its sensors may."""
        self.connect()
        assert self._wires
        if not self._claims[address]:
            self._wires.claim(address)
        self._claims[address] += 1

    def release(self, address: int) -> None:
        """One claim fewer."""
        self._claims[address] -= 1
        if not self._claims[address]:
            del self._claims[address]
            if self._wires:
                self._wires.release(address)

    def transfer(self, address: int, out: bytes | None, count: int, seconds: float) -> bytes:
        self.connect()
        assert self._wires
        try:
            return self._wires.transfer(address, out, count, seconds)
        except OSError as error:
            if error.errno not in NACK:  # maybe the adapter was pulled out: look for it anew
                self._drop()
            raise

    def _drop(self) -> None:
        wires, self._wires = self._wires, None
        if wires:
            wires.close()


def _connect(path: str) -> Wires:
    kind, _, rest = path.partition(":")
    ways: dict[str, Callable[[str], Wires]] = {"unix": Socket, "played": _played}
    return ways[kind](rest) if kind in ways else Device(path)


def _played(name: str) -> Wires:
    if name not in PLAYED:
        raise UnavailableError(f"nobody plays a bus {name!r} here")
    return PLAYED[name]


def _advice(path: str, error: OSError) -> str:
    match error.errno:
        case errno.ENOENT | errno.ENODEV | errno.ENXIO:
            if others := sorted(p.name for p in DEVICES.glob("i2c-*") if re.fullmatch(r"i2c-\d+", p.name)):
                also = f" (there are {', '.join(others)})"
            else:
                also = ""
            return f"there is no {path}{also}: switch I2C on: sudo raspi-config nonint do_i2c 0"
        case errno.EACCES | errno.EPERM:
            return f"{path} may not be opened: add this user to the group i2c (sudo usermod -aG i2c USER)"
    return f"{path} cannot be opened: {error.strerror or error}"
