"""The two ways to an SPS30: a serial line, where it speaks SHDLC, and I2C."""

import time
from contextlib import suppress
from typing import Protocol

from mysense.errors import UnavailableError
from mysense.hardware.i2c import Address, Bus
from mysense.hardware.serial import Question
from mysense.sensors import _sensirion
from mysense.sensors._shdlc import Shdlc, decode, request

START, STOP, READ, SLEEP, WAKE, INFO, STATUS = 0x00, 0x01, 0x03, 0x10, 0x11, 0xD0, 0xD2
"""Commands on a serial line."""
PULSE = b"\xff"
"""Wakes the line of one that sleeps, so that it hears the command to wake up."""
QUESTIONS = (
    Question(request(INFO, b"\x03")),
    Question(PULSE + request(WAKE) + request(INFO, b"\x03"), request(SLEEP)),
)
PATIENCE = 4.0
"""Seconds without a word after which it counts as gone: it answers at once, and has a value each second."""
HOURLY = 3600.0
"""Seconds between two looks at its status where nothing tells of a fault."""
EMPTY = 10.0
"""Seconds of asking without anything new: it is not measuring."""
DAMAGED = 3
"""Answers in a row with a wrong checksum that are an outage."""


class Way(Protocol):
    """How to the device."""

    name: str

    def start(self) -> str:
        """Wake it up, let it measure, and give its serial number."""

    def measurement(self) -> bytes | None:
        """40 bytes; None when there is nothing new."""

    def status(self) -> int | None:
        """The status register, when it is time to look; None otherwise."""

    def stop(self) -> None:
        """No more measuring: fan and laser stop."""


def serial_in(frame: bytes) -> str:
    """The serial number, where a good frame holds it."""
    said = decode(frame)
    return _text(said.data) if said.command == INFO and not said.state else ""


def _text(data: bytes) -> str:
    return data.partition(b"\0")[0].decode("ascii", "replace")


class Line:
    """The way over a serial line. Each reply says whether the status tells of a fault."""

    def __init__(self, shdlc: Shdlc) -> None:
        self._shdlc, self.name = shdlc, shdlc.name
        self._fault = True  # a look at the beginning

    def start(self) -> str:
        self._shdlc.call(WAKE, before=PULSE)  # it answers only if it slept
        serial = _text(self._shdlc.sure(INFO, b"\x03").data)
        self._shdlc.sure(STOP)  # it may measure in another format
        self._shdlc.sure(START, b"\x01\x03")
        return serial

    def measurement(self) -> bytes | None:
        said = self._shdlc.call(READ)
        if said is None:
            self._shdlc.expect(PATIENCE)
            return None
        if said.state or len(said.data) not in (0, 40):  # it forgot that it measures, or how
            raise UnavailableError(f"{self.name}: the SPS30 was without power (state {said.state:#x})")
        self._fault |= said.fault
        return said.data or None

    def status(self) -> int | None:
        if not self._fault:
            return None
        said = self._shdlc.call(STATUS, b"\0", 0.3)
        if said is None or len(said.data) != 4:
            return None
        self._fault = said.fault
        return int.from_bytes(said.data, "big")

    def stop(self) -> None:
        self._shdlc.call(STOP, patience=0.2)


class Wires:
    """The way over I2C."""

    def __init__(self, bus: Bus, address: Address) -> None:
        self._bus, self._address, self.name = bus, address, f"{address} on {bus.path}"
        self._looked, self._empty, self._damaged = 0.0, 0.0, 0

    def start(self) -> str:
        serial = self.serial()
        with self._bus.within(1.0):
            self._tell(b"\x01\x04")
            self._tell(b"\x00\x10" + _sensirion.pack(0x0300))
        return serial

    def serial(self) -> str:
        """Its serial number; it goes on measuring."""
        with self._bus.within(5.0):
            for _ in range(2):  # the first one wakes only its bus
                with suppress(OSError):
                    self._tell(b"\x11\x03")
            serial = self._ask(b"\xd0\x33", 16)
        if serial is None:
            raise UnavailableError(f"{self.name} answers, but not as an SPS30 does")
        return _text(serial)

    def measurement(self) -> bytes | None:
        with self._bus.within(0.9):
            ready = self._ask(b"\x02\x02", 1)
            data = self._ask(b"\x03\x00", 20) if ready and ready[1] & 1 else None
        now = time.monotonic()
        if data or not ready:
            self._empty = 0.0
        elif not self._empty:
            self._empty = now  # not since the last value: that may be an interval ago
        elif now - self._empty > EMPTY:
            raise UnavailableError(f"{self.name}: the SPS30 stopped measuring: was it without power?")
        return data

    def status(self) -> int | None:
        if self._looked and time.monotonic() - self._looked < HOURLY:
            return None
        self._looked = time.monotonic()
        with self._bus.within(0.9):
            data = self._ask(b"\xd2\x06", 2)
        return int.from_bytes(data, "big") if data else None

    def stop(self) -> None:
        with self._bus.within(0.5):
            self._tell(b"\x01\x04")

    def _tell(self, command: bytes) -> None:
        self._bus.ask(self._address, command)
        self._bus.pause(0.02)

    def _ask(self, command: bytes, words: int) -> bytes | None:
        """What is answered, without checksums; None where one is wrong. OSError where that goes on."""
        self._tell(command)
        try:
            numbers = _sensirion.unpack(self._bus.ask(self._address, None, 3 * words))
        except ValueError as error:
            self._damaged += 1
            if self._damaged >= DAMAGED:
                raise UnavailableError(f"{self.name}: {error}") from None
            return None
        self._damaged = 0
        return b"".join(number.to_bytes(2, "big") for number in numbers)
