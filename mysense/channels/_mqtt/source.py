"""The life of a subscriber at a broker: a lasting session, and nothing acknowledged before the journal has it."""

from collections.abc import Iterable, Sequence
from dataclasses import field
from typing import Literal

from mysense import plugin
from mysense.channels._mqtt.broker import Broker
from mysense.channels._mqtt.client import Client
from mysense.channels._mqtt.stream import LARGEST, Message
from mysense.errors import UnavailableError
from mysense.plugin import Refusal, option
from mysense.telegram import Telegram

CONTENT = 4096
"""Bytes that are kept of a message that is no telegram."""
BATCH = 1000
"""Messages that go into the journal with one commit; a few more, where they came together."""
COMPANY = 0.002
"""Seconds that a crowd of messages waits for more to be committed with."""
CROWD = 20
"""Messages that are a crowd: what comes one by one is not held up."""
SHOWN = 4
"""Filters that are named by a check."""
ENOUGH = 4_000_000
"""Bytes of messages that go into the journal at once: large ones wait in the broker, not here."""


class Source(Broker, plugin.Subscriber):
    """Takes messages in; what a subclass makes of them are telegrams."""

    session: float = option(
        30 * 86400.0, "how long the broker keeps what comes while we are away (MQTT 3.1.1: for ever)",
        parse=plugin.seconds, least=60,
    )  # fmt: skip
    window: int = option(1000, "messages on their way before the first is in the journal (MQTT 5)", least=1, most=1000)
    reader: Literal["fast", "paho"] = option("fast", "what cuts messages out of the stream; paho takes longer")

    _client: Client | None = field(init=False, repr=False, default=None)
    _begun: bool = field(init=False, repr=False, default=False)
    _failed: bool = field(init=False, repr=False, default=False)
    _taken: list[Message] = field(init=False, repr=False, default_factory=list)

    def filters(self) -> Sequence[str]:
        """The topic filters to subscribe."""
        raise NotImplementedError

    def telegrams(self, topic: str, payload: bytes) -> Iterable[Telegram]:
        """The telegrams of a message; ValueError, in one sentence, for one that holds none."""
        raise NotImplementedError

    def open(self) -> None:
        client_id, lasting = self.named(self.state), 0.0 if self.passing else self.session
        self._client = client = self.connect(client_id, lasting=lasting, window=self.window, cut=self.reader == "fast")
        here = f"{client_id} at {self.place}"
        if not client.present and self.state.get("session") == here:
            self.log.warning(
                "%s has forgotten the session of %s: what was published while nobody listened is not there",
                self.place, client_id,
            )  # fmt: skip
        self._subscribe(client)
        self.state["session"] = here
        self._begun = True

    def _subscribe(self, client: Client) -> None:
        wanted = list(self.filters())
        before = self.state.get("filters", "").split("\n")
        try:
            if client.present and (gone := [each for each in before if each and each not in wanted]):
                client.unsubscribe(gone)
            client.subscribe(wanted)
        except UnavailableError:
            self.close()
            raise
        self.state["filters"] = "\n".join(wanted)

    def close(self) -> None:
        client, self._client = self._client, None
        if client:
            client.close()
        self._taken = []

    def receive(self) -> Sequence[Telegram]:
        assert self._client
        if self._begun:  # under which name we are known there must be kept before anything is taken
            self._begun = False
            return ()
        taken = self._taken = self._collect(self._client)
        telegrams: list[Telegram] = []
        for message in taken:
            if message.payload or message.size:
                self._read(message, telegrams)
        if not telegrams and not self.refusals:  # nothing to keep: a cleared topic, a message that is not for us
            self.confirm()
        return telegrams

    def _collect(self, client: Client) -> list[Message]:
        """What has come within a second; a crowd waits a moment for more.

        What came before the connection was lost is taken, as nobody sends a message of QoS 0
        again; the loss is told when there is no more.
        """
        try:
            client.turn(0.0 if client.messages else 1.0)
            while CROWD <= (before := len(client.messages)) < BATCH and sum(m.size for m in client.messages) < ENOUGH:
                client.turn(COMPANY)
                if len(client.messages) == before:
                    break
        except UnavailableError:
            if not client.messages:
                raise
        return client.take()

    def _read(self, message: Message, telegrams: list[Telegram]) -> None:
        try:
            if message.size > LARGEST:
                raise ValueError(f"larger than a telegram may be: {message.size:,} bytes")
            telegrams += self.telegrams(message.topic, message.payload)
        except ValueError as error:
            self._refuse(message, str(error))
        except Exception as error:  # it would come again for ever, and hold up all that are behind it
            if not self._failed:
                self.log.exception("a bug: a message cannot be made into telegrams; please report it")
            self._failed = True
            self._refuse(message, f"a bug: {type(error).__name__}: {error}")

    def _refuse(self, message: Message, reason: str) -> None:
        self.refusals.append(Refusal(message.topic, message.payload[:CONTENT], reason, message.size))

    def confirm(self) -> None:
        assert self._client
        taken, self._taken = self._taken, []
        self._client.acknowledge(taken)
        self._client.flush()

    def check(self) -> str:
        """Connects and subscribes under a name of its own, so that it takes nothing from anybody."""
        self.passing = True
        client = self.connect(self.named(self.state), window=1)
        try:
            client.subscribe(self.filters())
        finally:
            client.close()
        filters, version = self.filters(), "5" if client.version == 5 else "3.1.1"
        more = f" and {len(filters) - SHOWN} more" if len(filters) > SHOWN else ""
        return f"{self.place} takes our subscription to {', '.join(filters[:SHOWN])}{more} (MQTT {version})"
