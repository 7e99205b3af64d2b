"""Any sensor that the kernel has a driver for (IIO): the kernel reads it, mysense reads the kernel.

On a Raspberry Pi a line in /boot/firmware/config.txt is enough, for example
``dtoverlay=i2c-sensor,bme280``; the file overlays/README beside it names all the devices.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import field
from pathlib import Path

from mysense import plugin
from mysense.errors import ConfigError
from mysense.hardware.sysfs import ROOT
from mysense.plugin import Found, option
from mysense.sensors._iio import Channel, channels, choose, devices
from mysense.telegram import Field

WEATHER = frozenset(("rh", "hpa"))
"""What makes a device one for the weather."""
LIMITS = {"temp": (-273.15, 2000.0), "volt": (-1000.0, 1000.0)}
"""What others may tell: the heat of a flame or of a thermocouple (C), a voltage (V) below zero."""
ELSEWHERE = ("dht11", "rpi_volt")
"""Devices that another plugin knows better."""


class Sensor(plugin.Sensor):
    """Any sensor with a driver in the kernel (IIO): temperature, humidity, pressure, light, gas, dust, voltage, …"""

    name: str = option("", "what the driver calls it, as bme280; empty: the only device there is")
    device: str = option("", "where two have one name: what it is connected as, as 1-0076 (bus 1, address 0x76)")
    channels: tuple[str, ...] = option((), "the fields to read; empty: all that the device has")
    root: Path = option(ROOT, "the folder that /sys lies in")

    _channels: tuple[Channel, ...] = field(init=False, repr=False, default=())
    _chip: str = field(init=False, repr=False, default="")
    _told: frozenset[str] = field(init=False, repr=False, default=frozenset())

    @property
    def measures(self) -> tuple[Field, ...]:  # type: ignore[override]
        """What the device has; nothing while it has not been seen."""
        if not self._channels:  # known from the start, names do not depend on who is opened first
            with suppress(OSError, ConfigError):
                self._look()
        return tuple(Field(c.name, c.kind.unit, self._chip) for c in self._channels)

    @property
    def ranges(self) -> Mapping[str, tuple[float, float]]:  # type: ignore[override]
        """Wide where it is no weather that is measured."""
        if any(c.kind.field in WEATHER for c in self._channels):
            return {}
        return {c.name: LIMITS[c.kind.field] for c in self._channels if c.kind.field in LIMITS}

    def open(self) -> None:
        self._look()
        self._told = frozenset()

    def _look(self) -> None:
        """Find the device and its channels."""
        device = choose(self.root, self.name, self.device)
        there = {channel.name: channel for channel in channels(device.folder)}
        if missing := [name for name in self.channels if name not in there]:
            raise ConfigError(f"{device} has no {', '.join(missing)}; it has {', '.join(there) or 'nothing'}")
        if not there:
            raise ConfigError(f"{device} measures nothing that can be read here")
        self._channels = tuple(there[name] for name in self.channels or there)
        self._chip = device.name.partition("@")[0]

    def read(self) -> Mapping[str, float]:
        """All channels, one after the other; a channel that the kernel cannot read is absent."""
        values, failures = {}, {}
        for channel in self._channels:
            try:
                values[channel.name] = channel.value()
            except OSError as error:
                failures[channel.name] = error
        if not values:
            raise next(iter(failures.values()))
        for name in failures.keys() - self._told:
            self.log.warning("%s of %s cannot be read: %s", name, self._chip, failures[name])
        self._told = frozenset(failures)
        return values

    def check(self) -> str:
        with self:
            return f"{self._chip}: {', '.join(channel.name for channel in self._channels)}"

    @classmethod
    def found(cls, root: Path = ROOT) -> Iterable[Found]:
        every = [d for d in devices(root) if not d.name.startswith(ELSEWHERE) and channels(d.folder)]
        for device in every:
            options = {"name": device.name}
            if sum(other.name == device.name for other in every) > 1:
                options["device"] = device.parent
            yield Found(options, str(device))


if __name__ == "__main__":
    from mysense import tryout

    tryout.sensor("iio")
