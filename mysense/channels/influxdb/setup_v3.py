"""InfluxDB 3 is set up with databases: the open one (Core) knows neither users nor tokens for one database."""

import shlex
from collections.abc import Iterator, Sequence
from math import ceil

from mysense.channels.influxdb.api import Api
from mysense.channels.influxdb.server import Server
from mysense.channels.influxdb.setup import SecretsFolder, Setup, Step, Wanted, there


class Ways(Setup):
    """What an InfluxDB 3 is to have."""

    def __init__(self, server: Server, api: Api, secrets: SecretsFolder) -> None:
        super().__init__(server, api, secrets)
        self._databases: list[str] = []

    def look(self, wanted: Sequence[Wanted]) -> None:
        self._databases = self.api.databases()
        self.notices.append(
            "InfluxDB 3 Core has only tokens of an administrator: a kit that holds one may do everything there."
            " Let kits write to a relay, or give them tokens by hand where the server is Enterprise"
        )
        if any(each.means for each in wanted):
            self.notices.append("InfluxDB 3 makes no hourly and daily means by itself: none were set up")

    def steps(self, wanted: Wanted) -> Iterator[Step]:
        name, kept = wanted.database, wanted.retention
        if name in self._databases:
            yield there(f"database {name}, its retention as it is")
            return
        period = f" --retention-period {ceil(kept.seconds / 3600)}h" if kept.seconds else ""
        typed = f"influxdb3 create database{period} {shlex.quote(name)}"
        yield Step(f"database {name}, kept {kept}", typed, lambda: self.api.create(name, kept.seconds))
