"""The relays: each a process of its own that carries telegrams from a broker into an influxd.

All subscribe at QoS 1 with a lasting session, as the client ``bench``.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from benchmarks._relay import nodered
from benchmarks._relay.loader import TOPIC
from mysense.journal.sqlite import SqliteJournal
from mysense.telegram import Data
from tests.kit import until
from tests.ports import free_ports
from tests.servers import Influxd, Mosquitto

CLIENT = "bench"
CONF = """\
[journal]
path = {folder}/journal.db
[subscriber:mqtt]
hostname = 127.0.0.1
port = {broker}
topic = {topic}
client_id = {client}
reader = {reader}
[publisher:influxdb]
hostname = 127.0.0.1
port = {server}
"""


class Relay:
    """A relay between a broker and a server, in a folder of its own; into one database, or into those of the nodes.

    With *files*, one that can also writes files: they show a double, as a database does not.
    """

    name = ""

    def __init__(
        self, folder: Path, broker: Mosquitto, server: Influxd, databases: Sequence[str], *, files: bool = False
    ) -> None:
        folder.mkdir(parents=True)
        self.files = files
        self.folder, self.broker, self.server, self.databases = folder, broker, server, databases
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        """What starts it."""
        raise NotImplementedError

    def start(self) -> None:
        """Start it and wait until it has subscribed."""
        log = self.broker.folder / "log"
        before = log.stat().st_size
        with (self.folder / "log").open("ab") as out:
            self._process = subprocess.Popen(self.command(), stdout=out, stderr=out, cwd=self.folder)
        until(lambda: self.check() or self._subscribed(log, before), 60)

    @staticmethod
    def _subscribed(log: Path, since: int) -> bool:
        with log.open("rb") as told:
            told.seek(since)
            return f" {CLIENT} 1 {TOPIC}/".encode() in told.read()

    def check(self) -> None:
        """Fail, with what it said last, when it has ended by itself."""
        assert self._process
        assert self._process.poll() is None, (self.folder / "log").read_text()[-2000:]

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._process
        return self._process.pid

    def hold(self) -> None:
        """Let it do nothing until ``go``."""
        os.kill(self.pid, signal.SIGSTOP)

    def go(self) -> None:
        """Let it go on."""
        os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        """Kill it (-9)."""
        if self._process:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def doubled(self) -> int | None:
        """Telegrams that it has delivered twice, where that can be seen beside the server."""
        return None


class Mysense(Relay):
    """mysense: mqtt → journal → influxdb."""

    reader = "fast"
    name = "mysense"

    def command(self) -> list[str]:
        conf = CONF.format(
            folder=self.folder, broker=self.broker.port, server=self.server.port, topic=TOPIC, client=CLIENT,
            reader=self.reader,
        )  # fmt: skip
        if len(self.databases) == 1:
            conf += f"database = {self.databases[0]}\n"
        if self.files:
            conf += f"[publisher:csv]\ndirectory = {self.folder}/csv\n"
        (self.folder / "MySense.conf").write_text(conf)
        return [sys.executable, "-m", "mysense", "run", "-c", str(self.folder / "MySense.conf")]

    def doubled(self) -> int:
        with closing(SqliteJournal(self.folder / "journal.db")) as journal:
            kept = [
                (entry.telegram.ident.node, entry.telegram.time)
                for entry in journal.read(0, 10**9)
                if isinstance(entry.telegram, Data)
            ]
        lines = [
            (file.name, line) for file in (self.folder / "csv").glob("*.csv") for line in file.read_text().splitlines()
        ]
        return len(kept) - len(set(kept)) + len(lines) - len(set(lines))


class MysensePaho(Mysense):
    """mysense by paho's own loop."""

    reader = "paho"
    name = "mysense, paho"


class Script(Relay):
    """A plain script of paho and the package influxdb."""

    name = "script"

    def command(self) -> list[str]:
        words = [str(self.broker.port), str(self.server.port), *(self.databases if len(self.databases) == 1 else ())]
        return [sys.executable, str(Path(__file__).with_name("script.py")), *words]


class NodeRed(Relay):
    """Node-RED with a batched flow."""

    name = "Node-RED"

    def command(self) -> list[str]:
        return nodered.command(self.folder, *free_ports(1), self.broker.port, self.server.port, self.databases)


RELAYS: dict[str, type[Relay]] = {
    "mysense": Mysense, "mysense-paho": MysensePaho, "node-red": NodeRed, "script": Script,
}  # fmt: skip
