"""The subscriber: its options, and the way of what was written into the journal."""

import ssl
from collections.abc import Sequence
from dataclasses import field
from ipaddress import ip_address
from pathlib import Path

from mysense import plugin
from mysense.channels.influxlisten.access import Access
from mysense.channels.influxlisten.intake import Intake
from mysense.channels.influxlisten.server import Server
from mysense.channels.influxlisten.telegrams import Telegrams
from mysense.channels.influxlisten.waiting import Delivery, Waiting
from mysense.errors import ConfigError
from mysense.options import size
from mysense.plugin import option
from mysense.secrets import password
from mysense.telegram import Telegram

BATCH = 5000
"""Points that go into the journal with one commit; more, where one request holds more."""


class Subscriber(plugin.Subscriber):
    """Listen like an InfluxDB: airRohr kits, Telegraf, ESPHome and subscriptions of an influxd write here."""

    hostname: str = option("127.0.0.1", "address to listen at; 0.0.0.0: all of this machine")
    port: int = option(8086, "and port", least=1, most=65535)
    user: str = option("", "user name that clients must show")
    password: str = option("", "and the password; better in a file", secret=True)
    password_file: Path | None = option(None, "a file with the password in its first line")
    token: str = option("", "a token that clients may show instead; better in a file", secret=True)
    token_file: Path | None = option(None, "a file with the token in its first line")
    cert_file: Path | None = option(None, "the certificate of this machine: speak https")
    key_file: Path | None = option(None, "and its key, if that is in another file")
    max_body: int = option(25_000_000, "largest body of a request, also unpacked", parse=size, least=1000)
    timeout: float = option(
        10.0, "seconds for a client to send, and for the journal to take it", parse=plugin.seconds, least=0.1
    )
    connections: int = option(200, "the most connections at once, half of them for one client", least=1, most=10_000)
    rate: float = option(500.0, "the most requests a second of one client; 0: any number", least=0)

    _taken: list[Delivery] = field(init=False, repr=False, default_factory=list)
    _warned: bool = field(init=False, repr=False, default=False)
    _failed: bool = field(init=False, repr=False, default=False)

    def open(self) -> None:
        access, tls = self._access(), self._tls()
        if warning := self._warning(access):
            if not self._warned:
                self.log.warning("%s: %s", self._place, warning)
            self._warned = True
        self._telegrams = Telegrams(self.state)
        self._waiting = Waiting()
        intake = Intake(access, self._waiting, self.max_body, self.timeout, self.log, self.rate)
        self._server = Server(self.hostname, self.port, intake, self.connections, tls)

    def close(self) -> None:
        self._end(False)
        if waiting := vars(self).pop("_waiting", None):
            waiting.close()
        if server := vars(self).pop("_server", None):
            server.close()

    def receive(self) -> Sequence[Telegram]:
        self._taken = self._waiting.take(BATCH, 1.0)
        telegrams = [telegram for delivery in self._taken.copy() for telegram in self._made(delivery)]
        if not telegrams:  # all of it was passed over: there is nothing to wait for
            self.confirm()
        return telegrams

    def _made(self, delivery: Delivery) -> Sequence[Telegram]:
        """The telegrams of a delivery. One that nobody foresaw ends with an error of its own, and holds up no other."""
        try:
            return list(self._telegrams.of(delivery.database, delivery.points))
        except Exception:
            if not self._failed:
                self.log.exception("a bug: what was written cannot be made into telegrams; please report it")
            self._failed = True
            self._taken.remove(delivery)
            delivery.end(False, hopeless=True)
            return []

    def confirm(self) -> None:
        self._end(True)

    def _end(self, safe: bool) -> None:
        taken, self._taken = self._taken, []
        for delivery in taken:
            delivery.end(safe)

    def check(self) -> str:
        """Whether the port is to be had, and for whom it will be open."""
        warning = self._warning(self._access())
        super().check()
        return f"will listen at {self._place}{f'; {warning}' if warning else ''}"

    @property
    def _place(self) -> str:
        host = f"[{self.hostname}]" if ":" in self.hostname else self.hostname
        return f"{'https' if self.cert_file else 'http'}://{host}:{self.port}"

    def _access(self) -> Access:
        access = Access(
            self.user, password(self.password, self.password_file), password(self.token, self.token_file, "token_file")
        )
        if bool(access.user) != bool(access.secret):
            raise ConfigError("user and password_file belong together: set both, or neither")
        return access

    def _tls(self) -> ssl.SSLContext | None:
        if not self.cert_file:
            return None
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            context.load_cert_chain(self.cert_file, self.key_file)
        except OSError as error:
            reason = error.strerror or str(error)
            raise ConfigError(f"cert_file {self.cert_file}: {reason}: it needs a certificate and its key") from None
        return context

    def _warning(self, access: Access) -> str:
        """What is wrong with being open to everybody; empty where that is not so."""
        try:
            inside = ip_address(self.hostname).is_loopback
        except ValueError:
            inside = self.hostname == "localhost"
        if inside or not access.open:
            return ""
        return "everybody who reaches this port may write: set user and password_file, or token_file"
