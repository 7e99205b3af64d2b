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
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode

from tests.ports import free_ports

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


class Process:
    """A server that a test starts, to be used as a context or by start and stop. It lives in *folder*."""

    def __init__(self, folder: Path, command: list[str], package: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._command, self._package = command, package
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        name, *words = self._command
        program = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")  # where Debian has some servers
        assert program, f"{name} is not installed: apt-get install {self._package} (make test does it)"
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder)}
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen([program, *words], stdout=log, stderr=log, env=environment)
        never, end = threading.Event(), time.monotonic() + 30
        while not self.answers():
            assert self._process.poll() is None, (self.folder / "log").read_text()[-2000:]
            assert time.monotonic() < end, f"{name} does not answer"
            never.wait(0.02)

    def answers(self) -> bool:
        """Whether it can be used."""
        raise NotImplementedError

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

    def kill(self) -> None:
        """Kill it (-9), if it runs."""
        if self._process:
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
        threads = Path(f"/proc/{self._process.pid}/task")
        while any(b") T " not in (each / "stat").read_bytes() for each in threads.iterdir()):
            threading.Event().wait(0.001)  # its threads stop one after the other
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class Influxd(Process):
    """A real influxd 1.x (Debian's package influxdb).

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
        conf = folder / "influxdb.conf"
        super().__init__(folder, ["influxd", "-config", str(conf)], "influxdb")
        self.auth, self.ca = auth, ca
        self.port, rpc = free_ports(2)
        self._https = certificate is not None
        flag = {True: "true", False: "false"}
        conf.write_text(
            CONF.format(
                rpc=rpc, port=self.port, folder=folder, auth=flag[auth], https=flag[self._https],
                certificate=certificate or "", body=body,
            )
        )  # fmt: skip

    def start(self) -> None:
        """Start it and wait until it answers; the administrator is made then."""
        super().start()
        if self.auth:
            self.query("CREATE USER root WITH PASSWORD 'acacadabra' WITH ALL PRIVILEGES")

    def answers(self) -> bool:
        try:
            return self._get("/ping", {})[0] == 204
        except OSError:
            return False

    def _get(self, path: str, said: dict[str, str], method: str = "GET", body: str = "") -> tuple[int, str]:
        client: http.client.HTTPConnection
        if self._https:
            context = ssl.create_default_context(cafile=str(self.ca))
            client = http.client.HTTPSConnection("localhost", self.port, timeout=10, context=context)
        else:
            client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        headers = {"Authorization": "Basic " + b64encode(b"root:acacadabra").decode()} if self.auth else {}
        try:
            client.request(method, f"{path}?{urlencode(said)}", body.encode(), headers)
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

    def write(self, database: str, *lines: str) -> None:
        """Write lines as they are; errors are raised."""
        status, text = self._get("/write", {"db": database}, "POST", "\n".join(lines))
        assert status == 204, text

    def databases(self) -> list[str]:
        """The databases there are."""
        return [row["name"] for row in self.rows("SHOW DATABASES") if row["name"] != "_internal"]


class Mosquitto(Process):
    """A real mosquitto (Debian's package). It keeps sessions on disk when it is stopped, and is open to all;
    killed (-9), it has forgotten what it took since it was started.

    *passwords* are users and their passwords: then nobody else may connect. *acl* are the lines of
    its file of rights. *certificate* and *key* are PEM files, for TLS; with *ca*, clients must show
    a certificate that it signed, which names them. *queue* is how many messages it keeps for a
    session (0: all), 1,000 by itself. *more* are lines of its configuration.
    """

    def __init__(
        self,
        folder: Path,
        *,
        passwords: Mapping[str, str] | None = None,
        acl: str = "",
        certificate: Path | None = None,
        key: Path | None = None,
        ca: Path | None = None,
        queue: int = 0,
        more: str = "",
    ) -> None:
        conf = folder / "mosquitto.conf"
        super().__init__(folder, ["mosquitto", "-c", str(conf)], "mosquitto")
        [self.port] = free_ports(1)
        lines = [
            f"listener {self.port} 127.0.0.1", "persistence true", f"persistence_location {folder}/",
            "autosave_interval 0", f"max_queued_messages {queue}", "log_type error", "log_type warning",
            "log_type notice", f"allow_anonymous {'false' if passwords else 'true'}", more,
        ]  # fmt: skip
        if passwords:
            (folder / "passwords").write_text("".join(f"{name}:{word}\n" for name, word in passwords.items()))
            (folder / "passwords").chmod(0o600)
            subprocess.run(["mosquitto_passwd", "-U", str(folder / "passwords")], check=True)
            lines.append(f"password_file {folder}/passwords")
        if acl:
            (folder / "acl").write_text(acl)
            lines.append(f"acl_file {folder}/acl")
        if certificate:
            lines += [f"certfile {certificate}", f"keyfile {key or certificate}"]
        if ca:
            lines += [f"cafile {ca}", "require_certificate true", "use_identity_as_username true"]
        if os.geteuid() == 0:
            lines.append("user root")  # else it goes on as a user who may not write here
        conf.write_text("\n".join(lines) + "\n")
        conf.chmod(0o600)

    def answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=10):
                return True
        except OSError:
            return False


class VictoriaMetrics(Process):
    """A real victoria-metrics (Debian's package of that name): it takes what is written to InfluxDB 1 and 2."""

    def __init__(self, folder: Path) -> None:
        [self.port] = free_ports(1)
        options = [
            f"-httpListenAddr=127.0.0.1:{self.port}", f"-storageDataPath={folder}/data", "-retentionPeriod=100y",
            "-memory.allowedBytes=64MB",
        ]  # fmt: skip
        super().__init__(folder, ["victoria-metrics", *options], "victoria-metrics")

    def answers(self) -> bool:
        try:
            return self._get("/ping")[0] == 204
        except OSError:
            return False

    def samples(self, match: str = '{__name__!=""}') -> list[tuple[int, float, dict[str, str]]]:
        """What it holds: time in milliseconds, number, labels (the name is ``__name__``); oldest first."""
        self._get("/internal/force_flush")  # else what was written shows after a second
        status, text = self._get(f"/api/v1/export?{urlencode({'match[]': match})}")
        assert status == 200, text
        found = [json.loads(line) for line in text.splitlines()]
        samples = [
            (when, number, each["metric"])
            for each in found
            for when, number in zip(each["timestamps"], each["values"], strict=True)
        ]
        return sorted(samples, key=lambda sample: (sample[0], sorted(sample[2].items())))

    def _get(self, path: str) -> tuple[int, str]:
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            client.request("GET", path)
            answer = client.getresponse()
            return answer.status, answer.read().decode()
        finally:
            client.close()
