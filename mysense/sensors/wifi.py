"""How well Wi-Fi is received: strength in dBm and quality, from the table that the kernel keeps."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from mysense import plugin
from mysense.errors import UnavailableError
from mysense.hardware.sysfs import ROOT, below, text
from mysense.options import seconds
from mysense.plugin import Found, option
from mysense.telegram import Field

TABLE = Path("proc/net/wireless")
BEST = 70
"""The best link quality that drivers of today (cfg80211) tell."""
_LINE = re.compile(r"\s*(\S+):\s+[0-9a-fA-F]+\s+(-?\d+)\.?\s+(-?\d+)\.?\s+(-?\d+)\.?\s", re.ASCII)


class Link(NamedTuple):
    """One interface: quality in %, strength in dBm; None where the driver does not tell it in these units."""

    quality: int | None
    level: int | None


def parse(table: str) -> dict[str, Link]:
    """The interfaces that are connected to an access point.

    >>> parse(" wlan0: 0000   58.  -52.  -256        0      0      0      0     58        0\\n")
    {'wlan0': Link(quality=83, level=-52)}
    """
    links = {}
    for line in table.splitlines():
        if (match := _LINE.match(line)) and (match[2], match[3]) != ("0", "0"):
            quality, level = int(match[2]), int(match[3])
            links[match[1]] = Link(
                round(100 * quality / BEST) if 0 <= quality <= BEST else None, level if -150 <= level < 0 else None
            )
    return links


class Sensor(plugin.Sensor):
    """Wi-Fi: strength of what is received, and quality of the link."""

    measures = (Field("rssi", "dBm", "Wi-Fi"), Field("link", "%", "Wi-Fi"))

    interval: float = option(60.0, "seconds between two readings", parse=seconds)
    interface: str = option("", "network interface, as wlan0; empty: the only one that is connected")
    root: Path = option(ROOT, "the folder that /proc lies in")

    def read(self) -> Mapping[str, int | None]:
        link = self._link()[1]
        return {"rssi": link.level, "link": link.quality}

    def check(self) -> str:
        name, link = self._link()
        return f"{name}: {link.level} dBm"

    def _link(self) -> tuple[str, Link]:
        try:
            links = parse(text(self.root / TABLE))
        except FileNotFoundError:
            raise UnavailableError("this kernel keeps no table of Wi-Fi interfaces (/proc/net/wireless)") from None
        if self.interface:
            links = {name: link for name, link in links.items() if name == self.interface}
        if len(links) > 1:
            raise UnavailableError(f"several are connected: name one as 'interface': {', '.join(links)}")
        if not links:
            there = ", ".join(path.parent.name for path in below(self.root / "sys/class/net", "*/wireless"))
            what = self.interface or there
            raise UnavailableError(f"{what} is not connected" if what else "there is no Wi-Fi here")
        return next(iter(links.items()))

    @classmethod
    def found(cls, root: Path = ROOT) -> Iterable[Found]:
        try:
            links = parse(text(root / TABLE))
        except OSError:
            return []
        several = len(links) > 1
        return [
            Found({"interface": name} if several else {}, f"{name}, {link.level} dBm") for name, link in links.items()
        ]


if __name__ == "__main__":
    from mysense import tryout

    tryout.sensor("wifi")
