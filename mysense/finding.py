"""What is connected to this machine: buses, serial lines and files are looked at side by side, in bounded time."""

import inspect
import queue
import socket
import threading
import time
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from mysense import options, recognising, registry
from mysense.background import in_background
from mysense.errors import ConfigError
from mysense.hardware.i2c import IN_USE
from mysense.hardware.sysfs import ROOT
from mysense.sensors import _i2c_known, _iio
from mysense.sensors._ports import adapters, uarts
from mysense.worker import reason

PATIENCE = 65.0
"""Seconds for which a serial line is listened to: a Dylos speaks once a minute."""
STARTING = 4.0
"""Seconds in which gpsd must answer."""
ASKING = 45.0
"""Seconds more after which a place is given up."""


class Device(NamedTuple):
    """Something at a place. *sensor* is the plugin for it, empty where there is none: then *what* says why.

    *options* are what a section needs to mean this device; *identity* tells it from others of its kind.
    """

    where: str
    what: str
    sensor: str = ""
    options: Mapping[str, str] = {}
    identity: str = ""


Look = Callable[[], Sequence[Device]]


@dataclass
class Places:
    """Where to look: I2C buses and serial ports as their options name them, files of the kernel, gpsd's port."""

    buses: Sequence[str] = ()
    ports: Sequence[str] = ()
    pins: Sequence[str] = ()
    """Ports that are not listened to for long: a Dylos wants an adapter, what else speaks by itself does so at once."""
    root: Path | None = None
    gpsd: int | None = None
    patience: float = PATIENCE
    named: bool = field(default=True)
    """Somebody named them: what cannot be looked at is told, whatever it is."""


def here(patience: float = PATIENCE) -> Places:
    """All places of this machine."""
    return Places(_i2c_known.buses(), adapters(), uarts(), ROOT, 2947, patience, named=False)


def find(places: Places, tell: Callable[[str, Sequence[Device]], None] = lambda *_: None) -> list[Device]:
    """The devices at *places*, in their order. *tell* hears what was found, place by place as it comes.

    Every place has a thread of its own, and is given up when its time is over. Whatever ends this,
    a device that was woken is put to sleep again.
    """
    receiver = [] if places.gpsd is None else _guarded("gpsd", partial(_at_gpsd, places.gpsd))
    tell("gpsd", receiver)
    over = threading.Event()
    looks = dict(_looks(places, _ports(receiver), over))
    answers: queue.SimpleQueue[tuple[str, Sequence[Device]]] = queue.SimpleQueue()

    def work(name: str) -> None:
        answers.put((name, _guarded(name, looks[name])))

    found: dict[str, Sequence[Device]] = {}
    with in_background(work, looks, over):
        end = time.monotonic() + places.patience + ASKING
        while len(found) < len(looks):
            try:
                name, devices = answers.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                break
            found[name] = devices
            tell(name, devices)
    late = {name: [Device(name, "did not come to an end, and was left alone")] for name in looks.keys() - found.keys()}
    every = [device for name in looks for device in {**found, **late}[name]]
    return _without_the_kernels([*every, *receiver], places.root)


def _guarded(name: str, look: Look) -> Sequence[Device]:
    """What is at a place; trouble there is told, and hides nothing that others see."""
    try:
        return look()
    except (OSError, ImportError, ConfigError) as error:
        return [Device(name, reason(error))]
    except Exception as error:
        return [Device(name, f"{type(error).__name__}: {reason(error)}")]


def _looks(places: Places, taken: Container[Path], over: threading.Event) -> Iterator[tuple[str, Look]]:
    """Each place with what looks at it."""
    for bus in places.buses:
        yield f"I2C bus {bus}", partial(_on_bus, bus, places.named)
    for port, patience in *((port, places.patience) for port in places.ports), *((port, 0.0) for port in places.pins):
        if Path(port).resolve() not in taken:
            yield port, partial(_on_line, port, patience, over)
    for name in registry.names("sensor"):
        asks = inspect.signature(registry.find("sensor", name).found).parameters  # type: ignore[attr-defined]
        if "root" in asks and places.root is not None:
            yield name, partial(_seen, name, {"root": places.root})
        elif not asks and not places.named:
            yield name, partial(_seen, name, {})


def _on_bus(bus: str, named: bool) -> Sequence[Device]:
    try:
        found = _i2c_known.recognise(bus)
    except OSError:
        if bus == "1" or named:
            raise
        return []  # the others of a Pi are for screens and cameras
    if not found and (bus == "1" or named):
        return [Device(f"I2C bus {bus}", "no chip answers here that mysense knows")]
    return [_chip(bus, str(address), sensor) for address, sensor in found.items()]


def _chip(bus: str, address: str, sensor: str) -> Device:
    where = f"I2C bus {bus}, {address}"
    if not sensor:
        return Device(where, IN_USE)
    options = {"i2c": address} | ({"bus": bus} if bus != "1" else {})
    return Device(where, _title(sensor), sensor, options, address)


def _title(sensor: str) -> str:
    """What the device of a sensor is called."""
    measures = getattr(registry.find("sensor", sensor), "measures", ())
    return measures[0].device if isinstance(measures, tuple) and measures else sensor.upper()


def _on_line(port: str, patience: float, over: threading.Event) -> Sequence[Device]:
    found = recognising.recognise(port, patience, over)
    if not found:
        return [Device(port, "nothing speaks here that mysense knows")]
    known = options.declared(registry.find("sensor", found.sensor))
    identity = found.device.rpartition(" ")[2] if "device" in known else ""
    return [Device(port, found.device, found.sensor, {"port": port}, identity)]


def _seen(name: str, given: Mapping[str, Any]) -> Sequence[Device]:
    """What a sensor itself sees, looking where it is told to."""
    kind: Any = registry.find("sensor", name)
    elsewhere = {"root": str(given["root"])} if given.get("root", ROOT) != ROOT else {}
    return [
        Device("", found.what, name, {**found.options, **elsewhere}, next(iter(found.options.values()), ""))
        for found in kind.found(**given)
    ]


def _at_gpsd(port: int) -> Sequence[Device]:
    """A receiver that gpsd reads; asked again for a while, for systemd starts gpsd when somebody asks."""
    never, end = threading.Event(), time.monotonic() + STARTING
    while not (found := _seen("gpsd", {"port": port})) and _listens(port) and time.monotonic() < end:
        never.wait(0.2)
    return found


def _ports(receivers: Sequence[Device]) -> set[Path]:
    """The serial ports that gpsd reads, as it names them."""
    words = " ".join(device.what for device in receivers if device.sensor).replace(",", " ").split()
    return {Path(word).resolve() for word in words if word.startswith("/")}


def _listens(port: int) -> bool:
    with socket.socket() as line:
        return not line.connect_ex(("127.0.0.1", port))


def _without_the_kernels(devices: Sequence[Device], root: Path | None) -> list[Device]:
    """Those chips left out that a driver of the kernel is at work with: they are there as devices of IIO."""
    held = {device.parent for device in _iio.devices(root)} if root else set()

    def at_work(device: Device) -> bool:
        if "i2c" not in device.options:
            return False
        return f"{device.options.get('bus', '1')}-{int(device.options['i2c'], 16):04x}" in held

    return [device for device in devices if not at_work(device)]
