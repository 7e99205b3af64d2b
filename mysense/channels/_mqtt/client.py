"""One connection to a broker: paho speaks MQTT, the caller's own thread turns the network.

paho's thread would acknowledge from one thread what another received, which costs more than all
the rest of a message. Here everything happens in ``turn``, and what it raises is an OSError.
"""

import select
import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

from mysense.channels._mqtt import paho, reasons
from mysense.channels._mqtt.stream import CHUNK, LARGEST, NOT_MQTT, Message, Stream, acknowledgements
from mysense.errors import UnavailableError

_SUDDEN = 5.0  # seconds after which a connection that is lost was not one for long
_RIVAL = 60.0  # seconds, at most, to stay away from another client that has our name
_ENOUGH = 4 * CHUNK  # bytes that may come before the answer to a subscription


class Client:
    """A connection, made by ``connect``; the messages that came in are in ``messages``.

    *lasting* is how long, in seconds, the broker keeps the session of this *client_id* while it is
    away (MQTT 3.1.1 knows only for ever); 0: no session is kept. *window* is how many messages it
    may send before the first is acknowledged (MQTT 5; 0: as it likes). *will* is what it publishes
    when this connection is lost. With *cut*, messages are cut out of the stream before paho sees them.
    *lost* is how many connections before this were lost as soon as they were made.
    """

    def __init__(
        self,
        place: str,
        client_id: str,
        *,
        lasting: float = 0.0,
        will: Message | None = None,
        window: int = 0,
        cut: bool = True,
        timeout: float = 10.0,
        user: str = "",
        secret: str = "",
        tls: ssl.SSLContext | None = None,
        lost: int = 0,
    ) -> None:
        self.place, self.client_id = place, client_id
        self._lasting, self._will, self._window, self._cut = lasting, will, window, cut
        self._timeout, self._user, self._secret, self._tls, self._before = timeout, user, secret, tls, lost
        self.messages: list[Message] = []
        self.confirmed: dict[int, str] = {}
        """What was published and is confirmed: by its number why the broker refused it, or nothing."""
        self.present = False
        """Whether the broker still had the session."""
        self.largest = 0
        """The most bytes of a packet that the broker takes, where it said so; else 0."""
        self.room = 0
        """How many messages it takes before it has confirmed the first, where it said so; else 0."""
        self.version = 0
        self.sudden = False
        """Whether it was lost as soon as it was made."""
        self._paho: Any = None
        self._asked: dict[int, Sequence[str]] = {}  # subscriptions that wait for the broker's word
        self._code: int | None = None  # of the broker's answer to the connection
        self._gone = ""  # why there is no connection any more
        self._forbidden = ""  # what the broker does not let us read
        self._pause: float | None = None  # seconds that the broker is better left alone
        self._silent = False  # whether it went away before it had said anything

    # Connecting

    def connect(self, version: str, keepalive: int) -> None:
        """Connect, and wait for the broker's word; *version* is auto, 3.1.1 or 5."""
        for number in (4,) if version == "3.1.1" else (5,) if version == "5" else (5, 4):
            try:
                self._connect(number, keepalive)
                return
            except UnavailableError:
                if number == 4 or version == "5" or not (self._code == reasons.WRONG_VERSION or self._silent):
                    raise

    def _connect(self, version: int, keepalive: int) -> None:
        self.version, self._code, self._gone, self._silent = version, None, "", False
        self.messages = []
        self._paho = client = self._made(version)
        self._begun = time.monotonic()
        host, _, port = self.place.rpartition(":")
        try:
            if version == 5:
                client.connect(host, int(port), keepalive, clean_start=not self._lasting, properties=self._properties())
            else:
                client.connect(host, int(port), keepalive)
            self._wait(lambda: self._code is not None, "does not answer")
        except UnavailableError:
            raise
        except (OSError, ValueError) as error:
            raise UnavailableError(f"{self.place}: {reasons.failed(error, bool(self._tls))}") from None
        finally:
            if self._code != 0:
                self.close()

    def _made(self, version: int) -> Any:
        """paho's client, which tells us what happens."""

        def begin() -> Stream:
            return Stream(self._dial(), version, self._cut)

        client = paho.made(self.client_id, version, begin, bool(self._lasting))
        client.connect_timeout = self._timeout
        client.on_connect, client.on_disconnect = self._connected, self._disconnected
        client.on_subscribe, client.on_publish, client.on_message = self._subscribed, self._published, self._received
        if self._user or self._secret:
            client.username_pw_set(self._user, self._secret or None)
        if will := self._will:
            client.will_set(will.topic, will.payload, 1, will.retain)
        return client

    def _dial(self) -> socket.socket:
        """The way to the broker, encrypted if that is wanted."""
        host, _, port = self.place.rpartition(":")
        plain = socket.create_connection((host, int(port)), self._timeout)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # what is sent is sent as a whole already
        return self._tls.wrap_socket(plain, server_hostname=host) if self._tls else plain

    def _properties(self) -> Any:
        from paho.mqtt.packettypes import PacketTypes
        from paho.mqtt.properties import Properties

        properties: Any = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        if self._lasting:
            properties.SessionExpiryInterval = min(int(self._lasting), 0xFFFFFFFF)
        if self._window:
            properties.ReceiveMaximum = self._window
        return properties

    def _connected(self, _client: Any, _data: Any, flags: Any, reason: Any, properties: Any) -> None:
        self._code, self.present = reason.value, bool(flags.session_present)
        self.largest = getattr(properties, "MaximumPacketSize", 0)
        self.room = getattr(properties, "ReceiveMaximum", 0)
        if self._code:
            self._gone = reasons.refused(self._code, str(reason), self.client_id)

    def _disconnected(self, _client: Any, _data: Any, flags: Any, reason: Any, _properties: Any) -> None:
        if self._gone:
            return
        if flags.is_disconnect_packet_from_server:
            self._gone = reasons.ended(reason.value, str(reason), self.client_id)
            if reason.value == reasons.TAKEN_OVER:  # else they take it from each other every second
                self._pause = _RIVAL
        elif reason.getName() == "Keep alive timeout":
            self._gone = "does not answer any more"
        elif self._code is None:
            self._silent = True
            self._gone = reasons.silent(bool(self._tls))
        else:
            self._gone = "the connection was lost"
            self.sudden = time.monotonic() - self._begun < _SUDDEN
            if self.sudden and self._before:  # once may be chance
                self._gone += f" at once; does another client have the client_id {self.client_id!r}, too?"
                self._pause = min(_RIVAL, 2.0 ** min(self._before, 16))

    # Turning

    def turn(self, timeout: float) -> None:
        """Send and receive what there is, waiting *timeout* seconds at most for something to come.

        Raises UnavailableError when the connection is lost; what was received before is in ``messages``.
        """
        if self._gone:
            raise UnavailableError(f"{self.place}: {self._gone}", wait=self._pause)
        stream: Stream = self._paho.stream
        broken: Exception | None = None
        try:
            try:
                stream.flush()
                self._poll(stream, timeout)
            finally:  # what came before it broke is there to be read
                stream.fill()
        except (OSError, ValueError) as error:
            broken = error
        self.messages += stream.take()
        self._read(stream)  # also what came before it broke: confirmations are among it
        if broken and not self._gone:
            self._lost(broken)
        if why := self._gone or self._forbidden:
            raise UnavailableError(f"{self.place}: {why}", wait=self._pause)
        self.flush()

    def _read(self, stream: Stream) -> None:
        """Let paho read what is for it, and keep the connection alive."""
        from paho.mqtt import MQTTException

        try:
            while stream.pending() and not self._gone:
                self._paho.loop_read()
            if not self._gone:
                self._paho.loop_misc()
        except (ValueError, LookupError, struct.error, MQTTException) as error:
            self._lost(ConnectionError(f"{NOT_MQTT}: {error}"))

    def _poll(self, stream: Stream, timeout: float) -> None:
        poll = select.poll()
        poll.register(stream, select.POLLIN | (select.POLLOUT if stream.unsent else 0))
        poll.poll(timeout * 1000)

    def _lost(self, error: Exception) -> None:
        """The connection broke: say so now, and whenever it is turned again."""
        self._silent = self._code is None and isinstance(error, ConnectionResetError | BrokenPipeError)
        if self._silent:
            self._gone = reasons.silent(bool(self._tls))
        elif isinstance(error, ssl.SSLError):
            self._gone = reasons.failed(error)
        else:
            self._gone = f"the connection was lost ({reasons.failed(error)})"

    def _wait(self, condition: Callable[[], bool], silent: str) -> None:
        """Turn until *condition* holds, and UnavailableError when it does not in time."""
        end = time.monotonic() + self._timeout
        while not condition():
            if (left := end - time.monotonic()) <= 0:
                raise UnavailableError(f"{self.place}: {silent}")
            self.turn(left)

    # Working

    def subscribe(self, filters: Sequence[str]) -> None:
        """Subscribe at QoS 1 and wait for the broker's word, unless much comes before it.

        Raises UnavailableError with the filters that the broker refuses; where they are known only
        later, each turn does.
        """
        from paho.mqtt.subscribeoptions import SubscribeOptions

        asked = [(each, SubscribeOptions(qos=1) if self.version == 5 else 1) for each in filters]
        _, number = self._paho.subscribe(asked)
        self._asked[number] = filters
        try:
            self._wait(
                lambda: number not in self._asked or sum(each.size for each in self.messages) > _ENOUGH,
                "does not answer to a subscription",
            )
        finally:
            self._forbidden = ""  # it is told: who can do without goes on

    def _subscribed(self, _client: Any, _data: Any, number: int, reasons: Any, _properties: Any) -> None:
        filters = self._asked.pop(number, ())
        refused = [each for each, reason in zip(filters, reasons, strict=False) if reason.value >= 0x80]
        if refused:
            self._forbidden = f"does not let us read {', '.join(refused)}: it is a matter of rights"

    def unsubscribe(self, filters: Sequence[str]) -> None:
        """Tell the broker that these are no longer wanted; what is queued already still comes."""
        self._paho.unsubscribe(list(filters))

    def publish(self, topic: str, payload: str | bytes, retain: bool = False) -> int:
        """Have a message sent at QoS 1; the number under which ``confirmed`` will have it."""
        return int(self._paho.publish(topic, payload, 1, retain).mid)

    def _published(self, _client: Any, _data: Any, number: int, reason: Any, _properties: Any) -> None:
        self.confirmed[number] = str(reason) if reason.value >= 0x80 else ""

    def take(self) -> list[Message]:
        """The messages that came in since the last time."""
        taken, self.messages = self.messages, []
        return taken

    def acknowledge(self, messages: Iterable[Message]) -> None:
        """Tell the broker that these are safe; goes out with the next turn, or ``flush``."""
        if self._cut:
            self._paho.stream.send(acknowledgements(messages))
        else:
            for each in messages:
                if each.number:
                    self._paho.ack(each.number, 1)

    def flush(self) -> None:
        """Send what waits, as far as the network takes it; a loss is told by the next turn."""
        with suppress(OSError):
            self._paho.stream.flush()

    def _received(self, _client: Any, _data: Any, message: Any) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = "(not UTF-8)"
        size = len(message.payload)
        self.messages.append(Message(topic, message.payload[:LARGEST], message.retain, message.mid, size))

    def close(self) -> None:
        """Say farewell, so that no will is published, and close. The broker keeps a lasting session."""
        if self._paho is None:
            return
        client, self._paho = self._paho, None
        if client.stream is not None:
            self._gone = self._gone or "closed"
            client.disconnect()
            client.stream.close()
