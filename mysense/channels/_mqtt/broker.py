"""The far end of every channel that speaks MQTT: where the broker is, and who we are there."""

from dataclasses import field
from pathlib import Path
from secrets import token_hex
from typing import Literal

from mysense import plugin
from mysense.channels import _tls
from mysense.channels._mqtt.client import Client
from mysense.channels._mqtt.stream import Message
from mysense.errors import ConfigError
from mysense.plugin import option
from mysense.secrets import password
from mysense.state import State

PORT, SECURE_PORT = 1883, 8883


class Broker(plugin.Plugin):
    """The options that say where the broker is, and the way to it."""

    hostname: str = option("localhost", "where the broker is", parse=plugin.host)
    port: int = option(0, "and its port; 0: 1883, with ssl 8883", least=0, most=65535)
    user: str = option("", "user name, when the broker wants one")
    password: str = option("", "and the password; better in a file", secret=True)
    password_file: Path | None = option(None, "a file with the password in its first line")
    client_id: str = option("", "what the broker calls this connection; empty: a name made once and kept")
    version: Literal["auto", "3.1.1", "5"] = option("auto", "of MQTT; auto tries 5 first")
    keepalive: float = option(60.0, "seconds of silence after which each end asks for the other", parse=plugin.seconds,
                              least=5, most=65535)  # fmt: skip
    ssl: bool = option(False, "encrypt the connection (TLS)")
    verify: bool = option(True, "no: do not look at the broker's certificate")
    ca_file: Path | None = option(None, "the certificate that signed the broker's, when it is your own")
    cert_file: Path | None = option(None, "a client certificate")
    key_file: Path | None = option(None, "and its key")
    timeout: float = option(10.0, "seconds to wait for an answer", parse=plugin.seconds, least=0.1)

    _last: Client | None = field(init=False, repr=False, default=None)
    _lost: int = field(init=False, repr=False, default=0)

    def __post_init__(self) -> None:
        idle = [name for name in ("ca_file", "cert_file", "key_file") if getattr(self, name) and not self.ssl]
        if idle:
            raise ValueError(f"{idle[0]} is of no use without encryption: add ssl = yes")

    @property
    def place(self) -> str:
        """The broker as messages call it."""
        return f"{self.hostname}:{self.port or (SECURE_PORT if self.ssl else PORT)}"

    def named(self, state: State) -> str:
        """The name of this connection: given, or made once and kept, so that the broker knows it again.

        Whoever only has a look gets one that nobody else has.
        """
        if self.passing:
            return f"{self.client_id or 'mysense'}-{token_hex(6)}"
        return self.client_id or state.setdefault("client", f"mysense-{token_hex(6)}")

    def connect(
        self, client_id: str, *, lasting: float = 0.0, will: Message | None = None, window: int = 0, cut: bool = True
    ) -> Client:
        """A connection, made; see ``Client``. A file with the password is read anew each time.

        Raises UnavailableError while the broker is away or refuses us, ConfigError for options
        that cannot be used.
        """
        if self.key_file and not self.cert_file:
            raise ConfigError("key_file is the key of cert_file: set both")
        self._lost = self._lost + 1 if self._last and self._last.sudden else 0
        self._last = client = Client(
            self.place,
            client_id,
            lasting=lasting,
            will=will,
            window=window,
            cut=cut,
            timeout=self.timeout,
            user=self.user,
            secret=password(self.password, self.password_file),
            tls=_tls.context(self.verify, self.ca_file, self.cert_file, self.key_file) if self.ssl else None,
            lost=self._lost,
        )
        client.connect(self.version, round(self.keepalive))
        return client
