"""Real servers for tests: each on free ports of 127.0.0.1, in a folder of its own."""

import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode

CONF = """\
reporting-disabled = true
bind-address = "127.0.0.1:{rpc}"
[meta]
  dir = "{folder}/meta"
  logging-enabled = false
[data]
  dir = "{folder}/data"
  wal-dir = "{folder}/wal"
  query-log-enabled = false
[monitor]
  store-enabled = false
[http]
  bind-address = "127.0.0.1:{port}"
  auth-enabled = {auth}
  log-enabled = false
  max-body-size = {body}
  https-enabled = {https}
  https-certificate = "{certificate}"
  https-private-key = "{certificate}"
"""


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


class Influxd:
    """A real influxd 1.x (Debian's package influxdb), to be used as a context or by start and stop.

    *auth* turns authentication on and makes the administrator root with password acacadabra.
    *certificate* is a PEM file with certificate and key, for https; *ca* what signed it.
    """

    def __init__(
        self,
        folder: Path,
        *,
        auth: bool = False,
        certificate: Path | None = None,
        ca: Path | None = None,
        body: int = 25_000_000,
    ) -> None:
        self.folder, self.auth, self.ca = folder, auth, ca
        folder.mkdir(parents=True, exist_ok=True)
        self.port, rpc = free_ports(2)
        self._https = certificate is not None
        self._conf = folder / "influxdb.conf"
        flag = {True: "true", False: "false"}
        self._conf.write_text(
            CONF.format(
                rpc=rpc, port=self.port, folder=folder, auth=flag[auth], https=flag[self._https],
                certificate=certificate or "", body=body,
            )
        )  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        program = shutil.which("influxd")
        assert program, "influxd is not installed: apt-get install influxdb (make test does it)"
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder)}
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [program, "-config", str(self._conf)], stdout=log, stderr=log, env=environment
            )
        never, end = threading.Event(), time.monotonic() + 30
        while not self._answers():
            assert self._process.poll() is None, (self.folder / "log").read_text()[-2000:]
            assert time.monotonic() < end, "influxd does not answer"
            never.wait(0.02)
        if self.auth:
            self.query("CREATE USER root WITH PASSWORD 'acacadabra' WITH ALL PRIVILEGES")

    def _answers(self) -> bool:
        try:
            return self._get("/ping", {})[0] == 204
        except OSError:
            return False

    def stop(self) -> None:
        """Stop it, by its process id."""
        if self._process:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(10)
            self._process = None

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._process
        return self._process.pid

    @property
    def version(self) -> str:
        """Its version, as it says itself."""
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            client.request("GET", "/ping")
            return client.getresponse().headers["X-Influxdb-Version"]
        finally:
            client.close()

    @contextmanager
    def hung(self) -> Iterator[None]:
        """For a while it takes connections and answers nothing."""
        assert self._process
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _get(self, path: str, said: dict[str, str], method: str = "GET") -> tuple[int, str]:
        client: http.client.HTTPConnection
        if self._https:
            context = ssl.create_default_context(cafile=str(self.ca))
            client = http.client.HTTPSConnection("localhost", self.port, timeout=10, context=context)
        else:
            client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        headers = {"Authorization": "Basic " + b64encode(b"root:acacadabra").decode()} if self.auth else {}
        try:
            client.request(method, f"{path}?{urlencode(said)}", headers=headers)
            answer = client.getresponse()
            return answer.status, answer.read().decode()
        finally:
            client.close()

    def query(self, query: str, database: str = "") -> list[dict[str, Any]]:
        """The series of a query's answer, as the server gives them; errors are raised."""
        method = "GET" if query.upper().startswith(("SELECT", "SHOW")) else "POST"
        status, text = self._get("/query", {"q": query, "db": database, "epoch": "ns"}, method)
        answer = json.loads(text)
        results = answer.get("results", [{}])
        error = answer.get("error") or results[0].get("error")
        assert (status, error) == (200, None), query
        return results[0].get("series", [])

    def rows(self, query: str, database: str = "") -> list[dict[str, Any]]:
        """The rows of a query as dictionaries, times in nanoseconds."""
        return [
            dict(zip(series["columns"], row, strict=True))
            for series in self.query(query, database)
            for row in series.get("values", [])
        ]

    def databases(self) -> list[str]:
        """The databases there are."""
        return [row["name"] for row in self.rows("SHOW DATABASES") if row["name"] != "_internal"]
