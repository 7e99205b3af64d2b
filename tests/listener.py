"""Somebody else at a broker, who hears what is published there."""

import ssl
import threading
from typing import Any, NamedTuple, Self

from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from tests.kit import until


class Heard(NamedTuple):
    """A message; *retained* is one that stood there already."""

    topic: str
    payload: str
    retained: bool


class Listener:
    """Hears messages of all *filters*, in order, and connects again by itself.

    With *name* the broker keeps for it what is published meanwhile.
    """

    def __init__(self, port: int, *filters: str, name: str = "", **login: Any) -> None:
        self.heard: list[Heard] = []
        self._filters, self._there = filters or ("#",), threading.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, name, clean_session=not name)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = self._connected
        self._client.on_subscribe = lambda *_: self._there.set()
        self._client.on_message = self._received
        if user := login.get("user"):
            self._client.username_pw_set(user, login["password"])
        if ca := login.get("ca"):
            context = ssl.create_default_context(cafile=ca)
            if certificate := login.get("certificate"):
                context.load_cert_chain(certificate)
            self._client.tls_set_context(context)
        self._client.connect("127.0.0.1", port)

    def _connected(self, client: mqtt.Client, *_: Any) -> None:
        client.subscribe([(each, 1) for each in self._filters])

    def _received(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        self.heard.append(Heard(message.topic, message.payload.decode(), message.retain))

    def payloads(self, topic: str) -> list[str]:
        """What came under one topic."""
        return [each.payload for each in self.heard if each.topic == topic]

    def until(self, count: int, topic: str = "", seconds: float = 60) -> list[Heard]:
        """Wait for so many messages, of all or of one topic."""

        def there() -> list[Heard]:
            heard = [each for each in self.heard if topic in ("", each.topic)]
            return heard if len(heard) >= count else []

        return until(there, seconds)

    def say(self, topic: str, payload: str, retain: bool = False) -> None:
        """Publish something; it has arrived when this returns."""
        self._client.publish(topic, payload, 1, retain).wait_for_publish(10)

    def clear(self) -> None:
        """Forget what was heard."""
        self.heard.clear()

    def __enter__(self) -> Self:
        self._client.loop_start()
        assert self._there.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()
