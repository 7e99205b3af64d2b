"""A simulated SPS30: asleep, idle or measuring, on a serial line (SHDLC)."""

import struct
import time
from math import inf

from mysense.clock import Clock
from mysense.testing import serial

WARM_UP = 8.0
"""Seconds after the start in which it counts too little."""
AWAKE = 0.1
"""Seconds after a pulse in which one that sleeps hears the command to wake up."""

_STUFFED = ((0x7D, b"\x7d\x5d"), (0x7E, b"\x7d\x5e"), (0x11, b"\x7d\x31"), (0x13, b"\x7d\x33"))


class Model:
    """What it is, whichever line leads to it. *air* are the ten values that it measures."""

    AIR = (5.5, 8.25, 9.0, 9.5, 40.0, 50.0, 52.0, 52.25, 52.5, 0.5)

    def __init__(self, clock: Clock, serial: str = "8BA5D1B2C3E4F5A6", air: tuple[float, ...] = AIR) -> None:
        self.clock, self.serial, self.air = clock, serial, air
        self.asleep, self.status = False, 0
        self.format = 0
        """3 while it measures floats, 5 while whole numbers, 0 while it does not measure."""
        self._since = self._read = self.clock.monotonic()

    def power(self) -> None:
        """It has power from now on."""
        self.asleep, self.format = False, 0

    def start(self, format: int) -> None:
        self.format, self._since = format, self.clock.monotonic()
        self._read = -inf

    def measurement(self) -> bytes:
        """What is new; nothing where it was read less than a second ago."""
        now = self.clock.monotonic()
        if now - self._read < 1 or now - self._since < 1:
            return b""
        self._read = now
        share = min(1.0, (now - self._since) / WARM_UP)
        if self.format == 5:
            return struct.pack(">10H", *(round(each * share) for each in self.air))
        return struct.pack(">10f", *(each * share for each in self.air))


class Device(serial.Device):
    """The device on a serial line."""

    baudrate = 115200

    def __init__(
        self, clock: Clock | None = None, serial: str = "8BA5D1B2C3E4F5A6", air: tuple[float, ...] = Model.AIR
    ) -> None:
        super().__init__(clock)
        self.model = Model(self.clock, serial, air)
        self._pulse = -inf
        self._buffer = b""

    def plugged(self) -> bytes:
        self.model.power()
        return b""

    def hear(self, heard: bytes) -> bytes:
        if self.model.asleep and b"\xff" in heard:
            self._pulse = time.monotonic()
        self._buffer += heard
        said = b""
        while (begin := self._buffer.find(0x7E)) >= 0 and (end := self._buffer.find(0x7E, begin + 1)) >= 0:
            inside, self._buffer = self._buffer[begin + 1 : end], self._buffer[end + 1 :]
            for plain, stuffed in _STUFFED[::-1]:
                inside = inside.replace(stuffed, bytes((plain,)))
            if len(inside) >= 4 and (sum(inside) & 0xFF) == 0xFF and inside[2] == len(inside) - 4:
                said += self._obey(inside[1], inside[3:-1])
        return said

    def _obey(self, word: int, data: bytes) -> bytes:
        model = self.model
        if model.asleep:
            if word != 0x11 or time.monotonic() - self._pulse > AWAKE:
                return b""
            model.asleep = False
            return self._reply(word)
        match word:
            case 0x00 if model.format:
                return self._reply(word, state=0x43)
            case 0x00:
                model.start(data[1])
                return self._reply(word)
            case 0x01 if not model.format:
                return self._reply(word, state=0x43)
            case 0x01:
                model.format = 0
                return self._reply(word)
            case 0x03:
                return self._reply(word, model.measurement()) if model.format else self._reply(word, state=0x43)
            case 0x10 if not model.format:
                model.asleep = True
                return self._reply(word)
            case 0x10 | 0x11:
                return self._reply(word, state=0x43)
            case 0xD0:
                return self._reply(word, model.serial.encode() + b"\0")
            case 0xD2:
                return self._reply(word, model.status.to_bytes(4, "big"))
        return self._reply(word, state=0x02)

    def _reply(self, word: int, data: bytes = b"", state: int = 0) -> bytes:
        body = bytes((0, word, state | (0x80 if self.model.status else 0), len(data))) + data
        body += bytes((~sum(body) & 0xFF,))
        for plain, stuffed in _STUFFED:
            body = body.replace(bytes((plain,)), stuffed)
        return b"\x7e" + body + b"\x7e"
