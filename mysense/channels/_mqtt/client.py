"""One connection to a broker: paho speaks MQTT, the caller's own thread turns the network.

paho's thread would acknowledge from one thread what another received, which costs more than all
the rest of a message. Here everything happens in ``turn``, and what it raises is an OSError.
"""

import select
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

from mysense.channels._mqtt.stream import LARGEST, Message, Stream, acknowledgements
from mysense.errors import UnavailableError

_FLUSH = 0.5  # seconds for the farewell
_SUDDEN = 5.0  # seconds after which a connection that is lost was not one for long
_REFUSALS = {
    0x84: "does not speak this version of MQTT: set version = 3.1.1",
    0x85: "does not like the client_id {id!r}: set another",
    0x86: "does not know this user with this password: see user and password_file",
    0x87: "does not let us in: see user, password_file and client_id, and the broker's list of rights",
    0x8C: "does not know this user with this password: see user and password_file",
}
_WRONG_VERSION = 0x84


class Client:
    """A connection, made by ``connect``; the messages that came in are in ``messages``.

    *lasting* is how long, in seconds, the broker keeps the session of this *client_id* while it is
    away (MQTT 3.1.1 knows only for ever); 0: no session is kept. *window* is how many messages it
    may send before the first is acknowledged (MQTT 5; 0: as it likes). *will* is what it publishes
    when this connection is lost. With *cut*, messages are cut out of the stream before paho sees them.
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
    ) -> None:
        self.place, self.client_id = place, client_id
        self._lasting, self._will, self._window, self._cut = lasting, will, window, cut
        self._timeout, self._user, self._secret, self._tls = timeout, user, secret, tls
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
        self._paho: Any = None
        self._granted: dict[int, list[int]] = {}
        self._code: int | None = None  # of the broker's answer to the connection
        self._gone = ""
        self._refused = 0

    # Connecting

    def connect(self, version: str, keepalive: int) -> None:
        """Connect, and wait for the broker's word; *version* is auto, 3.1.1 or 5."""
        for number in (4,) if version == "3.1.1" else (5,) if version == "5" else (5, 4):
            try:
                self._connect(number, keepalive)
                return
            except UnavailableError:
                if self._code != _WRONG_VERSION or version != "auto" or number == 4:
                    raise

    def _connect(self, version: int, keepalive: int) -> None:
        self.version, self._code, self._gone = version, None, ""
        self._paho = paho = _make(self, version)
        self._begun = time.monotonic()
        host, _, port = self.place.rpartition(":")
        try:
            if version == 5:
                paho.connect(host, int(port), keepalive, clean_start=not self._lasting, properties=self._properties())
            else:
                paho.connect(host, int(port), keepalive)
            self._wait(lambda: self._code is not None, "does not answer")
        except ssl.SSLCertVerificationError as error:
            why = error.verify_message.rstrip(".")
            raise UnavailableError(f"{self.place}: its certificate is not trusted ({why}): see ca_file") from None
        except ssl.SSLError as error:
            raise UnavailableError(f"{self.place}: no encrypted connection ({error.reason or error})") from None
        except UnavailableError:
            raise
        except (OSError, ValueError) as error:
            why = "does not answer" if isinstance(error, TimeoutError) else _reason(error)
            raise UnavailableError(f"{self.place}: {why}") from None
        finally:
            if self._code != 0:
                self.close()

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
            said = _REFUSALS.get(self._code, "refuses us: {reason}")
            self._gone = said.format(id=self.client_id, reason=str(reason).lower())

    def _disconnected(self, _client: Any, _data: Any, flags: Any, reason: Any, _properties: Any) -> None:
        if self._gone:
            return
        if flags.is_disconnect_packet_from_server and reason.value == 0x8E:
            self._gone = f"another client has the client_id {self.client_id!r}: give each its own"
        elif flags.is_disconnect_packet_from_server:
            self._gone = f"the broker ended the connection: {str(reason).lower()}"
        else:
            self._gone = "the connection was lost"
            if time.monotonic() - self._begun < _SUDDEN and self._code == 0:
                self._gone += f" at once; does another client have the client_id {self.client_id!r}, too?"

    # Turning

    def turn(self, timeout: float) -> None:
        """Send and receive what there is, waiting *timeout* seconds at most for something to come.

        Raises UnavailableError when the connection is lost; what was received before is in ``messages``.
        """
        stream: Stream = self._paho.stream
        try:
            stream.flush()
            self._poll(stream, timeout)
            stream.fill()
        except (OSError, ValueError) as error:
            self._lost(error)
        self.messages += stream.take()
        while stream.pending() and not self._gone:
            self._paho.loop_read()
        if not self._gone:
            self._paho.loop_misc()
        if self._gone:
            raise UnavailableError(f"{self.place}: {self._gone}")
        try:
            stream.flush()
        except OSError as error:
            self._lost(error)

    def _poll(self, stream: Stream, timeout: float) -> None:
        poll = select.poll()
        poll.register(stream, select.POLLIN | (select.POLLOUT if stream.unsent else 0))
        poll.poll(timeout * 1000)

    def _lost(self, error: Exception) -> None:
        raise UnavailableError(f"{self.place}: the connection was lost ({_reason(error)})") from None

    def _wait(self, condition: Callable[[], bool], silent: str) -> None:
        """Turn until *condition* holds, and UnavailableError when it does not in time."""
        end = time.monotonic() + self._timeout
        while not condition():
            if (left := end - time.monotonic()) <= 0:
                raise UnavailableError(f"{self.place} {silent}")
            self.turn(left)
        if self._gone:
            raise UnavailableError(f"{self.place} {self._gone}")

    # Working

    def subscribe(self, filters: Sequence[str]) -> None:
        """Subscribe at QoS 1 and wait for the broker's word; messages may come before it.

        Raises UnavailableError with the filters that the broker refuses.
        """
        if self.version == 5:
            from paho.mqtt.subscribeoptions import SubscribeOptions

            asked: Any = [(each, SubscribeOptions(qos=1)) for each in filters]
        else:
            asked = [(each, 1) for each in filters]
        _, number = self._paho.subscribe(asked)
        self._wait(lambda: number in self._granted, "does not answer to a subscription")
        codes = self._granted.pop(number)
        refused = [each for each, code in zip(filters, codes, strict=False) if code >= 0x80]
        if refused:
            raise UnavailableError(f"{self.place} does not let us read {', '.join(refused)}: it is a matter of rights")

    def unsubscribe(self, filters: Sequence[str]) -> None:
        """Tell the broker that these are no longer wanted; what is queued already still comes."""
        self._paho.unsubscribe(list(filters))

    def _subscribed(self, _client: Any, _data: Any, number: int, reasons: Any, _properties: Any) -> None:
        self._granted[number] = [reason.value for reason in reasons]

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
        try:
            self._paho.stream.flush()
        except OSError as error:
            self._lost(error)

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
        paho, self._paho = self._paho, None
        if paho.stream is not None:
            self._gone = self._gone or "closed"
            paho.disconnect()
            paho.stream.close()


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)


def _make(client: Client, version: int) -> Any:
    """paho's client, with our stream in place of its socket."""
    from paho.mqtt import client as mqtt
    from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

    class Paho(mqtt.Client):
        stream: Stream | None = None

        def _create_socket(self) -> Any:
            self.stream = Stream(cast(socket.socket, super()._create_socket()), version, client._cut)
            return self.stream

        def _ssl_wrap_socket(self, tcp_sock: Any) -> Any:
            assert client._tls
            sock = client._tls.wrap_socket(tcp_sock, server_hostname=self._host, do_handshake_on_connect=False)
            try:
                sock.settimeout(client._timeout)
                sock.do_handshake()
            except BaseException:  # paho would leave it open
                sock.close()
                raise
            return sock

    options: dict[str, Any] = {} if version == 5 else {"clean_session": not client._lasting}
    paho = Paho(
        CallbackAPIVersion.VERSION2,
        client.client_id,
        protocol=MQTTProtocolVersion(version),
        manual_ack=True,
        reconnect_on_failure=False,
        **options,
    )
    paho.connect_timeout = client._timeout
    paho.max_inflight_messages = 0  # whoever publishes keeps to a window of his own
    paho.on_connect, paho.on_disconnect = client._connected, client._disconnected
    paho.on_subscribe, paho.on_publish, paho.on_message = client._subscribed, client._published, client._received
    if client._user or client._secret:
        paho.username_pw_set(client._user, client._secret or None)
    if client._tls:
        paho.tls_set_context(client._tls)
    if will := client._will:
        paho.will_set(will.topic, will.payload, 1, will.retain)
    return paho
