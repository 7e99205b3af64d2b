"""One keep-alive HTTP connection, its failures told in the daemon's terms."""

import http.client
import io
import ssl
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from mysense.errors import UnavailableError

if TYPE_CHECKING:
    import socket

LONGEST = 65536
"""Bytes of an answer that are read unless more are asked for; no answer to a write is longer."""


class Answer(NamedTuple):
    """What came back: header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    text: str


class Connection:
    """Requests one after the other over one connection, opened when first needed.

    ``send`` and ``receive`` are apart, so that the next request can be prepared while the
    server works on this one. Raises OSError when the server is not there; a connection
    that the server closed while it was idle is opened again, once. *prefix* stands before
    every path.
    """

    def __init__(
        self, host: str, port: int, *, tls: ssl.SSLContext | None = None, timeout: float = 10.0, prefix: str = ""
    ) -> None:
        self._host, self._port, self._tls, self._timeout, self._prefix = host, port, tls, timeout, prefix
        self._client: http.client.HTTPConnection | None = None
        self._used = False
        self._last: tuple[str, str, bytes | None, Mapping[str, str]] | None = None
        self._early: Answer | None = None

    def send(self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> None:
        """Send a request."""
        self._last, self._early = (method, self._prefix + path, body, headers or {}), None
        try:
            self._send()
        except (http.client.HTTPException, OSError) as error:
            self._broken(error)

    def receive(self, most: int = LONGEST, end: float | None = None) -> Answer:
        """The answer to the request sent last, *most* bytes of it.

        Whole before *end* (of the monotonic clock); else each piece of it has the time-out.
        """
        if self._early:
            return self._early
        try:
            return self._receive(most, end)
        except (http.client.HTTPException, OSError) as error:
            self._again(error)
        return self.receive(most, end)

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        most: int = LONGEST,
    ) -> Answer:
        """Send a request and wait for its answer, *most* bytes of it."""
        self.send(method, path, body, headers)
        return self.receive(most)

    @property
    def socket(self) -> "socket.socket | None":
        """What to wait for until the answer comes; None when it is here already."""
        return self._client.sock if self._client and not self._early else None

    def silence(self, seconds: float | None = None) -> UnavailableError:
        """The sentence for a server that does not answer, in the time-out or in so many seconds."""
        return UnavailableError(
            f"{self._place}: no answer within {self._timeout if seconds is None else seconds:.2g} s"
        )

    def close(self) -> None:
        """Close the connection; the next request opens another one."""
        client, self._client = self._client, None
        if client:
            client.close()

    @property
    def _place(self) -> str:
        return f"{'https' if self._tls else 'http'}://{self._host}:{self._port}"

    def _send(self) -> None:
        assert self._last
        if self._client is None:
            if self._tls:
                self._client = http.client.HTTPSConnection(
                    self._host, self._port, timeout=self._timeout, context=self._tls
                )
            else:
                self._client = http.client.HTTPConnection(self._host, self._port, timeout=self._timeout)
        method, path, body, headers = self._last
        self._client.request(method, path, body, dict(headers))

    def _receive(self, most: int = LONGEST, end: float | None = None) -> Answer:
        assert self._client
        self._client.response_class = partial(_whole, end) if end else http.client.HTTPResponse  # type: ignore[assignment]
        response = self._client.getresponse()
        body = response.read(most)
        if not response.isclosed():
            if len(body) < most:
                raise http.client.IncompleteRead(body, response.length)
            self.close()  # there is more, perhaps without end
        elif self._client.sock:
            self._client.sock.settimeout(self._timeout)
        self._used = True
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, headers, body.decode(errors="replace"))

    def _broken(self, error: Exception) -> None:
        """A server that wants no more of a body answers and hangs up: hear what it said."""
        if isinstance(error, ConnectionError) and self._client and self._client.sock:
            try:
                self._early = self._receive()
            except (http.client.HTTPException, OSError):
                pass  # it had not said anything: what counts is that sending failed
            else:
                self.close()
                return
        self._again(error)

    def _again(self, error: Exception) -> None:
        """Send once more if the server had only closed an idle connection; else say what went wrong."""
        idle = self._used and isinstance(error, ConnectionError)
        self.close()
        self._used = False
        if not idle:
            if isinstance(error, TimeoutError):
                raise self.silence() from error
            raise UnavailableError(f"{self._place}: {_why(error)}") from error
        try:
            self._send()
        except (http.client.HTTPException, OSError) as second:
            self._broken(second)


class _Until(io.RawIOBase):
    """What comes from a socket up to a moment, however small the pieces are."""

    def __init__(self, end: float, sock: "socket.socket") -> None:
        self._end, self._sock, self._raw = end, sock, sock.makefile("rb", buffering=0)

    def makefile(self, *_: Any) -> io.BufferedReader:
        """As http.client asks a socket for it."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._end - time.monotonic()
        try:
            if left > 0:
                self._sock.settimeout(left)
                return self._raw.readinto(buffer)
        except TimeoutError:
            pass
        raise OSError("no whole answer in time")

    def close(self) -> None:
        self._raw.close()
        super().close()


def _whole(end: float, sock: Any, **how: Any) -> http.client.HTTPResponse:
    """An answer as http.client makes it, to be whole before *end*."""
    return http.client.HTTPResponse(_Until(end, sock), **how)  # type: ignore[arg-type]


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the server asks to stay away: a number or a date (RFC 9110, 10.2.3)."""
    said = headers.get("retry-after", "").strip()
    if not said:
        return None
    if said.isdigit():
        return float(said)
    try:
        return max(0.0, (parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def _why(error: Exception) -> str:
    """A failure in words for whoever must mend it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not to be trusted ({error.verify_message}); ca_file names who signed it"
    if isinstance(error, ssl.SSLError) and error.reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"):
        return "it speaks no https there: ssl = no, or another port"
    if isinstance(error, http.client.IncompleteRead) and b"HTTPS" in error.partial:
        return "it speaks https there: ssl = yes"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
