"""Rows of one database, of one node where several share it: read on from where we were, as telegrams."""

import time
from collections.abc import Iterator, Mapping, Sequence
from math import inf
from typing import Any, NamedTuple
from zlib import crc32

from mysense.channels._influx import points
from mysense.channels._influx.points import Known, Node
from mysense.channels.influxdb.api import Api, Question
from mysense.channels.influxdb.history import MOST, History
from mysense.channels.influxdb.layout import Layout
from mysense.telegram import Ident, Telegram, Value

LEAST = 100
"""Rows that every server can give in the time it has."""
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
    """One node's rows in one database; *most* rows a query, fewer after it was too much for the server."""

    def __init__(
        self,
        database: str,
        tags: Mapping[str, str],
        measurement: str,
        layout: Layout,
        most: int,
        position: Position | None = None,
    ) -> None:
        self.database, self.tags, self.measurement, self.position = database, tags, measurement, position
        self.node, _ = whose(layout, database, measurement, {tag: text for tag, text in tags.items() if text})
        self.history = History(database, self.node, tags)
        self._layout, self._most, self.limit = layout, most, most
        self.checked = time.monotonic()
        self.late = False
        """Whether it was found when others had been read already."""
        self._settled = -1  # rows up to this time (ns) are whole
        self._seen: tuple[int, float] | None = None  # the newest row seen after that, and when
        self._others: dict[Node, Known] = {}
        self._said: Ident | None = None

    def among(self, tags: Mapping[str, str]) -> None:
        """Take in that there are others now, with tags that this node does not have."""
        if tags != self.tags:
            self.tags, self.history = tags, History(self.database, self.node, tags)

    def refresh(self, api: Api) -> None:
        """Look for idents that came without data."""
        self.checked = time.monotonic()
        self.history.learn(api)

    @property
    def due(self) -> float:
        """When (on the monotonic clock) rows that were seen already may be taken; never where there are none."""
        return self._seen[1] + SETTLE if self._seen else inf

    def failed(self) -> None:
        """It could not be read: begin anew, and ask for less."""
        self._seen = None
        self.limit = max(min(LEAST, self._most), self.limit // 2)

    def read(self, api: Api) -> tuple[list[Telegram], bool]:
        """The next telegrams, and whether there may be more at once; moves the position on."""
        assert self.position
        sent = api.asked(question := self.question())
        columns, rows = api.rows(question)
        limit = question.limit
        while not (fresh := self._fresh(columns, rows, limit)) and limit <= len(rows) < MOST:
            limit *= 2  # more points at one time than fit
            sent = time.monotonic()
            columns, rows = api.rows(question._replace(limit=limit))
        self.limit = min(self._most, self.limit + max(1, self.limit // 10))
        full = len(rows) >= limit
        whole = self._whole(api, fresh, sent, full)
        if not whole:
            if full and limit >= MOST:  # so many at one time that nobody can mean them
                self.position = Position(self.position.time + 1)
            return [], False
        where = columns.index("new") if "new" in columns else 0
        if where and any(row[where] == "1" and row[0] >= self.history.newest for row in whole):
            self.history.learn(api)
        telegrams = list(self._telegrams(columns, whole))
        last = whole[-1][0]
        self.position = Position(last, frozenset(_mark(columns, row) for row in rows if row[0] == last))
        return telegrams, full and len(whole) == len(fresh)

    def _fresh(self, columns: Sequence[str], rows: Sequence[Sequence[Any]], limit: int) -> Sequence[Sequence[Any]]:
        """Rows that were not taken yet: whole times only, since a limit may cut one in two."""
        assert self.position
        since, seen = self.position
        if len(rows) >= limit:
            last = rows[-1][0]
            rows = [row for row in rows if row[0] < last]
        if seen:
            rows = [row for row in rows if row[0] > since or _mark(columns, row) not in seen]
        return rows

    def _whole(self, api: Api, rows: Sequence[Sequence[Any]], sent: float, full: bool) -> Sequence[Sequence[Any]]:
        """The rows that were there already a moment before the question was *sent*."""
        if self._seen and sent - self._seen[1] >= SETTLE:
            self._settled, self._seen = self._seen[0], None
        if not rows or rows[-1][0] <= self._settled:
            return rows
        if self._seen is None:
            newest = rows[-1][0]
            if full:  # a long way to go: look how far, and wait only once
                last = api.rows(self.question()._replace(newest=True, limit=1)).rows
                newest = max(newest, last[0][0]) if last else newest
            self._seen = newest, time.monotonic()
        return [row for row in rows if row[0] <= self._settled]

    def question(self) -> Question:
        """What ``read`` will ask."""
        since = self.position.time if self.position else 0
        return Question(self.database, self.measurement, since, self.limit, self.tags)

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
                known, until = self.history.at(stamp)
            if known.ident is not self._said and ours:
                self._said = known.ident
                yield known.ident
            if data := points.data(known, stamp, measurement, point, tell=not self._layout.given):
                yield data

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
