"""A serial line with a device behind it: a pseudo-terminal that a simulator plays.

    from mysense.testing.devices import sds011
    from mysense.testing.serial import Line

    with Line(sds011.Device()) as line:
        sensor = Sensor(port=line.port)

The drivers run on it as on a real port, with the device's states and times. What goes wrong
on real lines goes wrong here when it is asked for: ``line.fault`` changes what the device says,
``line.unplug`` and ``line.plug`` pull the adapter out and put it in again under another name.

``python -m mysense.testing.serial sds011`` plays a device in a process of its own and prints
its port.
"""

import argparse
import os
import pty
import sys
import termios
import threading
import tty
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from select import select
from typing import Self

from mysense.clock import Clock
from mysense.testing import devices

_RATES = {9600: termios.B9600, 115200: termios.B115200}


class Device:
    """A simulated device. It hears bytes and says some; time is what *clock* tells."""

    baudrate = 9600

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()

    def plugged(self) -> bytes:
        """It has power from now on; what it says to that."""
        return b""

    def hear(self, heard: bytes) -> bytes:
        """What it answers to bytes that came from the host."""
        return b""

    def speak(self) -> bytes:
        """What it says by itself, if it is time to; called every few milliseconds."""
        return b""


class Obedient(Device):
    """One that is given orders of *size* bytes that begin with *head*; what is no good order is passed over."""

    head = b""
    size = 0

    def __init__(self, clock: Clock | None = None) -> None:
        super().__init__(clock)
        self._buffer = b""

    def good(self, order: bytes) -> bool:
        """Whether an order is whole and undamaged."""
        raise NotImplementedError

    def obey(self, order: bytes) -> bytes:
        """What it answers to a good order."""
        raise NotImplementedError

    def hear(self, heard: bytes) -> bytes:
        self._buffer += heard
        said = b""
        while (begin := self._buffer.find(self.head)) >= 0 and len(self._buffer) >= begin + self.size:
            end = begin + self.size
            order, self._buffer = self._buffer[begin:end], self._buffer[end:]
            said += self.obey(order) if self.good(order) else b""
        return said


class Dust(Obedient):
    """One with a fan and a laser that can sleep; ``ran`` is for how many seconds they did, until it slept last."""

    warm_up = 0.0
    """Seconds after waking in which it says too little."""

    def __init__(self, clock: Clock | None = None) -> None:
        super().__init__(clock)
        self.asleep, self.ran = False, 0.0
        self._since = self._spoke = self.clock.monotonic()

    def plugged(self) -> bytes:
        self.wake()
        return b""

    def wake(self) -> None:
        self.asleep, self._since = False, self.clock.monotonic()

    def sleep(self) -> None:
        if not self.asleep:
            self.ran += self.awake
        self.asleep = True

    @property
    def awake(self) -> float:
        """Seconds since it woke up."""
        return self.clock.monotonic() - self._since

    @property
    def share(self) -> float:
        """The share of what is there that it counts already."""
        return min(1.0, self.awake / self.warm_up)

    def is_time(self, pause: float) -> bool:
        """Whether it last spoke so many seconds ago; then it does now."""
        due = self.clock.monotonic() - self._spoke >= pause
        self._spoke = self.clock.monotonic() if due else self._spoke
        return due


class Line:
    """A pseudo-terminal and the thread that plays *device* behind it.

    *link* is a path that leads to the port, as those in /dev/serial/by-id do; it comes and goes
    with the plug. *fault* is given whatever the device says, and returns what gets through.
    """

    def __init__(self, device: Device, link: Path | None = None) -> None:
        self.device, self._link = device, link
        self.fault: Callable[[bytes], bytes] = bytes
        self.heard = b""
        """What the host has sent, since the line was plugged in."""
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._ends: tuple[int, int] | None = None
        self.plug()
        self._player = threading.Thread(target=self._play, name=f"line {self.path}", daemon=True)
        self._player.start()

    @property
    def port(self) -> str:
        """What to open: the link if there is one, else the pseudo-terminal."""
        return str(self._link or self.path)

    def plug(self) -> None:
        """Put the adapter in: another pseudo-terminal each time."""
        with self._lock:
            self._ends = pty.openpty()
            tty.setraw(self._ends[1])
            self.path = os.ttyname(self._ends[1])
            self.heard = b""
            if self._link:
                self._link.unlink(missing_ok=True)
                self._link.symlink_to(self.path)
            self._send(self.device.plugged())

    def unplug(self) -> None:
        """Pull the adapter out: whoever has the port open gets errors."""
        with self._lock:
            ends, self._ends = self._ends, None
            for end in ends or ():
                os.close(end)
            if self._link:
                self._link.unlink(missing_ok=True)

    def say(self, said: bytes) -> None:
        """Send bytes as if the device had said them."""
        with self._lock:
            self._send(said)

    def close(self) -> None:
        """The end of it."""
        self._over.set()
        self._player.join()
        self.unplug()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _play(self) -> None:
        while not self._over.is_set():
            ends = self._ends
            if ends is None:
                self._over.wait(0.01)
                continue
            with suppress(OSError, ValueError):  # the plug was pulled meanwhile
                select(ends[:1], (), (), 0.01)
            with self._lock:
                if self._ends is ends:
                    self._turn(ends[0])

    def _turn(self, master: int) -> None:
        heard = b""
        if select((master,), (), (), 0)[0]:
            heard = os.read(master, 4096)
            self.heard += heard
            if not self._tuned(master):
                heard = b""
        self._send(self.device.hear(heard) if heard else b"")
        self._send(self.device.speak())

    def _send(self, said: bytes) -> None:
        if not said or not self._ends:
            return
        if not self._tuned(self._ends[0]):
            said = bytes(~byte & 0xFF for byte in said[::-1])  # at another speed nobody understands it
        if got := self.fault(said):
            os.write(self._ends[0], got)

    def _tuned(self, master: int) -> bool:
        """Whether the port is set to the speed of the device, or was not set by anybody yet."""
        return termios.tcgetattr(master)[5] in (_RATES[self.device.baudrate], termios.B38400)


def main() -> None:
    """Play the devices that are named on the command line until standard input ends."""
    there = sorted(each.name for each in iter_modules(devices.__path__))
    parser = argparse.ArgumentParser(prog="python -m mysense.testing.serial", description=main.__doc__)
    parser.add_argument("device", nargs="+", choices=there, metavar="DEVICE", help=f"one of {', '.join(there)}")
    names = parser.parse_args().device
    lines = [Line(import_module(f"mysense.testing.devices.{name}").Device()) for name in names]
    for line in lines:
        print(line.port, flush=True)  # noqa: T201
    sys.stdin.read()
    for line in lines:
        line.close()


if __name__ == "__main__":
    main()
