"""Messages on their way to a broker: a window of them, and what came of each.

The publisher's promise is kept here: ``run`` returns when the broker has confirmed all that it
did not refuse. What cannot be delivered holds up only what shares its lane.
"""

import time
from collections.abc import Sequence
from typing import NamedTuple

from mysense.channels._mqtt.client import Client
from mysense.channels._mqtt.stream import Message
from mysense.errors import RejectedError, UnavailableError

TRIES = 4
"""How often a connection may be lost over one and the same message before that is refused."""
_AT_ONCE = 1.0
"""Seconds within which a broker hangs up on a message; when it takes longer, the line is bad."""
_OTHERS = 100
"""Messages that are remembered as doubtful beside a whole window."""
_AFTER = 0.02
"""Seconds within which a broker hangs up on what it has just confirmed."""
_LARGEST = 268_435_455
"""Bytes of a packet, by the protocol."""
_NEVER = ("topic name invalid", "payload format invalid", "packet too large")
"""What a broker says of a message that it will not take tomorrow either."""
_RIGHTS = "not authorized"


class Parcel(NamedTuple):
    """A message, and the lane that fails when it cannot be delivered."""

    lane: str
    message: Message


class Delivery:
    """Sends messages, *window* of them ahead of their confirmations, and waits for *timeout* seconds at most.

    A broker may hang up on a message instead of refusing it: one that is too large, with MQTT
    3.1.1. So those that were on their way when a connection was lost are sent one by one
    afterwards; one over which it is lost again and again is refused.
    """

    def __init__(self, window: int, timeout: float) -> None:
        self._window, self._timeout = window, timeout
        self._doubted: dict[Message, int] = {}
        self._sent = 0.0
        self._flying: dict[int, Parcel] = {}
        self._latest: Message | None = None  # of those that were confirmed: the broker may hang up on it yet
        self._refused: dict[str, Exception] = {}  # by lane, before the connection was lost

    def run(self, client: Client, parcels: Sequence[Parcel]) -> dict[str, Exception]:
        """Deliver all, in order; what went wrong by lane. Raises UnavailableError for all of it."""
        lanes = {lane for lane, _ in parcels}
        failures = {lane: self._refused.pop(lane) for lane in lanes & self._refused.keys()}
        for lane, message in parcels:  # before anything is sent: else the rest of its lane would go out twice
            if lane not in failures and (why := self._unfit(client, message)):
                failures[lane] = RejectedError(why)
        window = min(self._window, client.room or self._window)
        self._flying.clear()
        self._latest = None
        try:
            for parcel in parcels:
                alone = parcel.message in self._doubted
                if alone or len(self._flying) >= window:
                    self._wait(client, failures, 0 if alone else window - 1)
                if alone and self._latest:
                    client.turn(_AFTER)
                    self._latest = None
                if parcel.lane in failures:
                    continue
                topic, payload, retain, *_ = parcel.message
                self._flying[client.publish(topic, payload, retain)] = parcel
                self._sent = time.monotonic()
                if alone:
                    self._watch(client, failures, parcel)
            self._wait(client, failures, 0)
        except UnavailableError:
            self._doubt()
            self._refused |= failures  # some brokers refuse and hang up: the other lanes go on next time
            raise
        return failures

    def forget(self, message: Message) -> None:
        """A message that was refused is set aside: should it be sent again, it is tried anew."""
        self._doubted.pop(message, None)

    def _unfit(self, client: Client, message: Message) -> str:
        """Why a message need not be sent at all."""
        size = len(message.topic.encode()) + len(message.payload) + 10  # a head of 10 bytes, or somewhat less
        if size > (largest := client.largest or _LARGEST):
            return f"{client.place} takes no message of {size:,} bytes: {largest:,} are the most"
        if self._doubted.get(message, 0) >= TRIES:
            return (
                f"{client.place} hangs up each time on this message of {size:,} bytes, without a reason: "
                "it may be larger than the broker takes"
            )
        return ""

    def _wait(self, client: Client, failures: dict[str, Exception], most: int) -> None:
        """Wait until no more than *most* messages are on their way."""
        end = time.monotonic() + self._timeout
        while len(self._flying) > most:
            if (left := end - time.monotonic()) <= 0:
                self._flying.clear()  # silence is no complaint about a message
                raise UnavailableError(f"{client.place} confirms nothing for {self._timeout:g} s")
            try:
                client.turn(left)
            finally:
                if self._confirm(client, failures):
                    end = time.monotonic() + self._timeout

    def _watch(self, client: Client, failures: dict[str, Exception], parcel: Parcel) -> None:
        """Wait for one message alone, and see whether the connection stands it: some brokers confirm and hang up."""
        self._wait(client, failures, 0)
        self._flying[0] = parcel
        client.turn(_AFTER)
        self._flying.clear()
        self._latest = None
        self._doubted.pop(parcel.message, None)

    def _confirm(self, client: Client, failures: dict[str, Exception]) -> bool:
        """Take off what the broker has confirmed or refused; whether there was any."""
        confirmed, client.confirmed = client.confirmed, {}
        for number, refusal in confirmed.items():
            if not (parcel := self._flying.pop(number, None)):
                continue
            self._latest = parcel.message
            if refusal:
                failures.setdefault(parcel.lane, _judged(client, parcel.message.topic, refusal.lower()))
        return bool(confirmed)

    def _doubt(self) -> None:
        """The connection was lost: one of those on their way may be the reason, or the last that was confirmed."""
        if self._latest:
            self._doubted.setdefault(self._latest, 0)
        alone = len(self._flying) == 1
        for _, message in self._flying.values():
            guilty = alone and message in self._doubted and time.monotonic() - self._sent < _AT_ONCE
            self._doubted[message] = self._doubted.get(message, 0) + guilty
        for message in [*self._doubted][: -self._window - _OTHERS]:  # some, as a state, are never sent again
            del self._doubted[message]


def _judged(client: Client, topic: str, refusal: str) -> Exception:
    if refusal in _NEVER:
        return RejectedError(f"{client.place} refuses it: {refusal}")
    if refusal == _RIGHTS:
        return UnavailableError(f"{client.place} does not let us write {topic}: it is a matter of rights")
    return UnavailableError(f"{client.place} does not take what is for {topic}: {refusal}")
