"""Sensirion SPS30: fine dust and particle counts by a laser, on a serial line or on I2C.

Its fan and laser are made to run for ten years without a rest. It cleans its fan by itself, once a
week while it has power. Counts are of particles from 0.3 µm up to a size; PM4 and PM10 are
computed from the smaller ones (Sensirion, "Datasheet SPS30", version 1.0).
"""

import struct
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, ClassVar, Protocol

from mysense.options import seconds
from mysense.plugin import option
from mysense.sensors._frames import TICK, split
from mysense.sensors._serial import Question, SerialSensor, refuse_other
from mysense.sensors._shdlc import HEAD, Shdlc, decode as reply, measure, request
from mysense.telegram import Field

START, STOP, READ, SLEEP, WAKE, INFO, STATUS = 0x00, 0x01, 0x03, 0x10, 0x11, 0xD0, 0xD2
PULSE = b"\xff"
"""Wakes the serial line of one that sleeps, so that it hears the command to wake up."""
PATIENCE = 4.0
"""Seconds without a word after which it counts as gone: it answers at once, and has a value each second."""
LASER, FAN, SPEED = 1 << 5, 1 << 4, 1 << 21
"""Bits of the status register: the laser draws too much, the fan stands still, the fan is too slow or too fast."""

_NAMES = ("pm1", "pm25", "pm4", "pm10", "pm05_cnt", "pm1_cnt", "pm25_cnt", "pm4_cnt", "pm10_cnt", "grain")


def values(data: bytes) -> dict[str, float]:
    """What 40 bytes of a measurement say: dust in ug/m3, counts per litre, the typical size in um.

    >>> said = values(struct.pack(">10f", 1.5, 2.5, 3, 3.25, 10, 12, 12.5, 12.5, 12.5, 0.5))
    >>> said["pm25"], said["pm05_cnt"], said["grain"]
    (2.5, 10000, 0.5)
    """
    said = dict(zip(_NAMES, struct.unpack(">10f", data), strict=True))
    return {name: round(value * 1000) if name.endswith("_cnt") else round(value, 3) for name, value in said.items()}


class Way(Protocol):
    """How to the device: what is said over either kind of line."""

    name: str

    def start(self) -> str:
        """Wake it up, let it measure, and give its serial number."""

    def measurement(self) -> bytes | None:
        """40 bytes; None when there is nothing new."""

    def status(self) -> int | None:
        """The status register, when it is time to look; None otherwise."""

    def stop(self) -> None:
        """No more measuring: fan and laser stop."""


class Serial:
    """The way over a serial line."""

    def __init__(self, shdlc: Shdlc) -> None:
        self._shdlc, self.name = shdlc, shdlc.name
        self._fault = True  # a look at the beginning

    def start(self) -> str:
        self._shdlc.call(WAKE, before=PULSE)  # it answers only if it slept
        serial = self._shdlc.sure(INFO, b"\x03").data.rstrip(b"\0").decode("ascii", "replace")
        self._shdlc.sure(STOP)  # it may measure in another format
        self._shdlc.sure(START, b"\x01\x03")
        return serial

    def measurement(self) -> bytes | None:
        said = self._shdlc.call(READ)
        if said is None:
            self._shdlc.expect(PATIENCE)
            return None
        if said.state or len(said.data) not in (0, 40):  # it forgot that it measures, or how
            raise OSError(f"{self.name}: the SPS30 was without power (state {said.state:#x})")
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


class Sensor(SerialSensor):
    """Sensirion SPS30 dust sensor, on a serial line or on I2C."""

    baudrate: ClassVar[int] = 115200
    questions = (Question(request(INFO, b"\x03")), Question(PULSE + request(WAKE) + request(INFO, b"\x03"), request(SLEEP)))
    measures = tuple(
        Field(name, {"grain": "um"}.get(name, "pcs/L" if name.endswith("_cnt") else "ug/m3"), "SPS30") for name in _NAMES
    )

    warm_up: float = option(30.0, "seconds after the start of which nothing is believed: 8 to 30", parse=seconds)
    device: str = option("", "serial number of the device that is meant; empty: any")

    @classmethod
    def recognise(cls, heard: bytes) -> str | None:
        for frame in split(heard, HEAD, measure)[0]:
            if (said := reply(frame)).command == INFO and not said.state:
                return f"SPS30 {said.data.rstrip(bytes(1)).decode('ascii', 'replace')}"
        return None

    def open(self) -> None:
        self._port: Any = self.connect(TICK)
        self._way: Way = Serial(Shdlc(self._port, "SPS30", self.log))
        serial = self._way.start()
        refuse_other(self._way.name, "SPS30", serial, self.device)
        self._warm = self.clock.monotonic() + self.warm_up
        self._slow = False
        self._told = f"SPS30 {serial}, {self._way.name}"
        self.log.info("%s", self._told)

    def read(self) -> Mapping[str, float] | None:
        data = self._way.measurement()
        status = self._way.status()
        if status is not None:
            self._judge(status)
        return values(data) if data and self.clock.monotonic() >= self._warm else None

    def _judge(self, status: int) -> None:
        """OSError where nothing that it measures can be right; what is only doubtful is told once."""
        if status & FAN:
            raise OSError(f"{self._way.name}: the fan of the SPS30 stands still: is something in it?")
        if status & LASER:
            raise OSError(f"{self._way.name}: the laser of the SPS30 fails: it wants another SPS30")
        slow = bool(status & SPEED)
        if slow and not self._slow:
            self.log.warning("%s: the fan of the SPS30 is too slow or too fast: has it 5 V?", self._way.name)
        self._slow = slow

    def check(self) -> str:
        with self:
            return self._told

    def close(self) -> None:
        if way := vars(self).pop("_way", None):
            with suppress(OSError):  # it may be gone
                way.stop()
        if port := vars(self).pop("_port", None):
            port.close()


if __name__ == "__main__":
    from mysense import tryout

    tryout.sensor("sps30")
