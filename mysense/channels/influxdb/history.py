"""Which ident a node had at which time, as the points of ``info`` tell it."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from math import inf
from typing import Any

from mysense.channels._influx import points
from mysense.channels._influx.points import Known, Node
from mysense.channels.influxdb.api import Api, Question

INFOS = 5000
"""Points read by one query."""
MOST = 100_000
"""Points of one time that are looked at."""


class History:
    """The idents of one node, by the time from which they hold.

    *tags* are those of its points. An empty one is a tag that it does not have, though
    other nodes of the database do: then an ident must say that it is this node's.
    """

    def __init__(self, database: str, node: Node, tags: Mapping[str, str]) -> None:
        self._database, self._node = database, node
        self._tags = {tag: text for tag, text in tags.items() if text}
        self._mixed = len(self._tags) < len(tags)
        self._infos: list[tuple[int, Known]] = []
        self.begun = False

    @property
    def newest(self) -> int:
        """The time (ns) of the newest ident, 0 where there is none."""
        return self._infos[-1][0] if self._infos else 0

    def learn(self, api: Api) -> bool:
        """Read the idents since the newest that is known; whether any is known then."""
        since, limit = self.newest, INFOS
        while True:
            columns, rows = api.rows(Question(self._database, points.INFO, since, limit, self._tags))
            for row in rows:
                self._add(columns, row)
            if len(rows) < limit or limit >= MOST:
                break
            if rows[-1][0] == since:  # more points at one time than fit
                limit = min(2 * limit, MOST)
            since = rows[-1][0]
        self.begun = True
        return bool(self._infos)

    def at(self, stamp: int) -> tuple[Known, float]:
        """The ident at a time (ns), and the time of the next one."""
        if not self._infos:
            return Known(self._node.ident), inf
        after = bisect_right(self._infos, stamp, key=lambda info: info[0])
        until = self._infos[after][0] if after < len(self._infos) else inf
        return self._infos[max(0, after - 1)][1], until

    def _add(self, columns: Sequence[str], row: Sequence[Any]) -> None:
        info = {name: value for name, value in zip(columns[1:], row[1:], strict=True) if value is not None}
        if self._mixed and (info.get("project"), info.get("serial")) != self._node[:2]:
            return
        known = points.told(info, self._node, row[0])
        if known is None:
            return
        if self._infos and self._infos[-1][1].ident.digest == known.ident.digest:
            return
        if self._infos and self._infos[-1][0] == row[0]:  # it was not whole when we read it
            self._infos.pop()
        self._infos.append((row[0], known))
