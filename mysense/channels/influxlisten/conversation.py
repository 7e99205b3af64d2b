"""One client's connection: its requests one after the other, each answered when it is clear what became of it."""

import io
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from http.client import HTTPException
from http.server import BaseHTTPRequestHandler
from math import inf
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from mysense.channels.influxlisten import body
from mysense.channels.influxlisten.answers import AGAIN, V1, V2, V3, VERSION, Answers, Refusal, encode
from mysense.channels.influxlisten.intake import Answer, Intake

IDLE = 300.0
"""Seconds that a connection may rest between two requests."""
SLOWEST = 1000
"""Bytes a second that must come at least, once the first seconds are over."""
FORM = 65536
"""Bytes of a form that are read."""
HEAD = 100_000
"""Bytes of the first line and the headers of a request after which no more of them are read. ``http.server`` has
limits of its own: for the first line (65,536), which must not be above this one, and for each header."""
_WRITES: dict[str, Answers] = {"/write": V1(), "/api/v2/write": V2(), "/api/v3/write_lp": V3()}
_METHODS = {"/ping": ("GET", "HEAD"), "/health": ("GET", "HEAD"), "/query": ("GET", "POST")} | dict.fromkeys(
    _WRITES, ("POST",)
)


class Patient(io.RawIOBase):
    """What a client sends, as long as it keeps sending: TimeoutError when it is too slow.

    HTTPException, which ``http.server`` answers, when the headers do not come to an end.
    """

    def __init__(self, sock: socket.socket, timeout: float) -> None:
        self._sock, self._timeout = sock, timeout
        self._first, self._end, self._last = timeout, 0.0, inf
        self._head: float = HEAD

    def readable(self) -> bool:
        return True

    def rest(self, seconds: float) -> None:
        """The next request may take so long to begin."""
        self._first, self._end, self._head = seconds, 0.0, HEAD

    def head_is_over(self) -> None:
        """What comes now is the body, which has limits of its own."""
        self._head = inf

    def hurry(self, seconds: float) -> None:
        """What is still to come is awaited so long and no longer."""
        self._end = self._last = time.monotonic() + seconds
        self._head = inf

    def readinto(self, buffer: Any) -> int:
        if self._head <= 0:
            raise HTTPException(f"more than {HEAD} bytes of headers")
        wait = self._end - time.monotonic() if self._end else self._first
        if wait <= 0:
            raise TimeoutError("the client is too slow")
        self._sock.settimeout(wait)
        count = self._sock.recv_into(buffer)
        self._head -= count
        now = time.monotonic()
        latest = now + self._timeout  # however much has come: who stops is gone after the timeout
        self._end = min((self._end or latest) + count / SLOWEST, latest, self._last)
        return count


class Conversation(BaseHTTPRequestHandler):
    """Reads requests and writes answers. One that is *crowded* sends its client away."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or an answer waits for the client's acknowledgement of its first half
    wbufsize = 65536

    def __init__(self, sock: socket.socket, client: str, intake: Intake, crowded: bool) -> None:
        self._client, self._intake, self._crowded = client, intake, crowded
        self._unread = self._promised = False
        super().__init__(sock, (client, 0), None)  # type: ignore[arg-type]

    def setup(self) -> None:
        super().setup()
        self._patient = Patient(self.connection, self._intake.timeout)
        self.rfile = self._stream = io.BufferedReader(self._patient, 65536)

    def handle(self) -> None:
        self.close_connection = False
        while not self.close_connection:
            self._unread = self._promised = False
            self.handle_one_request()
            self._patient.rest(IDLE)

    def finish(self) -> None:
        self.connection.settimeout(self._intake.timeout)
        self.wfile.flush()
        if self._unread:  # or closing would throw away the answer with what is still to come
            with suppress(OSError):
                socket.socket.shutdown(self.connection, socket.SHUT_WR)
                self._patient.hurry(2.0)
                while self._stream.read1(65536):
                    pass
        super().finish()

    def do_GET(self) -> None:
        self._answer_request()

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_GET  # noqa: N815

    def handle_expect_100(self) -> bool:
        self._promised = True  # "continue" is said when it is clear that the body is wanted
        return True

    def _answer_request(self) -> None:
        answers: Answers = V1()
        self._patient.head_is_over()
        try:
            self._unread = body.expected(self.headers)
            if self.headers.defects:
                self.close_connection = True  # nobody knows where the next request begins
                raise Refusal(400, "the headers cannot be read")
            if self._crowded:
                self.close_connection = True
                raise Refusal(503, "too many connections: come again", AGAIN)
            self._intake.welcome(self._client)
            parts = urlsplit(self.path.encode("latin-1").decode("utf-8", "replace"))
            answers = _WRITES.get(parts.path, answers)
            methods = _METHODS.get(parts.path)
            if not methods:
                raise Refusal(404, "404 page not found")
            if self.command not in methods:
                raise Refusal(405, "Method Not Allowed", {"Allow": ", ".join(methods)})
            self._say(*self._done(parts.path, answers, dict(parse_qsl(parts.query, keep_blank_values=True))))
        except Refusal as refusal:
            self._say(refusal.status, answers.no(refusal.status, str(refusal)), refusal.headers)

    def _done(self, path: str, answers: Answers, asked: dict[str, str]) -> Answer:
        intake = self._intake
        if path == "/ping":
            return intake.ping(asked)
        if path == "/health":
            return intake.health()
        authorization = self.headers.get("authorization", "")
        if path == "/query":
            if "form" in self.headers.get("content-type", ""):
                form = self._body(FORM, lambda _: None).decode("utf-8", "replace")
                asked |= dict(parse_qsl(form, keep_blank_values=True))
            intake.admit(self._client, authorization, asked)
            return intake.query(asked)
        intake.admit(self._client, authorization, asked)
        taken = 0

        def take(count: int) -> None:
            nonlocal taken
            intake.room.take(count)
            taken += count

        try:
            return intake.write(answers, asked, self._body(intake.max_body, take))
        finally:
            intake.room.give(taken)

    def _body(self, most: int, take: Callable[[int], None]) -> bytes:
        body.announced(self.headers, most)
        if self._promised and self._unread:
            self.send_response_only(HTTPStatus.CONTINUE)
            self.end_headers()
            self.wfile.flush()
        try:
            read = body.read(self._stream, self.headers, most, take)
        except TimeoutError:
            raise Refusal(408, "the body did not come in time") from None
        self._unread = False
        return read

    def _say(self, status: HTTPStatus, said: Any = None, headers: Any = None) -> None:
        text = b"" if said is None else encode(said)
        self.close_connection = self.close_connection or self._unread
        self.send_response(status)
        self.send_header("X-Influxdb-Build", "mysense")
        self.send_header("X-Influxdb-Version", VERSION)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if text:
            self.send_header("Content-Type", "application/json")
        if status != HTTPStatus.NO_CONTENT:
            self.send_header("Content-Length", str(len(text)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)
        self.connection.settimeout(self._intake.timeout)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What http.server itself has to refuse."""
        self.close_connection = self._unread = True
        self._say(HTTPStatus(code), {"error": message or HTTPStatus(code).phrase})

    def version_string(self) -> str:
        return "mysense"

    def log_message(self, *_: Any) -> None:
        """Requests are not logged: they are many, and may hold passwords."""
