"""Serial ports: found anew at each open, with messages that say what to do; and what sensors on them share.

A sensor derives from ``SerialSensor``, and needs nothing else of this package.
"""

import errno
import glob
import re
import termios
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import field
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from mysense import plugin
from mysense.clock import Clock
from mysense.errors import UnavailableError
from mysense.extras import library
from mysense.hardware.frames import TICK, Frames, Measure, lines
from mysense.options import pattern
from mysense.plugin import option

BY_ID = Path("/dev/serial/by-id")
"""Where Linux names serial ports after the adapter, wherever that is plugged in."""
_USB = re.compile(r"([0-9a-f]{4}):([0-9a-f]{4})(?::(.+))?", re.IGNORECASE)


def find(port: str, usbid: str = "") -> str:
    """The one serial port that is meant; UnavailableError when there is none, or more than one.

    *port* is a path, a pattern of paths (``/dev/serial/by-id/*Prolific*``), a USB id
    (``067b:2303``, or with the adapter's serial number behind it), or a URL of pyserial, which is
    left alone. When it is empty, *usbid* is a regular expression for a name in
    ``/dev/serial/by-id``; when both are empty, the only USB adapter is meant.
    """
    if "://" in port:
        return port
    if usb := _USB.fullmatch(port):
        vendor, product, serial = int(usb[1], 16), int(usb[2], 16), usb[3]
        ports = [p for p in _adapters() if (p.vid, p.pid) == (vendor, product) and serial in (None, p.serial_number)]
        return _only((p.device for p in ports), f"with the USB id {port}")
    if port:
        if not glob.has_magic(port):
            return port
        return _only(glob.glob(port), f"like {port}")  # noqa: PTH207 (Path.glob takes no whole path)
    if usbid:
        names = sorted(BY_ID.iterdir()) if BY_ID.is_dir() else []
        return _only((str(path) for path in names if re.search(usbid, path.name)), f"named like {usbid!r}")
    return _only((p.device for p in _adapters() if p.vid is not None), "on USB")


def _adapters() -> list[Any]:
    return list(library("serial.tools.list_ports", "kit").comports())


def _only(ports: Iterable[str], what: str) -> str:
    """The only one of *ports*; several names of one device count as one."""
    devices = {Path(port).resolve(): port for port in sorted(ports, reverse=True)}
    if not devices:
        raise UnavailableError(f"there is no serial port {what}: is the adapter plugged in?")
    if len(devices) > 1:
        raise UnavailableError(
            f"there are several serial ports {what}: name one as 'port': {', '.join(sorted(devices.values()))}"
        )
    return devices.popitem()[1]


def connect(port: str, baudrate: int, timeout: float) -> Any:
    """Open a serial port (8 data bits, no parity, 1 stop bit) for ourselves alone.

    Reading from it waits *timeout* seconds at most, writing one. Raises OSError that says what to do.
    """
    serial = library("serial", "kit")
    try:
        return serial.serial_for_url(port, baudrate, timeout=timeout, write_timeout=1.0, exclusive=True)
    except ValueError as error:  # a URL that pyserial does not understand
        raise UnavailableError(f"{port} is no serial port: {error}") from None
    except OSError as error:
        raise UnavailableError(_advice(port, error)) from None


def _advice(port: str, error: OSError) -> str:
    match error.errno:
        case errno.ENOENT:
            return f"there is no serial port {port}: is the adapter plugged in?"
        case errno.EACCES | errno.EPERM:
            return f"{port} may not be opened: add this user to the group dialout (sudo usermod -aG dialout USER)"
        case errno.EBUSY | errno.EAGAIN:
            return f"{port} is in use by another program"
    return f"{port} cannot be opened: {error.strerror or error}"


class Port:
    """An open port. OSError says which it is, and what may have happened, whatever the driver of the adapter says."""

    def __init__(self, line: Any) -> None:
        self._line, self.name = line, line.name

    @property
    def in_waiting(self) -> int:
        """Bytes that have come and were not read yet."""
        with self._told():
            return int(self._line.in_waiting)

    def read(self, count: int) -> bytes:
        """Up to so many bytes: those that come in time."""
        with self._told():
            return bytes(self._line.read(count))

    def write(self, data: bytes) -> None:
        """All of *data*."""
        with self._told():
            self._line.write(data)

    def wait(self, seconds: float) -> None:
        """From now on reading takes so long at most."""
        with self._told():
            self._line.timeout = seconds

    def close(self) -> None:
        """Let go."""
        self._line.close()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (OSError, termios.error):
            raise UnavailableError(f"{self.name} cannot be read or written: was the adapter pulled out?") from None


class Question(NamedTuple):
    """Bytes that make a device speak, those that leave it as it was before, and the seconds that this may take."""

    ask: bytes
    undo: bytes = b""
    patience: float = 0.6


class SerialSensor(plugin.Sensor):
    """A sensor on a serial line: which port that is, and how to find out what is behind one.

    In ``open`` a subclass opens its port, by ``lines``, ``frames`` or ``connect``; ``close`` is here.
    """

    baudrate: ClassVar[int] = 9600
    """Bits a second; 8 data bits, no parity, 1 stop bit."""
    questions: ClassVar[tuple[Question, ...]] = ()
    """What makes a silent device speak, and harms no other that hears it; asked in this order."""
    farewell: ClassVar[bytes] = b""
    """What the device is told before its port is closed: to sleep."""

    port: str = option(
        "", "path, pattern (/dev/serial/by-id/*), USB id (067b:2303), or URL of pyserial; empty: the only USB adapter"
    )
    usbid: str = option("", "without port: regular expression for a name in /dev/serial/by-id", parse=pattern)
    clock: Clock = field(init=False, repr=False, default_factory=Clock)
    _port: Any = field(init=False, repr=False, default=None)

    @classmethod
    def recognise(cls, heard: bytes) -> str | None:
        """What the device is called, when this is what it says; None when another says that."""
        return None

    def connect(self, timeout: float) -> Port:
        """Open the port, until ``close``; *timeout* is how many seconds it waits for a byte.

        Raises OSError that says what to do when it is not there, is not the only one, or is in use.
        """
        self._port = port = Port(connect(find(self.port, self.usbid), self.baudrate, timeout))
        return port

    def frames(self, device: str, head: bytes, measure: Measure) -> Frames:
        """Open the port as ``connect`` does; what comes there, frame by frame (``hardware.frames``).

        *head* begins every frame, *measure* says where it ends and whether it is good, *device* is what messages
        call the device.
        """
        return Frames(self.connect(TICK), head, measure, device, self.log)

    def lines(self, device: str, parse: Callable[[bytes], object], longest: int = 120) -> Frames:
        """Open the port as ``connect`` does; what comes there, line by line: those that *parse* takes.

        *parse* is given a line and raises ValueError where it is none; the line may have its end or not. *longest*
        bytes without an end are no line. *device* is what messages call the device.
        """
        return self.frames(device, b"", lines(parse, longest))

    def close(self) -> None:
        port, self._port = self._port, None
        if port:
            with suppress(OSError):  # it may be gone
                if self.farewell:
                    port.write(self.farewell)
            port.close()


def refuse_other(port: str, kind: str, there: str, wanted: str) -> None:
    """UnavailableError where a device has another id than the section names, if it names one."""
    if wanted and there.casefold() != wanted.casefold():
        raise UnavailableError(
            f"{port} leads to the {kind} {there}, not to {wanted}: name another port, or this device"
        )
