"""The Raspberry Pi itself: too hot, too little voltage, disk full? On other machines, what is there of it.

Facts: get_throttled in https://www.raspberrypi.com/documentation/computers/os.html; the same
word as a file is the firmware driver's of Raspberry Pi's kernel, and the driver ``rpi_volt``
of any kernel tells under-voltage.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import field
from pathlib import Path

from mysense import plugin
from mysense.errors import UnavailableError
from mysense.hardware.sysfs import ROOT, below, first, number, text, words
from mysense.options import seconds
from mysense.plugin import Found, option
from mysense.telegram import Field, Value

UNDER_VOLTAGE, THROTTLED = 0x1, 0xE
"""Bits of the firmware's word: what is so now. The same bits 16 places higher: it was so since the start."""
FRESH = 600.0
"""Seconds after the start of a machine in which what was so since then is news."""
_CPU = re.compile(r"cpu|soc|x86_pkg", re.IGNORECASE)

Source = Callable[[], Mapping[str, Value]]


def flags(word: int, known: int = 0) -> dict[str, int]:
    """Trouble with power and heat, in the firmware's word; *known* is the word before.

    It is told when it is so now, and when it was so between two looks.

    >>> flags(0x50005), flags(0x50000), flags(0x50000, known=0x50005)
    ({'undervolt': 1, 'throttled': 1}, {'undervolt': 1, 'throttled': 1}, {'undervolt': 0, 'throttled': 0})
    """
    seen = word | (word >> 16 & ~(known >> 16))
    return {"undervolt": int(bool(seen & UNDER_VOLTAGE)), "throttled": int(bool(seen & THROTTLED))}


def memory(table: str) -> float | None:
    """The share (%) of the memory that programs can still have, from /proc/meminfo.

    >>> memory("MemTotal:  949448 kB\\nMemFree: 102400 kB\\nMemAvailable:  474724 kB\\n")
    50.0
    """
    sizes = {name: int(size) for name, size in re.findall(r"^(\w+):\s+(\d+) kB$", table, re.MULTILINE | re.ASCII)}
    if not sizes.get("MemTotal") or "MemAvailable" not in sizes:
        return None
    return round(100 * sizes["MemAvailable"] / sizes["MemTotal"], 1)


class Sensor(plugin.Sensor):
    """The Raspberry Pi itself: temperature, under-voltage, throttling, disk, memory, load, uptime."""

    interval: float = option(30.0, "seconds between two readings", parse=seconds)
    disk: Path = option(Path("/"), "a file or folder on the disk to look at")
    root: Path = option(ROOT, "the folder that /sys and /proc lie in")

    _sources: tuple[tuple[tuple[Field, ...], Source], ...] = field(init=False, repr=False, default=())

    @property
    def measures(self) -> tuple[Field, ...]:  # type: ignore[override]
        """What this machine tells."""
        self._sources = self._sources or tuple(self._there())
        return tuple(field for fields, _ in self._sources for field in fields)

    def open(self) -> None:
        self._word: int | None = None
        self._weak = False
        self._told: Set[str] = frozenset()
        self._sources = tuple(self._there())
        self._model = words(self.root / "proc/device-tree/model") or "no Raspberry Pi"

    def _there(self) -> Iterable[tuple[tuple[Field, ...], Source]]:
        """The fields that this machine can fill, with what fills them."""
        if heat := _thermometer(self.root):
            yield _fields("temp_cpu C"), lambda: {"temp_cpu": round(number(heat) / 1000, 3)}
        if word := next(below(self.root / "sys/devices/platform", "soc*/*:firmware/get_throttled"), None):
            yield _fields("undervolt -", "throttled -"), lambda: self._flags(int(text(word), 16))
        elif alarm := next(_alarms(self.root), None):
            yield _fields("undervolt -"), lambda: {"undervolt": int(number(alarm) != 0)}
        yield _fields("disk_free %"), lambda: {"disk_free": _room(self.disk)}
        if (table := self.root / "proc/meminfo").exists():
            yield _fields("mem_free %"), lambda: _some("mem_free", memory(text(table)))
        if (load := self.root / "proc/loadavg").exists():
            yield _fields("load -"), lambda: {"load": first(load)}
        if (up := self.root / "proc/uptime").exists():
            yield _fields("uptime s"), lambda: {"uptime": first(up)}

    def _flags(self, word: int) -> Mapping[str, Value]:
        if self._word is None:  # the first look: what was so days ago is no news
            up = self.root / "proc/uptime"
            self._word = 0 if up.exists() and first(up) < FRESH else word
        said, self._word = flags(word, self._word), word
        return said

    def read(self) -> Mapping[str, Value]:
        """What is there; a file that cannot be read, or says something else, leaves its fields out and is told once."""
        values: dict[str, Value] = {}
        failures: dict[str, Exception] = {}
        for fields, source in self._sources:
            try:
                values |= source()
            except (OSError, ValueError) as error:
                failures[fields[0].name] = error
        if not values:
            raise UnavailableError("; ".join(map(str, failures.values())))
        for name in failures.keys() - self._told:
            self.log.warning("%s cannot be told: %s", name, failures[name])
        self._told = failures.keys()
        weak = bool(values.get("undervolt"))
        if weak and not self._weak:
            self.log.warning("under-voltage: the Pi needs a better power supply, or a shorter and thicker cable")
        self._weak = weak
        return values

    def check(self) -> str:
        with self:
            return f"{self._model}: {', '.join(field.name for field in self.measures)}"

    @classmethod
    def found(cls, root: Path = ROOT) -> Iterable[Found]:
        model = words(root / "proc/device-tree/model")
        return [Found({}, model)] if "Raspberry Pi" in model else []


def _fields(*said: str) -> tuple[Field, ...]:
    return tuple(Field(name, unit.strip("-"), "Pi") for name, unit in map(str.split, said))


def _some(name: str, value: Value | None) -> Mapping[str, Value]:
    return {} if value is None else {name: value}


def _thermometer(root: Path) -> Path | None:
    """The file with the processor's temperature, in 1/1000 °C."""
    zones = [zone.parent for zone in below(root / "sys/class/thermal", "thermal_zone*/temp")]
    zone = next((zone for zone in zones if _CPU.search(words(zone / "type"))), zones[0] if zones else None)
    return zone and zone / "temp"


def _alarms(root: Path) -> Iterator[Path]:
    """The files of the driver rpi_volt that say whether the voltage is too low."""
    return (
        path
        for path in below(root / "sys/class/hwmon", "hwmon*/in0_lcrit_alarm")
        if words(path.parent / "name") == "rpi_volt"
    )


def _room(path: Path) -> float:
    """The share (%) of a disk that is free for everybody."""
    disk = os.statvfs(path)
    if not disk.f_blocks:
        raise UnavailableError(f"{path} lies on no disk")
    return round(100 * disk.f_bavail / disk.f_blocks, 1)


if __name__ == "__main__":
    from mysense import tryout

    tryout.sensor("pi")
