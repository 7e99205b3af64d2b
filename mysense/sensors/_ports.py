"""The serial ports of this machine, each by the name that stays when something else is plugged in."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mysense.extras import library
from mysense.hardware.serial import BY_ID

BY_PATH = BY_ID.with_name("by-path")
"""Where Linux names them after the socket that the adapter is plugged in."""
CONSOLES = Path("/proc/consoles")
SYS = Path("/sys/class/tty")


def adapters() -> list[str]:
    """All USB adapters."""
    return sorted(
        named([port for port in library("serial.tools.list_ports", "kit").comports() if port.vid is not None])
    )


def uarts(dev: Path = Path("/dev"), consoles: Path = CONSOLES, sys: Path = SYS) -> list[str]:
    """The UARTs of a Raspberry Pi, on its pins and (Pi 5) its debug connector; not those of a console or of Bluetooth.

    ``serial0`` is that on the pins, but on a Pi 5 may be the other.
    """
    found: dict[Path, str] = {}
    for path in (dev / "serial0", *sorted(dev.glob("ttyAMA*"))):
        device = path.resolve()
        # a serial0 is free, also where the device tree still knows the Bluetooth that was switched off
        blue = path.name != "serial0" and (sys / device.name / "device/of_node/bluetooth").exists()
        if path.exists() and not blue and device.name not in _consoles(consoles):
            found.setdefault(device, str(path))
    return list(found.values())


def named(adapters: Sequence[Any], by_id: Path = BY_ID, by_path: Path = BY_PATH) -> list[str]:
    """The name of each adapter: its own id where no other has that, else that of its socket, else its device.

    Two adapters without serial numbers, or with the same, share one id: which of them has it is luck.
    """
    alike = Counter((port.vid, port.pid, port.serial_number) for port in adapters)
    names = []
    for port in adapters:
        alone = alike[port.vid, port.pid, port.serial_number] == 1
        folders = [by_id, by_path] if alone else [by_path]
        names.append(next(filter(None, (_link(folder, port.device) for folder in folders)), port.device))
    return names


def _link(folder: Path, device: str) -> str:
    links = sorted(folder.iterdir()) if folder.is_dir() else []
    return next((str(link) for link in links if link.resolve() == Path(device).resolve()), "")


def _consoles(file: Path) -> list[str]:
    try:
        return [line.split()[0] for line in file.read_text().splitlines()]
    except OSError:
        return []
