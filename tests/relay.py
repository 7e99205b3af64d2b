"""A mysense that relays: from a broker to CSV files, and to whatever a test adds."""

from collections import Counter
from pathlib import Path
from typing import Any, Protocol, Self

from tests.fleet import Mark, written
from tests.kit import Kit, until
from tests.servers import Influxd

CONF = """\
[subscriber:mqtt]
hostname = 127.0.0.1
port = {broker.port}
{subscriber}
[publisher:csv]
directory = {folder}/csv
{more}
"""
JOURNAL = "commit_interval = 0.2"
"""So a kill nearly always finds something that came in and is not on disk yet."""
INFLUXDB = """\
[publisher:influxdb]
hostname = 127.0.0.1
port = {server.port}
"""


class Broker(Protocol):
    """A broker, or what stands before it."""

    port: int


class Relay(Kit):
    """Runs while it is used as a context. It is made anew with *folder*.

    *subscriber* are more lines of its subscriber, *more* further sections; with *server* each node
    has a database there.
    """

    def __init__(
        self, folder: Path, broker: Broker, server: Influxd | None = None, *, subscriber: str = "", more: str = ""
    ) -> None:
        folder.mkdir()
        if server:
            more += INFLUXDB.format(server=server)
        super().__init__(folder, CONF.format(broker=broker, folder=folder, subscriber=subscriber, more=more), JOURNAL)
        self.folder = folder

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def files(self) -> Counter[Mark]:
        """What is in its CSV files."""
        return written(self.folder / "csv")

    def said(self, text: str) -> int:
        """How often its log says so."""
        return self.log.read_text().count(text)

    def taking(self) -> dict[str, Any]:
        """How its subscriber is."""
        return self.worker("subscriber:mqtt")

    def listens(self) -> None:
        """Wait until it has subscribed."""
        until(lambda: self.taking()["state"] == "running")
