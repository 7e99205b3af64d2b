"""The subscriber: databases are found, and their rows read on, oldest first, as telegrams."""

import heapq
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import field
from math import inf

from mysense import plugin
from mysense.channels._influx import points
from mysense.channels.influxdb.api import AnswerError, Api
from mysense.channels.influxdb.beginning import WORDS, beginning, moment
from mysense.channels.influxdb.checking import greeting, readable
from mysense.channels.influxdb.choice import Choice, key, pattern
from mysense.channels.influxdb.feed import SETTLE, Feed, Position
from mysense.channels.influxdb.layout import Layout, checked_tags
from mysense.channels.influxdb.server import Server
from mysense.errors import UnavailableError
from mysense.plugin import option
from mysense.telegram import Telegram

BUSY = 0.5
"""Seconds after which ``receive`` asks no more, so that the daemon can stop."""
YOUNG = 60.0
"""Seconds for which a database that holds no ident yet is looked into again and again: it is just being made."""
TOLD = 3
"""Databases that cannot be read and are named, each with its reason."""
_BEGUN = " begun"  # no database is called so: see key


class Subscriber(Server, plugin.Subscriber):
    """Take the telegrams of nodes from an InfluxDB: from the databases that match, or those that are named."""

    projects: str = option(".*", "the projects to read, as a pattern for the whole name", parse=pattern)
    serials: str = option(".*", "and the serials", parse=pattern)
    databases: tuple[str, ...] = option((), "read these, where the user may not list what there is")
    measurement: str = option("data", "what to read; other names are for points that mysense did not write")
    tags: str = option("", "its tags, as the publisher's option of that name laid them out", parse=checked_tags)
    start: str = option(
        "info", "where to begin: info (the newest ident), oldest, now, or 2026-05-31T12:00:00Z", parse=beginning
    )
    bufsize: int = option(5000, "the most rows of one query", least=1, most=100_000)
    update: float = option(
        600.0,
        "seconds between two looks into all databases, for idents and nodes that came without data",
        parse=plugin.seconds,
        least=0.1,
    )
    interval: float = option(5.0, "seconds between two rounds of questions", parse=plugin.seconds, least=0.01)

    _feeds: dict[str, Feed] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._layout = Layout("all", self.measurement, self.tags)
        self._choice = Choice(self.projects, self.serials, self.databases, self.measurement, self._layout)
        self._trouble: dict[str, str] = {}  # what was told, by database
        self._nothing = False
        self._limits: dict[str, int] = {}  # rows a query of those that could not be read: also when opened again
        self._first: set[str] = set()  # databases that were there at the first contact

    def open(self) -> None:
        self.access()  # a file that cannot be read is told now
        self._server = self.connection()
        self._api: Api | None = None
        self._feeds = {}
        self._since: dict[str, float] = {}  # when each database was first seen
        self._round: list[tuple[int, str]] = []
        self._looking: Iterator[bool] | None = None
        self._looked = self._begun = -inf
        self._failed: dict[str, UnavailableError] = {}

    def close(self) -> None:
        if server := vars(self).pop("_server", None):
            server.close()

    def receive(self) -> Sequence[Telegram]:
        begun, telegrams = time.monotonic(), list[Telegram]()
        api = self._begin()
        while self._looking and time.monotonic() - begun < BUSY:
            if not next(self._looking, False):
                self._looking = None
                self._fill(self._feeds)
        # A full answer is enough: while it is journalled the server works on the next.
        while self._round and 2 * len(telegrams) < self.bufsize and time.monotonic() - begun < BUSY:
            _, name = heapq.heappop(self._round)
            telegrams += self._read(api, name)
            if self._round:
                api.ahead(self._feeds[self._round[0][1]].question())
        if self._round or self._looking:
            self.pause = 0.0
        else:  # the round is over
            self._tell()
            self.pause = max(0.01, min(self._begun + self.interval, self._due()) - time.monotonic())
        return telegrams

    def _due(self) -> float:
        """When rows that were seen already are whole; those that are so at nearly the same time come together."""
        dues = [feed.due for feed in self._feeds.values()]
        first = min(dues, default=inf)
        return max((due for due in dues if due <= first + SETTLE / 10), default=inf)

    def _begin(self) -> Api:
        """Begin a round, if the last one is over: of all feeds, or in between of those whose rows are whole now."""
        if self._api is None:
            self._api = self.api(self._server)
        if not (self._round or self._looking):
            now = time.monotonic()
            if now - self._begun >= self.interval:
                self._begun = now
                self._looking = self._look(self._api)
            else:
                self._fill(name for name, feed in self._feeds.items() if feed.due <= now)
        return self._api

    def _fill(self, names: Iterable[str]) -> None:
        self._round = [(self._feeds[name].question().since, name) for name in names]
        heapq.heapify(self._round)

    def _read(self, api: Api, name: str) -> list[Telegram]:
        """What a feed has; one that cannot be read is left out of this round."""
        feed = self._feeds[name]
        try:
            self._start(api, name, feed)
            before = feed.position
            telegrams, more = feed.read(api)
        except UnavailableError as error:
            feed.failed()
            self._limits[name] = feed.limit
            away = [each for each in self._failed.values() if not isinstance(each, AnswerError)]
            if not isinstance(error, AnswerError) and (away or len(self._feeds) == 1 or error.wait is not None):
                raise  # it is the server that does not answer
            self._failed[name] = error
            return []
        if self._trouble.pop(feed.database, None):
            self.log.info("%s can be read again", feed.database)
        self._limits.pop(name, None)
        if feed.position != before:
            self.state[name] = str(feed.position)
        if more:
            heapq.heappush(self._round, (feed.question().since, name))
        return telegrams

    def _start(self, api: Api, name: str, feed: Feed) -> None:
        """Learn the idents of a feed, and, if it was never read, where to begin."""
        if not feed.history.begun:
            feed.history.learn(api)
        elif time.monotonic() - feed.checked >= self.update:
            feed.refresh(api)
        if feed.position is None:
            feed.position = Position(self._from(feed))
            self.state[name] = str(feed.position)

    def _from(self, feed: Feed) -> int:
        """Where a database begins that was not read before; one that came later has nothing old."""
        if self.start not in WORDS:
            return moment(self.start)
        if self.start == "oldest" or feed.late:
            return 0
        return feed.history.newest if self.start == "info" else time.time_ns()

    def _tell(self) -> None:
        """Say once which databases cannot be read; UnavailableError when it is all of them."""
        failed, self._failed = self._failed, {}
        if failed and self._feeds.keys() <= failed.keys():
            name, error = next(iter(failed.items()))
            raise UnavailableError(f"{self._name(name)} cannot be read: {error}")
        by_name = {self._name(name): str(error) for name, error in failed.items()}
        news = {name: text for name, text in by_name.items() if self._trouble.get(name) != text}
        self._trouble |= news
        for name, text in list(news.items())[: TOLD if len(news) <= TOLD else 1]:
            more = f" (and {len(news) - 1} more)" if len(news) > TOLD else ""
            self.log.warning("%s%s cannot be read, the others go on: %s", name, more, text)

    def _name(self, name: str) -> str:
        return self._feeds[name].database if name in self._feeds else name

    def _look(self, api: Api) -> Iterator[bool]:
        """Look which databases there are: take on the new ones, drop those that are gone.

        Now and then into all of them, else only into those that came since the last time.
        """
        now, names = time.monotonic(), self._choice.databases(api)
        if _BEGUN not in self.state:
            self._first.update(names)
        every = now - self._looked >= self.update
        known: dict[str, set[str]] = {}
        for name, feed in self._feeds.items():
            known.setdefault(feed.database, set()).add(name)
        found: set[str] = set()
        for database in names:
            young = now - self._since.setdefault(database, now) < YOUNG
            there = known.get(database, set())
            if every or (young and not there):
                try:
                    there = self._into(api, database)
                except AnswerError as error:  # what is known of it stays
                    self._failed[database] = error
                yield True
            found |= there
        for name in self._feeds.keys() - found:
            self.log.info("%s is gone", self._feeds.pop(name).database)
        self._since = {name: self._since[name] for name in names}
        self._looked = now if every else self._looked
        self.state[_BEGUN] = "yes"
        if not (self._feeds or self._nothing or self._failed):
            self.log.warning("nothing to read yet: no database matches %s, and holds an ident", self._choice)
        self._nothing = not self._feeds

    def _into(self, api: Api, database: str) -> set[str]:
        """The feeds of a database; those that are new are taken on, if there is an ident or we know them."""
        found = set()
        for tags in self._choice.nodes(api, database):
            name = key(database, tags)
            if name not in self._feeds:
                known = self.state.get(name)
                feed = Feed(
                    database,
                    tags,
                    self.measurement,
                    self._layout,
                    self.bufsize,
                    Position.parse(known) if known else None,
                )
                feed.limit = self._limits.get(name, feed.limit)
                feed.late = _BEGUN in self.state and database not in self._first
                try:
                    told = feed.history.learn(api)
                except AnswerError:
                    told = True  # why not is told when it is read
                if not (told or known or self.databases or self.measurement != points.DATA):
                    continue
                self._feeds[name] = feed
            self._feeds[name].among(tags)
            found.add(name)
        return found

    def check(self) -> str:
        """Ask for the server's version and which databases match; reads nothing of them."""
        with self:
            api = self.api(self._server)
            names = self._choice.databases(api)
            if not names and (self.projects, self.serials) != (".*", ".*"):
                raise UnavailableError(f"{greeting(api)}, where no database matches {self._choice}")
            return greeting(api) + readable(api, self.measurement, names)
