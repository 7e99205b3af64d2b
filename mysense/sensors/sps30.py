"""Sensirion SPS30: fine dust and particle counts by a laser, on a serial line or on I2C.

Its fan and laser are made to run for ten years without a rest. It cleans its fan by itself, once a
week while it has power. Counts are of particles from 0.3 µm up to a size; PM4 and PM10 are
computed from the smaller ones (Sensirion, "Datasheet SPS30", version 1.0).
"""

import struct
from collections.abc import Mapping
from contextlib import suppress
from typing import ClassVar

from mysense.hardware.frames import TICK, split
from mysense.hardware.i2c import Address, Bus
from mysense.hardware.serial import SerialSensor, refuse_other
from mysense.hardware.wires import where
from mysense.options import seconds
from mysense.plugin import option
from mysense.sensors import _sps30
from mysense.sensors._shdlc import HEAD, Shdlc, measure
from mysense.telegram import Field

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


class Sensor(SerialSensor):
    """Sensirion SPS30 dust sensor, on a serial line or on I2C."""

    baudrate: ClassVar[int] = 115200
    questions = _sps30.QUESTIONS
    measures = tuple(
        Field(name, {"grain": "um"}.get(name, "pcs/L" if name.endswith("_cnt") else "ug/m3"), "SPS30")
        for name in _NAMES
    )

    i2c: Address | None = option(None, "instead of port: its address on I2C, which is 0x69", parse=Address.parse)
    bus: str = option("1", "number of the I2C bus (1 is /dev/i2c-1), its path, or unix: and that of a simulated one")
    warm_up: float = option(30.0, "seconds after the start of which nothing is believed: 8 to 30", parse=seconds)
    device: str = option("", "serial number of the device that is meant; empty: any")

    def __post_init__(self) -> None:
        where(self.bus)
        if self.i2c is not None and (self.port or self.usbid):
            raise ValueError("it is on a serial line (port) or on I2C (i2c), not on both")

    @classmethod
    def recognise(cls, heard: bytes) -> str | None:
        named = filter(None, map(_sps30.serial_in, split(heard, HEAD, measure)[0]))
        return next((f"SPS30 {serial}" for serial in named), None)

    def open(self) -> None:
        self._way = self._line() if self.i2c is None else self._wires(self.i2c)
        serial = self._way.start()
        refuse_other(self._way.name, "SPS30", serial, self.device)
        self._warm = self.clock.monotonic() + self.warm_up
        self._slow = False
        self._told = f"SPS30 {serial}, {self._way.name}"
        self.log.info("%s", self._told)

    def _line(self) -> _sps30.Way:
        return _sps30.Line(Shdlc(self.connect(TICK), "SPS30", self.log))

    def _wires(self, address: Address) -> _sps30.Wires:
        self._port = Bus(self.bus)
        with self._port.within(5.0):
            self._port.open()
            self._port.claim(address)  # before there is a way: what another program has is not stopped, either
        return _sps30.Wires(self._port, address)

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
        if self.i2c is None:
            with self:
                return self._told
        try:
            way = self._wires(self.i2c)
            serial = way.serial()
            refuse_other(way.name, "SPS30", serial, self.device)
            return f"SPS30 {serial}, {way.name}"
        finally:
            self.close()

    def close(self) -> None:
        if way := vars(self).pop("_way", None):
            with suppress(OSError):  # it may be gone
                way.stop()
        super().close()


if __name__ == "__main__":
    from mysense import tryout

    tryout.sensor("sps30")
