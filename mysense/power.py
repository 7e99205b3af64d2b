"""The power of a sensor, switched by a GPIO line (https://libgpiod.readthedocs.io, version 2 of its Python library)."""

import errno
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from mysense.errors import UnavailableError
from mysense.extras import library

DEVICES = Path("/dev")
HEADER = "pinctrl-"
"""How the chip with the pins of a Raspberry Pi's header is labelled; its number is another on each model and kernel."""


class Power:
    """A line that is ours, once it has been switched; *low*: there is power while it is low.

    *pin* is the name of a line (``GPIO17``), its number on the header (``17``), or a chip and the
    number there (``gpiochip0/17``).
    """

    def __init__(self, pin: str, low: bool = False) -> None:
        self.pin, self._low = pin, low
        self.on = False
        """Whether it was switched on."""
        self._line: tuple[Any, int] | None = None

    def switch(self, on: bool) -> None:
        """Switch the power on or off. Raises OSError where there is no such line, or it is another's."""
        gpiod = _gpiod()
        value = gpiod.line.Value.ACTIVE if on else gpiod.line.Value.INACTIVE
        if self._line is None:
            chip, offset = find(gpiod, self.pin)
            said = gpiod.LineSettings(direction=gpiod.line.Direction.OUTPUT, active_low=self._low, output_value=value)
            try:
                request = gpiod.request_lines(chip, consumer="mysense", config={offset: said})
            except OSError as error:
                raise UnavailableError(_advice(self.pin, error)) from None
            self._line = request, offset
        else:
            request, offset = self._line
            try:
                request.set_value(offset, value)
            except OSError as error:  # the chip may be one on USB: look for it anew
                self.close()
                raise UnavailableError(_advice(self.pin, error)) from None
        self.on = on

    def close(self) -> None:
        """Let go of the line; the hardware keeps it as it is, or as it is wired."""
        line, self._line, self.on = self._line, None, False
        if line:
            line[0].release()

    def check(self) -> str:
        """Which line it is; changes nothing."""
        chip, offset = find(_gpiod(), self.pin)
        return f"power by line {offset} of {chip}"


def _gpiod() -> ModuleType:
    gpiod = library("gpiod", "kit")
    if not hasattr(gpiod, "request_lines"):
        raise ImportError("needs version 2 of the library 'gpiod': pip install 'mysense[kit]'")
    return gpiod


def find(gpiod: ModuleType, pin: str) -> tuple[str, int]:
    """The device of the chip and the number of the line there; UnavailableError where there is none."""
    if named := re.fullmatch(r"(?:/dev/)?(gpiochip\d+)/(\d+)", pin):
        return str(DEVICES / named[1]), int(named[2])
    for path, chip in _chips(gpiod):
        with chip:
            if pin.isdigit():
                if chip.get_info().label.startswith(HEADER):
                    return path, int(pin)
                continue
            try:
                return path, int(chip.line_offset_from_id(pin))
            except OSError:  # not of this chip
                continue
    raise UnavailableError(f"power_pin {pin}: there is no such GPIO line; 'gpioinfo' lists those that there are")


def _chips(gpiod: ModuleType) -> Iterator[tuple[str, Any]]:
    for path in sorted(DEVICES.glob("gpiochip*")):
        try:
            yield str(path), gpiod.Chip(str(path))
        except OSError as error:
            raise UnavailableError(_advice(path.name, error)) from None


def _advice(what: str, error: OSError) -> str:
    match error.errno:
        case errno.EACCES | errno.EPERM:
            return f"{what} may not be used: add this user to the group gpio (sudo usermod -aG gpio USER)"
        case errno.EBUSY:
            return f"{what} is in use by another program, or by another section"
    return f"{what} cannot be used: {error.strerror or error}"
