"""A simulated I2C bus: in this process, or as a process of its own behind a Unix socket.

In a test::

    with SimulatedBus({0x76: bme280.Chip(temp=21.5)}) as bus:
        sensor = Sensor(bus=bus.name)

For a kit without hardware, with chips that measure the weather of ``[sensor:simulated]``::

    python -m mysense.testing.i2c /tmp/bus bme280@0x76 scd4x@0x62

and ``bus = unix:/tmp/bus`` in its sections.
"""

import errno
import itertools
import os
import select
import signal
import socket
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, Self

from mysense.hardware.wires import CLAIM, PLAYED, RELEASE, REPLY, REQUEST, WRITE, exactly
from mysense.sensors.simulated import weather

_numbers = itertools.count(1)


class SimulatedChip(Protocol):
    """Something at an address. Both methods raise OSError (EREMOTEIO) where the chip would not acknowledge."""

    def write(self, data: bytes) -> None:
        """What the kit writes in one transfer."""

    def read(self, count: int) -> bytes:
        """What the chip answers."""

    def power_up(self) -> None:
        """The supply was away: everything is as after switching on."""


def refuse() -> OSError:
    """What a bus says when nobody acknowledges."""
    return OSError(errno.EREMOTEIO, os.strerror(errno.EREMOTEIO))


class SimulatedBus:
    """Chips by address, and what can go wrong between them and a kit.

    ``held``: a line is held down. ``gone``: the adapter was pulled out. ``away``: addresses that
    do not answer. ``flip``: bits to turn in what is read next from an address, counted from the
    first bit that is sent. ``transfers`` counts by address, ``last`` holds the newest.
    """

    def __init__(self, chips: Mapping[int, SimulatedChip]) -> None:
        self.chips = dict(chips)
        self.name = f"played:{next(_numbers)}"
        self.held = self.gone = False
        self.away: set[int] = set()
        self.flip: dict[int, list[int]] = {}
        self.transfers: Counter[int] = Counter()
        self.last: deque[tuple[int, bytes | None, int]] = deque(maxlen=1000)
        self._lock = threading.Lock()
        self._owners: dict[int, socket.socket | None] = {}

    def __enter__(self) -> Self:
        PLAYED[self.name.partition(":")[2]] = self
        return self

    def __exit__(self, *_: object) -> None:
        PLAYED.pop(self.name.partition(":")[2], None)

    def close(self) -> None:
        """This process let go of the bus."""
        self._forget(None)

    def claim(self, address: int, kit: socket.socket | None = None) -> None:
        """A chip is for one *kit* alone: that at a socket, or this process.

        It is free again once its owner has hung up, as a lock on a device file is; the thread that
        serves him may learn of that later.
        """
        with self._lock:
            if (owner := self._owners.get(address)) and _hung_up(owner):
                del self._owners[address]
            if self._owners.setdefault(address, kit) is not kit:
                raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    def release(self, address: int) -> None:
        with self._lock:
            self._owners.pop(address, None)

    def _forget(self, kit: socket.socket | None) -> None:
        """A kit is gone, and its claims with it."""
        with self._lock:
            self._owners = {address: owner for address, owner in self._owners.items() if owner is not kit}

    def transfer(self, address: int, out: bytes | None, count: int, seconds: float) -> bytes:
        with self._lock:
            if self.gone:
                raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
            if self.held:
                raise OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
            if address not in self.chips or address in self.away:
                raise refuse()
            self.transfers[address] += 1
            self.last.append((address, out, count))
            if out:
                self.chips[address].write(out)
            return self._flipped(address, self.chips[address].read(count)) if count else b""

    def _flipped(self, address: int, answer: bytes) -> bytes:
        turned = bytearray(answer)
        for bit in self.flip.pop(address, ()):
            turned[bit // 8] ^= 0x80 >> bit % 8
        return bytes(turned)

    @contextmanager
    def served(self, path: Path | str) -> Iterator[str]:
        """Behind a Unix socket; gives what option ``bus`` needs to reach it."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(str(path))
            listener.listen()
            thread = threading.Thread(target=self._accept, args=(listener,))
            thread.start()
            try:
                yield f"unix:{path}"
            finally:
                with suppress(OSError):
                    listener.shutdown(socket.SHUT_RDWR)  # wakes who waits in accept
                thread.join()
                Path(path).unlink()

    def _accept(self, listener: socket.socket) -> None:
        kits: list[tuple[socket.socket, threading.Thread]] = []
        with suppress(OSError):
            while True:
                kit, _ = listener.accept()
                kits.append((kit, threading.Thread(target=self._serve, args=(kit,))))
                kits[-1][1].start()
        for kit, thread in kits:
            with suppress(OSError):
                kit.shutdown(socket.SHUT_RDWR)
            thread.join()

    def _serve(self, kit: socket.socket) -> None:
        with kit:
            with suppress(OSError):
                while True:
                    address, flags, length, count = REQUEST.unpack(exactly(kit, REQUEST.size))
                    out = exactly(kit, length) if flags & WRITE else None
                    try:
                        answer, code = self._answer(kit, address, flags, out, count), 0
                    except OSError as error:
                        answer, code = b"", error.errno or errno.EIO
                    kit.sendall(REPLY.pack(code, len(answer)) + answer)
            self._forget(kit)

    def _answer(self, kit: socket.socket, address: int, flags: int, out: bytes | None, count: int) -> bytes:
        if flags & CLAIM:
            self.claim(address, kit)
        elif flags & RELEASE:
            self.release(address)
        else:
            return self.transfer(address, out, count, 1.0)
        return b""


def _hung_up(kit: socket.socket) -> bool:
    """Whether there is nobody at the other end any more."""
    line = select.poll()
    line.register(kit, 0)  # a hang-up is told unasked
    return bool(line.poll(0))


def chip(name: str) -> Any:
    """A new simulated chip by the name of its module."""
    return import_module(f"mysense.testing.chips.{name}").Chip()


def main(path: str, *described: str) -> None:
    """Play a bus at *path* with chips like ``bme280@0x76``, until told to stop, or until who started this is gone."""
    chips = {int(place, 0): chip(name) for name, _, place in (text.partition("@") for text in described)}
    stop, parent = threading.Event(), os.getppid()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    if Path(path).is_socket():  # of somebody who was killed
        Path(path).unlink()
    with SimulatedBus(chips).served(path) as name:
        print(name, flush=True)  # noqa: T201
        while not stop.wait(1) and os.getppid() == parent:
            now = weather(time.time())
            for each in chips.values():
                for field in now.keys() & vars(each).keys():
                    setattr(each, field, now[field])


if __name__ == "__main__":
    if len(sys.argv) < 3 or sys.argv[1].startswith("-"):
        sys.exit("usage: python -m mysense.testing.i2c PATH CHIP@ADDRESS …, such as /tmp/bus bme280@0x76 sht31@0x44")
    main(*sys.argv[1:])
