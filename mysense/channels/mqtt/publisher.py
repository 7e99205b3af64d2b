"""The publisher: one lasting connection, QoS 1, and nothing passed before the broker has confirmed it."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import field
from typing import Literal

from mysense import plugin
from mysense.channels._mqtt.broker import Broker
from mysense.channels._mqtt.client import Client
from mysense.channels._mqtt.stream import Message
from mysense.channels.mqtt.checking import software
from mysense.channels.mqtt.delivery import Delivery, Parcel
from mysense.channels.mqtt.homeassistant import HomeAssistant, announced
from mysense.channels.mqtt.layout import Topic, checked, checked_plain, written
from mysense.errors import ConfigError, RejectedError, UnavailableError
from mysense.plugin import option
from mysense.telegram import Data, Ident, Telegram, ident_of


class Publisher(Broker, plugin.Publisher):
    """Publish telegrams to an MQTT broker, and show kits in Home Assistant."""

    accepts_raw = True
    signs = True  # a broker may be read by a relay that publishes to another

    topic: str = option(
        "IoS/{project}/{serial}",
        "of each node; {project}, {serial}, {node}, {label} and other items of the ident are filled in",
        parse=checked,
    )
    layout: Literal["classic", "split"] = option(
        "classic", "classic: ident and data in one message; split: the ident retained beside the data"
    )
    window: int = option(100, "messages on their way before the first is confirmed", least=1, most=65535)
    status: str = option(
        "", "the topic that says online or offline; empty: below this kit's own, if it measures itself",
        parse=checked_plain,
    )  # fmt: skip
    discovery: bool = option(False, "announce kits to Home Assistant, and send it their state")
    discovery_prefix: str = option("homeassistant", "the topic that it listens to", parse=checked_plain)
    expire: float = option(
        900.0, "seconds after which a value no longer holds there: three intervals or more", parse=plugin.seconds,
        least=1,
    )  # fmt: skip

    _client: Client | None = field(init=False, repr=False, default=None)
    _presence: str = field(init=False, repr=False, default="")
    _homeassistant: HomeAssistant | None = field(init=False, repr=False, default=None)
    _told: dict[str, Ident] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._topic, self._delivery = Topic(checked(self.topic)), Delivery(self.window, self.timeout)
        if not self.discovery_prefix:
            raise ValueError("discovery_prefix: write the topic that Home Assistant listens to, as homeassistant")
        if (self.layout == "split" or self.discovery) and not {"serial", "node"} & {*self._topic.names}:
            what = "discovery = yes" if self.discovery else "layout = split"
            raise ValueError(f"topic {self.topic!r}: with {what} each node needs its own: add {{serial}} or {{node}}")

    # The connection

    def open(self) -> None:
        self._presence = self._own_status()
        will = Message(self._presence, b"offline", retain=True) if self._presence else None
        self._client = client = self.connect(self.named(self.state), will=will)
        self._told.clear()
        self._complained: set[str] = set()
        if self.discovery:
            if self._homeassistant is None:
                self._homeassistant = HomeAssistant(self.discovery_prefix, self.expire, self._presence)
            self._homeassistant.connected(self.state)
            self._listen(client, self._homeassistant.birth)
        if self._presence:
            self._send([Parcel(self._presence, Message(self._presence, b"online", retain=True))])

    def _own_status(self) -> str:
        """Where birth and will of this connection stand; empty where nobody asked for that."""
        if self.status or self.own is None:
            return self.status
        with suppress(RejectedError):
            return f"{self._topic.of(self.own.public())}/status"
        return ""

    def _listen(self, client: Client, topic: str) -> None:
        try:
            client.subscribe([topic])
        except UnavailableError as error:
            client.turn(0.0)  # raises when it is more than a matter of rights
            self._complain(f"{error}; kits show in Home Assistant only some time after it has started")

    def close(self) -> None:
        client, self._client = self._client, None
        if client:
            with suppress(OSError, ValueError):
                if self._presence:
                    client.publish(self._presence, b"offline", True)
            client.close()

    def idle(self) -> None:
        """Keep the connection alive, and hear whether Home Assistant has started."""
        assert self._client
        self._client.turn(0.0)
        self._hear()
        if self._homeassistant and (due := self._homeassistant.due()):
            self._send(due)

    def _hear(self) -> None:
        assert self._client
        if messages := self._client.take():
            self._client.acknowledge(messages)
            if self._homeassistant:
                self._homeassistant.heard(messages)

    # Publishing

    def lane(self, telegram: Telegram) -> str:
        """The topic of a telegram's node; empty where it cannot have one."""
        return self._topic.lane(ident_of(telegram))

    def publish(self, batch: Sequence[Telegram]) -> Mapping[str, Exception]:
        assert self._client
        failures: dict[str, Exception] = {}
        told: dict[str, Ident] = dict(self._told)
        parcels: list[Parcel] = []
        for telegram in batch:
            lane = self.lane(telegram)
            try:
                parcels += self._parcels(lane, telegram, told)
            except (RejectedError, ValueError) as error:
                failures.setdefault(lane, RejectedError(str(error)))
        parcels = [parcel for parcel in parcels if parcel.lane not in failures]
        failures |= self._delivery.run(self._client, parcels)
        if len(batch) == 1 and failures and parcels:
            self._delivery.forget(parcels[-1].message)
        self._told = {lane: ident for lane, ident in told.items() if lane not in failures}
        data = [each for each in batch if isinstance(each, Data) and not each.raw]
        self._show([each for each in data if self.lane(each) not in failures])
        self._hear()
        return failures

    def _parcels(self, lane: str, telegram: Telegram, told: dict[str, Ident]) -> list[Parcel]:
        """The messages of a telegram, after the ident where that has not been told yet."""
        ident, split = ident_of(telegram), self.layout == "split"
        if not lane:
            self._topic.of(ident)  # says why not
        parcels = []
        if split and told.get(lane) != ident:
            parcels.append(Parcel(lane, written(lane, ident, split)))
            told[lane] = ident
        if not isinstance(telegram, Ident):
            parcels.append(Parcel(lane, written(lane, telegram, split)))
        return parcels

    def _show(self, delivered: Sequence[Data]) -> None:
        """Show Home Assistant what was delivered; without it, clear what it was shown once."""
        if self._homeassistant:
            newest: dict[str, Data] = {}
            for data in delivered:
                lane = self.lane(data)
                if lane not in newest or newest[lane].time <= data.time:
                    newest[lane] = data
            parcels = [*self._homeassistant.show(newest), *self._homeassistant.due()]
            self._homeassistant.delivered(self._send(parcels))
        elif stale := announced(self.state):
            failures = self._send([parcel for _, parcel in stale])
            for key, parcel in stale:
                if parcel.lane not in failures:
                    del self.state[key]

    def _send(self, parcels: Sequence[Parcel]) -> Mapping[str, Exception]:
        """Deliver what is not telegrams: a refusal is told once, and holds up nothing."""
        assert self._client
        failures = self._delivery.run(self._client, parcels)
        for error in failures.values():
            self._complain(str(error))
        return failures

    def _complain(self, text: str) -> None:
        if text not in self._complained:
            self._complained.add(text)
            self.log.warning("%s", text)

    def check(self) -> str:
        """Connects under a name of its own, so that it disturbs nobody; publishes nothing."""
        if self.own:
            try:
                self._topic.of(self.own.public())
            except RejectedError as error:  # each telegram would be set aside
                raise ConfigError(str(error)) from None
        self.passing = True
        client = self.connect(self.named(self.state))
        try:
            version = "5" if client.version == 5 else "3.1.1"
            return f"connected to {self.place}, MQTT {version}{software(client)}"
        finally:
            client.close()
