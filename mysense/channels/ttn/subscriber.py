"""The subscriber: its options, and what it makes of them."""

from collections.abc import Sequence
from dataclasses import field
from pathlib import Path
from typing import Literal

from mysense.channels._mqtt.source import Source
from mysense.channels.ttn import devices, nodes
from mysense.channels.ttn.devices import Listed
from mysense.channels.ttn.nodes import Nodes, Rule
from mysense.channels.ttn.telegrams import Telegrams, Wanted
from mysense.options import pattern
from mysense.plugin import option
from mysense.telegram import Ident, Telegram


class Subscriber(Source):
    """Take the uplinks of LoRaWAN devices from The Things Network, or from another Things Stack."""

    hostname: str = option("eu1.cloud.thethings.network", "where the broker is")
    user: str = option("", "the application and its tenant, as garden@ttn")
    password: str = option("", "an API key that may read its traffic; better in a file", secret=True)
    version: Literal["auto", "3.1.1", "5"] = option("3.1.1", "of MQTT; The Things Stack speaks 3.1.1")
    ssl: bool = option(True, "encrypt the connection (TLS)")

    topic: tuple[str, ...] = option(
        ("v3/+/devices/+/up",), "what to subscribe to; messages that are no uplinks are passed over"
    )
    prefer: Literal["decoded", "bytes"] = option(
        "decoded", "what to read, where there is both: what the application decoded, or the bytes"
    )
    project: str = option("{application}", "project of devices that are not listed", parse=nodes.template)
    serial: str = option("{device}", "and their serial, of {application}, {device}, {eui}", parse=nodes.serial)
    devices: tuple[Listed, ...] = option(
        (), "device: project/serial, …; those that have another node", parse=devices.devices
    )
    devices_file: Path | None = option(None, "a file of JSON with the idents of devices, by their names")
    all: bool = option(True, "no: only devices that are listed")
    projects: str = option(".*", "the projects to take, as a pattern for the whole name", parse=pattern)
    serials: str = option(".*", "and the serials", parse=pattern)
    signal: bool = option(False, "also rssi and snr at the gateway that heard it best, and how many gateways did")
    dust: str = option("", "what measures dust in kits whose bytes do not tell, as SDS011")
    meteo: str = option("", "and the weather, as BME280")

    _telegrams: Telegrams | None = field(init=False, repr=False, default=None)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.topic:
            raise ValueError("topic: name what to subscribe to, as v3/+/devices/+/up")
        if not (self.all or self.devices or self.devices_file):
            raise ValueError("all = no takes only devices that are listed: list some in devices or devices_file")

    def filters(self) -> Sequence[str]:
        return self.topic

    def open(self) -> None:
        self._telegrams = self._made()
        super().open()

    def check(self) -> str:
        self._made()
        return super().check()

    def _made(self) -> Telegrams:
        listed = {name: Ident(project, serial) for name, project, serial in self.devices}
        if self.devices_file:
            listed |= devices.read(self.devices_file)
        rule = Rule(self.project, self.serial, self.all, self.projects, self.serials)
        wanted = Wanted(self.prefer, self.signal, self.dust, self.meteo)
        return Telegrams(Nodes(listed, rule, self.state), wanted, self.state)

    def telegrams(self, topic: str, payload: bytes) -> Sequence[Telegram]:
        assert self._telegrams
        return list(self._telegrams.of(payload))
