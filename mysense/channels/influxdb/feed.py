"""Rows of one database, of one node where several share it: read on from where we were, as telegrams."""

import time
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from math import inf
from typing import Any, NamedTuple
from zlib import crc32

from mysense.channels._influx import points
from mysense.channels._influx.points import Known, Node
from mysense.channels.influxdb.api import Api, Question
from mysense.channels.influxdb.layout import Layout
from mysense.telegram import Ident, Telegram, Value

INFOS = 5000
"""Idents read by one query."""
OTHERS = 10_000
"""Nodes of strangers that are remembered."""
SETTLE = 1.0
"""Seconds that rows must have been there before they are taken: a server shows a row while it is
still being written, some of its fields already and others not yet."""


class Position(NamedTuple):
    """Up to where rows were read: the time (ns) of the last, and which rows of that very time.

    Several series may have a point at one time, and not all of them at once.
    """

    time: int
    seen: frozenset[int] = frozenset()

    def __str__(self) -> str:
        return " ".join([str(self.time), *(f"{mark:x}" for mark in sorted(self.seen))])

    @classmethod
    def parse(cls, text: str) -> "Position":
        """The position of a text that ``str`` made."""
        first, *marks = text.split()
        return cls(int(first), frozenset(int(mark, 16) for mark in marks))


class Feed:
    """One node's rows in one database."""

    def __init__(
        self, database: str, tags: Mapping[str, str], measurement: str, layout: Layout, position: Position
    ) -> None:
        self.database, self.tags, self.measurement, self.position = database, tags, measurement, position
        self.node, _ = whose(layout, database, measurement, tags)
        self._layout = layout
        self._begun = False
        self.checked = time.monotonic()
        self._settled = -1  # rows up to this time (ns) are whole
        self._seen: tuple[int, float] | None = None  # the newest row seen after that, and when
        self._infos: list[tuple[int, Known]] = []
        self._others: dict[Node, Known] = {}
        self._said: Ident | None = None

    def begin(self, api: Api) -> bool:
        """Learn the idents; whether there are any."""
        self._learn(api)
        self._begun = True
        return bool(self._infos)

    @property
    def newest_info(self) -> int:
        """The time (ns) of the newest ident, 0 where there is none."""
        return self._infos[-1][0] if self._infos else 0

    def refresh(self, api: Api) -> None:
        """Look for idents that came without data."""
        self.checked = time.monotonic()
        self._learn(api)

    @property
    def due(self) -> float:
        """When (on the monotonic clock) rows that were seen already may be taken; never where there are none."""
        return self._seen[1] + SETTLE if self._seen else inf

    def read(self, api: Api, limit: int) -> tuple[list[Telegram], bool]:
        """The next telegrams, and whether there may be more at once; moves the position on."""
        if not self._begun:
            self.begin(api)
        rows, columns, more = self._next(api, limit)
        whole = self._whole(api, rows, more)
        if not whole:
            return [], False
        where = columns.index("new") if "new" in columns else 0
        if where and any(row[where] == "1" and row[0] >= self.newest_info for row in whole):
            self._learn(api)
        telegrams = list(self._telegrams(columns, whole))
        last = whole[-1][0]
        marks = frozenset(_mark(columns, row) for row in whole if row[0] == last)
        self.position = Position(last, marks | self.position.seen if last == self.position.time else marks)
        return telegrams, more and len(whole) == len(rows)

    def _whole(self, api: Api, rows: Sequence[Sequence[Any]], more: bool) -> Sequence[Sequence[Any]]:
        """The rows that were there a moment ago already."""
        now = time.monotonic()
        if self._seen and now - self._seen[1] >= SETTLE:
            self._settled, self._seen = self._seen[0], None
        if not rows or rows[-1][0] <= self._settled:
            return rows
        if self._seen is None:
            newest = rows[-1][0]
            if more:  # a long way to go: look how far, and wait only once
                last = api.rows(self.question(1)._replace(newest=True)).rows
                newest = max(newest, last[0][0]) if last else newest
            self._seen = newest, time.monotonic()
        return [row for row in rows if row[0] <= self._settled]

    def question(self, limit: int) -> Question:
        """What ``read`` will ask first."""
        return Question(self.database, self.measurement, self.position.time, limit, self.tags)

    def _next(self, api: Api, limit: int) -> tuple[Sequence[Sequence[Any]], Sequence[str], bool]:
        """Rows that were not seen yet: whole times only, since a limit may cut one in two."""
        since, seen = self.position
        while True:
            columns, rows = api.rows(self.question(limit))
            full = len(rows) >= limit
            if full:
                last = rows[-1][0]
                rows = [row for row in rows if row[0] < last]
            if seen:
                rows = [row for row in rows if row[0] > since or _mark(columns, row) not in seen]
            if rows or not full:
                return rows, columns, full
            limit *= 2  # more points at one time than fit

    def _telegrams(self, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Iterator[Telegram]:
        names, measurement = columns[1:], self.measurement
        ours = measurement == points.DATA
        until, known = -inf, Known(self.node.ident)
        for row in rows:
            stamp = row[0]
            point = {
                name: float(value) if value.__class__ is int else value
                for name, value in zip(names, row[1:], strict=True)
                if value is not None
            }
            if not ours:
                known = self._other(point)
            elif stamp >= until:
                known, until = self._at(stamp)
            if known.ident is not self._said and ours:
                self._said = known.ident
                yield known.ident
            if data := points.data(known, stamp, measurement, point, tell=not self._layout.given):
                yield data

    def _at(self, stamp: int) -> tuple[Known, float]:
        """The ident at a time, and the time of the next one."""
        if not self._infos:
            return Known(self.node.ident), inf
        after = bisect_right(self._infos, stamp, key=lambda info: info[0])
        until = self._infos[after][0] if after < len(self._infos) else inf
        return self._infos[max(0, after - 1)][1], until

    def _other(self, point: dict[str, Value]) -> Known:
        """Whose a row is that mysense did not write, or not in its own way; the tags that say so are no values."""
        tags = {tag: str(point[tag]) for tag in (*self._layout.naming, *points.NODE_TAGS) if tag in point}
        node, used = whose(self._layout, self.database, self.measurement, tags)
        for tag in used:
            del point[tag]
        if label := next(
            (tags[tag] for tag, item in self._layout.naming.items() if item == "label" and tag in tags), ""
        ):
            point["label"] = label
        if len(self._others) >= OTHERS:  # names of strangers must not fill the memory
            self._others.clear()
        return self._others.setdefault(node, Known(node.ident))

    def _learn(self, api: Api) -> None:
        """Read the idents since the newest that is known."""
        since = self.newest_info
        while True:
            columns, rows = api.rows(Question(self.database, points.INFO, since, INFOS, self.tags))
            for row in rows:
                self._add(columns, row)
            if len(rows) < INFOS or rows[-1][0] == since:
                return
            since = rows[-1][0]

    def _add(self, columns: Sequence[str], row: Sequence[Any]) -> None:
        info = {name: value for name, value in zip(columns[1:], row[1:], strict=True) if value is not None}
        known = points.told(info, self.node, row[0])
        if known is None:
            return
        if self._infos and self._infos[-1][1].ident.digest == known.ident.digest:
            return
        if self._infos and self._infos[-1][0] == row[0]:  # it was not whole when we read it
            self._infos.pop()
        self._infos.append((row[0], known))


def whose(layout: Layout, database: str, measurement: str, tags: Mapping[str, str]) -> tuple[Node, list[str]]:
    """The node that some tags name, and those of them that say nothing else."""
    naming = {tag: layout.naming[tag] for tag in layout.naming.keys() & tags.keys()}
    items = {item: tags[tag] for tag, item in naming.items() if item != "label"}
    if "node" in items:
        items["project"], _, items["serial"] = items["node"].partition("_")
    used = [tag for tag in tags if tag in naming]
    others = {tag: text for tag, text in tags.items() if tag not in naming}
    if not items and (tag := points.naming(database, measurement, others)):
        items, used = {tag: tags[tag]}, [*used, tag]
    return points.node(database, measurement, items), used


def _mark(columns: Sequence[str], row: Sequence[Any]) -> int:
    """What a row says, in four bytes; which columns others have does not matter."""
    said = sorted((name, value) for name, value in zip(columns, row, strict=True) if value is not None)
    return crc32(repr(said).encode())
