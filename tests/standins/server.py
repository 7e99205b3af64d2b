"""What the stand-ins share: a small HTTP server, and the answers that a test orders beforehand."""

import gzip
import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit


class Asked(NamedTuple):
    """A request."""

    method: str
    path: str
    said: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self):
        """The body as JSON, or None."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


class Answered(NamedTuple):
    """An answer; a body that is no text is sent as JSON."""

    status: int
    body: object = ""
    headers: Mapping[str, str] = {}


class Server:
    """To be used as a context. ``ordered`` are answers to give first; ``requests`` is what was asked."""

    def __init__(self):
        self.requests: list[Asked] = []
        self.ordered: list[Answered] = []
        self.lock = threading.Lock()
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # an answer leaves in one piece

            def _serve(self):
                parts = urlsplit(self.path)
                length = int(self.headers.get("Content-Length", 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                said = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
                asked = Asked(self.command, parts.path, dict(said), headers, self.rfile.read(length))
                with stand_in.lock:
                    stand_in.requests.append(asked)
                    ordered = asked.path != "/ping" and stand_in.ordered and stand_in.ordered.pop(0)
                    answer = ordered or stand_in.answer(asked)
                body = answer.body if isinstance(answer.body, str) else json.dumps(answer.body)
                self.send_response(answer.status)
                for name, value in {**stand_in.own_headers(asked, answer), **answer.headers}.items():
                    self.send_header(name, value)
                if answer.status != 204:
                    self.send_header("Content-Length", str(len(body.encode())))
                self.end_headers()
                if answer.status != 204:
                    self.wfile.write(body.encode())

            do_GET = do_POST = do_PATCH = do_DELETE = _serve

            def log_message(self, *_):
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.port = self._http.server_port

    def __enter__(self):
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self._http.shutdown()
        self._http.server_close()

    def answer(self, asked: Asked) -> Answered:
        """The answer to a request."""
        raise NotImplementedError

    def own_headers(self, asked: Asked, answer: Answered) -> dict[str, str]:
        """The headers that every answer of this server has."""
        return {}

    def asked(self, path: str) -> list[Asked]:
        """The requests for a path."""
        return [asked for asked in self.requests if asked.path == path]


def unpacked(asked: Asked) -> str | None:
    """The text of a body, None if it cannot be read."""
    kind = asked.headers.get("content-encoding", "identity")
    try:
        return {"identity": bytes, "gzip": gzip.decompress}[kind](asked.body).decode()
    except (KeyError, OSError, UnicodeDecodeError):
        return None
