"""A whole kit of simulated devices: chips on a bus, devices on serial lines, files of a kernel, a GPS receiver.

    with SimulatedKit(folder, ["bme280", "bme280", "sds011", "gpsd"]) as kit:
        kit.sections    # what a MySense.conf says to reach them

``python -m mysense.testing.kit FOLDER bme280 sds011`` plays one in a process of its own, prints those
sections, and above them what ``mysense init`` needs to find the devices.
"""

import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

from mysense import registry
from mysense.errors import ConfigError, UnavailableError
from mysense.options import nearest
from mysense.registry import builtin
from mysense.sensors.simulated import weather
from mysense.testing.gps import Receiver
from mysense.testing.i2c import SimulatedBus, chip
from mysense.testing.serial import Line
from mysense.testing.sysfs import Sysfs

PLACES: Mapping[str, Callable[[Sysfs], object]] = MappingProxyType(
    {
        "iio": Sysfs.bme280,
        "dht": Sysfs.dht,
        "ds18b20": Sysfs.probe,
        "wifi": Sysfs.wifi,
        "pi": Sysfs.pi,
    }
)
"""Sensors that read files of the kernel, and what makes these."""
PATIENCE = 10.0
"""Seconds in which gpsd must be there."""


def names() -> list[str]:
    """The sensors whose devices can be simulated."""
    return sorted({*builtin("mysense.testing.chips"), *builtin("mysense.testing.devices"), *PLACES, "gpsd"})


class SimulatedKit:
    """Devices for sensors of these names, one each time that a name is given; they measure invented weather.

    *sections* are those of a MySense.conf, with their options. *bus*, *ports*, *root* and *gpsd* are
    where the devices are, each empty where there is none of its kind.
    """

    def __init__(self, folder: Path, sensors: Sequence[str]) -> None:
        if unknown := sorted({*sensors} - {*names()}):
            raise ConfigError(
                f"there is no simulated {unknown[0]!r}{nearest(unknown[0], names())}; there are: {', '.join(names())}"
            )
        self._folder, self._sensors = folder, sensors
        self.sections: dict[str, dict[str, str]] = {}
        self.bus, self.root, self.gpsd = "", "", 0
        self.lines: list[Line] = []
        self.chips: dict[int, Any] = {}
        self._tree: Sysfs | None = None
        self._stack = ExitStack()

    @property
    def ports(self) -> list[str]:
        """The serial ports."""
        return [line.port for line in self.lines]

    @property
    def flags(self) -> list[str]:
        """What ``mysense init`` needs to look at these devices."""
        ports = (("--port", port) for port in self.ports)
        places = (("--bus", self.bus), *ports, ("--root", self.root), ("--gpsd", str(self.gpsd or "")))
        return [word for place in places if place[1] for word in place]

    def __enter__(self) -> Self:
        with self._stack:
            for name in self._sensors:
                self._add(name)
            if self.chips:
                self.bus = self._stack.enter_context(SimulatedBus(self.chips).served(self._folder / "i2c"))
            self._measure()
            over = threading.Event()
            player = threading.Thread(target=self._play, args=(over,), name="weather", daemon=True)
            self._stack.callback(player.join)
            self._stack.callback(over.set)
            player.start()
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _add(self, name: str) -> None:
        """One device more, with its section."""
        if name in builtin("mysense.testing.devices"):
            line = self._stack.enter_context(Line(import_module(f"mysense.testing.devices.{name}").Device()))
            self.lines.append(line)
            options = {"port": line.port}
        elif name in builtin("mysense.testing.chips"):
            options = self._chip(name)
        elif name == "gpsd":
            options = self._receiver()
        else:
            self._tree = self._tree or Sysfs(self._folder)
            self.root = str(self._tree.root)
            PLACES[name](self._tree)
            options = {"root": self.root}
        if name == "spec_dgs":
            options["gas"] = "no2"
        section = f"sensor:{name}"
        count = sum(other == section or other.startswith(f"{section}:") for other in self.sections)
        self.sections[f"{section}:{count + 1}" if count else section] = options

    def _chip(self, name: str) -> dict[str, str]:
        addresses = getattr(registry.find("sensor", name), "addresses", ())
        free = [address for address in addresses if address not in self.chips]
        if not free:
            raise ConfigError(f"there is no address left on the bus for one more {name}")
        self.chips[free[0]] = chip(name)
        return {"bus": f"unix:{self._folder / 'i2c'}", "i2c": f"{free[0]:#04x}"}

    def _receiver(self) -> dict[str, str]:
        """A receiver behind a real gpsd."""
        if not (program := shutil.which("gpsd", path="/usr/sbin:/usr/bin:/usr/local/sbin")):
            raise ConfigError("a simulated GPS receiver needs gpsd: sudo apt-get install gpsd")
        receiver = self._stack.enter_context(Receiver(every=1.0))
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            self.gpsd = taken.getsockname()[1]
        gpsd = subprocess.Popen(  # noqa: S603
            [program, "-N", "-n", "-S", str(self.gpsd), receiver.port],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self._stack.callback(gpsd.wait)
        self._stack.callback(gpsd.kill)  # whoever blocks signals has had them blocked for it as well
        self._hear(self.gpsd)
        return {"port": str(self.gpsd)}

    def _hear(self, port: int) -> None:
        """Wait until gpsd answers; it takes some seconds to look at its receiver."""
        never, end = threading.Event(), time.monotonic() + PATIENCE
        while time.monotonic() < end:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as line:
                if line.recv(100):
                    return
            never.wait(0.05)
        raise UnavailableError(f"gpsd does not answer within {PATIENCE:.0f} s")

    def _play(self, over: threading.Event) -> None:
        """The weather goes on, a step each second."""
        while not over.wait(1):
            self._measure()

    def _measure(self) -> None:
        """All devices are in the weather of now."""
        now = weather(time.time())
        for each in self.chips.values():
            for field in now.keys() & vars(each).keys():
                setattr(each, field, now[field])
        for line in self.lines:
            if hasattr(line.device, "dust"):
                line.device.dust = (now["pm25"], now["pm10"])
        if self._tree:
            self._tree.measure(time.time())


def written(sections: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """Sections as lines of a MySense.conf."""
    for section, options in sections.items():
        yield f"[{section}]"
        yield from (f"{name} = {text}" for name, text in options.items())


def main(folder: str, *sensors: str) -> None:
    """Play a kit until standard input ends."""
    with SimulatedKit(Path(folder), sensors) as kit:
        print("#", *kit.flags)  # noqa: T201
        print(*written(kit.sections), "", sep="\n", flush=True)  # noqa: T201
        sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
