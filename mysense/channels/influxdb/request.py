"""Telegrams as the requests of one database: how many points, which idents, which precision."""

import gzip
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from mysense.channels.influxdb import line, quirks
from mysense.channels.influxdb.announced import Announced
from mysense.channels.influxdb.layout import Layout
from mysense.state import State
from mysense.telegram import Data, Ident, Note, Telegram

POINTS = 5000
"""Points of one request: more gain nothing."""
LEAST = 100
"""Points that every server can take in the time it is given."""
GROWTH = 10
"""Where fewer must do, one in so many is added when a whole batch of them was taken."""
FIRST = 1000
"""Points of the first: the server is to have something to do while more is encoded."""

BYTES = 1_000_000
"""Bytes of one request before it is compressed: many a proxy takes no more."""


class Request(NamedTuple):
    """Some telegrams of one database as one write, and the idents that it tells.

    *edition* counts how often a request of the database failed before this one was made.
    """

    database: str
    telegrams: Sequence[Telegram]
    path: str
    body: bytes
    told: Mapping[str, str]
    edition: int = 0


class Requests:
    """Makes requests. Raises RejectedError where a telegram holds what cannot be written.

    *writing* gives the path of a write for a database and a precision (empty in legacy lines).
    """

    def __init__(
        self,
        state: State,
        writing: Callable[[str, str], str],
        *,
        layout: Layout | None = None,
        precision: str = "auto",
        legacy: bool = False,
        compress: bool = False,
    ) -> None:
        self._writing = writing
        self._own = layout is not None and layout.own
        self._encoder = line.Encoder(layout)
        self._announced = Announced(state)
        self._precision, self._legacy, self._compress = precision, legacy, compress
        self._left_out: dict[str, set[str]] = {}
        self._editions: dict[str, int] = {}
        self._most: dict[str, int] = {}  # of databases that took less than POINTS
        self._took: set[str] = set()  # those that since then took as many as that

    def of(self, database: str, telegrams: Sequence[Telegram]) -> Iterator[Request]:
        """The requests for telegrams of one database, in their order; each is made when it is asked for."""
        if database in self._took:  # once a batch: else one that is large would never be free of tries that fail
            self._took.discard(database)
            most = self._most[database]
            self._most[database] = min(POINTS, most + max(1, most // GROWTH))
        begin, size = 0, FIRST
        while begin < len(telegrams):
            # In legacy lines points have no time of their own: those of one request would be one.
            size = 1 if self._legacy else min(size, self._at_most(database))
            yield from self._sized(database, telegrams[begin : begin + size])
            begin, size = begin + size, 2 * size

    def _sized(self, database: str, telegrams: Sequence[Telegram]) -> Iterator[Request]:
        try:
            text, precision = self._written(database, telegrams)
        except Exception:
            self._announced.undo()
            raise
        body = text.encode()
        if len(body) > BYTES and len(telegrams) > 1:
            self._announced.undo()
            for half in halves(telegrams):
                yield from self._sized(database, half)
        elif body:
            packed = gzip.compress(body, 1) if self._compress else body
            path, edition = self._writing(database, precision), self._editions.get(database, 0)
            yield Request(database, telegrams, path, packed, self._announced.take(), edition)

    def again(self, request: Request) -> Iterator[Request]:
        """The request made anew, as its telegrams are written now."""
        self.failed(request)
        return self._sized(request.database, request.telegrams)

    def delivered(self, request: Request) -> None:
        """The server has it: its idents are known there."""
        self._announced.delivered(request.told)
        most = self._at_most(request.database)
        if most < POINTS and len(request.telegrams) >= most:  # fewer do not show that more would do
            self._took.add(request.database)

    def unheard(self, request: Request) -> None:
        """No answer came in time: it may be too much for the server, so the next ones are smaller."""
        self.failed(request)
        if len(request.telegrams) > LEAST:
            self._halve(request, LEAST)

    def too_large(self, request: Request) -> Iterator[Request]:
        """The request made anew as smaller ones, as the next ones will be."""
        self.failed(request)
        self._halve(request)
        for half in halves(request.telegrams):
            yield from self._sized(request.database, half)

    def _at_most(self, database: str) -> int:
        return self._most.get(database, POINTS)

    def _halve(self, request: Request, least: int = 1) -> None:
        half = max(least, len(request.telegrams) // 2)
        self._most[request.database] = min(self._at_most(request.database), half)
        self._took.discard(request.database)

    def failed(self, request: Request) -> None:
        """The server does not have it, or perhaps not: its idents are told again."""
        self._announced.failed(request.told)
        self._editions[request.database] = self._editions.get(request.database, 0) + 1

    def outdated(self, request: Request) -> bool:
        """Whether it was made on top of one that failed since: what that one told, this one left out."""
        return request.edition != self._editions.get(request.database, 0)

    def new_database(self, database: str) -> None:
        """A database was made: it knows no ident."""
        self._announced.forget(database)

    def leave_out(self, database: str, item: str) -> bool:
        """Write *item* of idents no longer as a field of its own; whether it was until now."""
        items = self._left_out.setdefault(database, set())
        known = item in items
        items.add(item)
        return not known

    def _written(self, database: str, telegrams: Sequence[Telegram]) -> tuple[str, str]:
        """The lines, and the precision of their times."""
        if self._legacy:
            if any(isinstance(telegram, Data) and telegram.raw for telegram in telegrams):  # it stands alone
                return "\n".join(filter(None, map(quirks.raw_line, telegrams))), "ms"  # type: ignore[arg-type]
            return "\n".join(self._old_lines(database, telegrams)), ""
        points = self._points(database, telegrams)
        precision = line.precision(points) if self._precision == "auto" else self._precision
        return "\n".join(line.timed(points, line.STEPS[precision])), precision

    def _points(self, database: str, telegrams: Iterable[Telegram]) -> list[line.Point]:
        if self._own:  # a measurement of somebody's own, with nothing beside it
            data = [telegram for telegram in telegrams if isinstance(telegram, Data) and not telegram.raw]
            own = [self._encoder.data(telegram) for telegram in data]
            return [point for point in own if point]
        points: list[line.Point | None] = []
        encode, info = self._encoder.data, self._encoder.info
        met, announced = self._announced.data, self._announced.ident
        less = self._left_out.get(database, ())
        for telegram in telegrams:
            match telegram:
                case Data() if telegram.raw:
                    if announced(database, telegram.ident):
                        points.append(info(telegram.ident, _since(telegram), less))
                    points.append(self._encoder.raw(telegram))
                case Data():
                    tell, new = met(database, telegram)
                    if tell:
                        points.append(info(telegram.ident, _since(telegram), less))
                    points.append(encode(telegram, new))
                case Ident():
                    if telegram.since is not None and announced(database, telegram):
                        points.append(info(telegram, telegram.since, less))
                case Note():
                    points.append(self._encoder.note(telegram))
        return [point for point in points if point]

    def _old_lines(self, database: str, telegrams: Iterable[Telegram]) -> Iterator[str]:
        for telegram in telegrams:
            if isinstance(telegram, Data):
                tell, new = self._announced.data(database, telegram)
                if tell:
                    yield quirks.info_line(telegram.ident, self._left_out.get(database, ()))
                if said := quirks.data_line(telegram, new):
                    yield said


def _since(data: Data) -> int:
    """The time of an ident that came with data."""
    return data.time if data.ident.since is None else data.ident.since


def halves(telegrams: Sequence[Telegram]) -> tuple[Sequence[Telegram], Sequence[Telegram]]:
    """The first and the second half."""
    middle = len(telegrams) // 2
    return telegrams[:middle], telegrams[middle:]
