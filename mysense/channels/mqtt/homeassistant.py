"""Home Assistant, seen from here: which devices it was told of, and what of each it shows now.

It stamps what it receives with the time of arrival, so only what is measured now is for it: of
each node the newest data, and that only while it is fresh. A device is announced with the first
such data of a connection, and again when its ident has changed.
"""

import json
import random
import time
from collections.abc import Iterable, Iterator, Mapping

from mysense.channels._mqtt.stream import Message
from mysense.channels.mqtt import discovery
from mysense.channels.mqtt.delivery import Parcel
from mysense.state import State
from mysense.telegram import SECOND, Data, Ident

_OWN = "device "
"""What the keys of the state begin with: which message of a node stands where, and its fields."""
_DELAY = 2.0, 10.0
"""Seconds, at least and at most, before states are sent again: a fleet must not answer all at once."""


class HomeAssistant:
    """Messages for one Home Assistant; *status* is the topic that says whether we are there."""

    def __init__(self, prefix: str, expire: float, status: str) -> None:
        self._prefix, self._expire, self._status = prefix, expire, status
        self._shown: dict[str, Data] = {}  # by topic, the newest
        self._announced: dict[str, Ident] = {}  # by topic, in this connection
        self._pending: dict[str, tuple[str, Ident, str]] = {}  # by lane: key, ident, what to remember
        self._due: float | None = None

    @property
    def birth(self) -> str:
        """Where Home Assistant says that it has started."""
        return f"{self._prefix}/status"

    def connected(self, state: State) -> None:
        """A new connection: the broker may have forgotten what stood there. *state* is the publisher's."""
        self._state = state
        self._announced.clear()
        self._pending.clear()

    def show(self, newest: Mapping[str, Data]) -> Iterator[Parcel]:
        """What is to be sent for the newest data of each topic."""
        for topic, data in newest.items():
            before = self._shown.get(topic)
            if data.ident.fields and self._fresh(data) and not (before and data.time < before.time):
                yield from self._announce(topic, data.ident)
                self._shown[topic] = data
                yield _state(topic, data)

    def _fresh(self, data: Data) -> bool:
        return abs(time.time_ns() - data.time) <= self._expire * SECOND

    def _announce(self, topic: str, ident: Ident) -> Iterator[Parcel]:
        """The device message of a node that is not announced yet, or is another one now."""
        if self._announced.get(topic) == ident:
            return
        config = discovery.config_topic(self._prefix, ident)
        message = discovery.device(ident, topic, self._status, self._expire)
        old, *fields = json.loads(self._state.get(_OWN + ident.node, '[""]'))
        if old not in ("", config):
            yield _retained(old, "")
        elif gone := tuple(sorted({*fields} - {*message["cmps"]})):
            yield _retained(config, discovery.text(message, gone))
        yield _retained(config, discovery.text(message))
        self._pending[config] = topic, ident, json.dumps([config, *message["cmps"]])

    def delivered(self, failures: Mapping[str, Exception]) -> None:
        """What was to be sent is there, apart from *failures*: remember it."""
        for config, (topic, ident, remembered) in self._pending.items():
            self._announced[topic] = ident  # one that is refused is not told again with each telegram
            if config not in failures:
                self._state[_OWN + ident.node] = remembered
                self._again()  # it listens to a state only once it knows the device
        self._pending.clear()

    def heard(self, messages: Iterable[Message]) -> None:
        """Messages of the broker: Home Assistant has started, and knows no state yet."""
        if any(each.topic == self.birth and each.payload == b"online" for each in messages):
            self._again()

    def _again(self) -> None:
        if self._due is None:
            self._due = time.monotonic() + random.uniform(*_DELAY)

    def due(self) -> list[Parcel]:
        """The states that are to be sent again now."""
        if self._due is None or self._due > time.monotonic():
            return []
        self._due = None
        return [_state(topic, data) for topic, data in self._shown.items() if self._fresh(data)]


def announced(state: State) -> list[tuple[str, Parcel]]:
    """What clears each device that was announced, by the key of *state* that remembers it."""
    return [(key, _retained(json.loads(state[key])[0], "")) for key in state if key.startswith(_OWN)]


def _state(topic: str, data: Data) -> Parcel:
    topic = f"{topic}/state"
    return Parcel(topic, Message(topic, discovery.state(data).encode()))


def _retained(topic: str, payload: str) -> Parcel:
    return Parcel(topic, Message(topic, payload.encode(), retain=True))
