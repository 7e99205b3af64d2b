"""The far end of both ends: where an InfluxDB is, who we are there, and which version it speaks."""

from contextlib import closing
from importlib import import_module
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from mysense import __version__, plugin
from mysense.channels import _http, _tls
from mysense.channels.influxdb.api import Access, Api
from mysense.errors import ConfigError, UnavailableError
from mysense.plugin import option
from mysense.secrets import password

BRIEF = 2.0
"""Seconds for a server to say that it is there."""


def address(text: str) -> str:
    """*text* if it is the address of a server, else ValueError."""
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.username:
        raise ValueError(f"{text!r} is no address: write https://host:8086, without user and password")
    return text


class Server(plugin.Plugin):
    """The options that say where the server is, and the way to it."""

    hostname: str = option("localhost", "where the server is", parse=plugin.host)
    port: int = option(8086, "and its port", least=1, most=65535)
    url: str = option("", "instead of hostname, port and ssl: https://host:8086/path", parse=address)
    version: Literal["auto", "1", "2", "3"] = option("auto", "of InfluxDB; auto asks the server")
    user: str = option("", "user name, when the server wants one (version 1)")
    password: str = option("", "and the password; better in a file", secret=True)
    password_file: Path | None = option(None, "a file with the password in its first line")
    org: str = option("", "the organisation (version 2)")
    token: str = option("", "the token (versions 2 and 3); better in a file", secret=True)
    token_file: Path | None = option(None, "a file with the token in its first line")
    ssl: bool = option(False, "speak https")
    verify: bool = option(True, "no: do not look at the server's certificate")
    ca_file: Path | None = option(None, "the certificate that signed the server's, when it is your own")
    cert_file: Path | None = option(None, "a client certificate")
    key_file: Path | None = option(None, "and its key")
    timeout: float = option(10.0, "seconds to wait for an answer", parse=plugin.seconds, least=0.1)

    def __post_init__(self) -> None:
        if self.version == "2" and not (self.org and (self.token or self.token_file)):
            raise ValueError("version = 2 wants org and token_file")

    @property
    def place(self) -> str:
        """The server as messages call it."""
        return self.url or f"{self.hostname}:{self.port}"

    @property
    def parts(self) -> tuple[str, int, bool, str]:
        """Host, port, whether it speaks https, and what stands before every path."""
        if not self.url:
            return self.hostname, self.port, self.ssl, ""
        parts = urlsplit(self.url)
        secure = parts.scheme == "https"
        return str(parts.hostname), parts.port or (443 if secure else 80), secure, parts.path.rstrip("/")

    def connection(self, timeout: float | None = None) -> _http.Connection:
        """A connection of its own; nothing is sent yet."""
        host, port, secure, prefix = self.parts
        tls = _tls.context(self.verify, self.ca_file, self.cert_file, self.key_file) if secure else None
        return _http.Connection(host, port, tls=tls, timeout=timeout or self.timeout, prefix=prefix)

    def alive(self) -> bool:
        """Whether the server itself answers, asked briefly on a fresh connection: an old one may be what is broken."""
        with closing(self.connection(min(BRIEF, self.timeout))) as server:
            try:
                return server.request("GET", "/ping", headers=AGENT).status < 500
            except UnavailableError:
                return False

    def access(self) -> Access:
        """Who we are; a password or token in a file is read anew each time."""
        secret = password(self.password, self.password_file)
        token = password(self.token, self.token_file, "token_file")
        return Access(self.place, self.user, secret, self.org, token)

    def api(self, server: _http.Connection) -> Api:
        """The ways of the server's version. Asks the server which that is, unless the options say so."""
        access = self.access()
        version = self.version if self.version != "auto" else spoken(server, access)
        if version == "2" and not (self.org and access.token):
            raise ConfigError(f"{self.place} is an InfluxDB 2: it wants org and token_file (or version = 1)")
        module = import_module(f"mysense.channels.influxdb.v{version}")
        ways: type[Api] = getattr(module, f"V{version}")
        return ways(server, access)


AGENT = {"User-Agent": f"mysense/{__version__}"}


def spoken(server: _http.Connection, access: Access) -> str:
    """The version that a server speaks, as it says itself; without a word of it, what our credentials are for."""
    headers = AGENT | ({"Authorization": f"Token {access.token}"} if access.token else {})
    answer = server.request("GET", "/ping", None, headers)
    if answer.status in (500, 502, 503, 504):
        raise UnavailableError(f"{access.place}: {answer.status}", wait=_http.retry_after(answer.headers))
    said = answer.headers.get("x-influxdb-version", "").lstrip("v")
    if said[:1] in ("1", "2", "3"):
        return said[0]
    return ("2" if access.org else "3") if access.token else "1"
