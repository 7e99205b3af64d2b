"""The subscriber: databases are found, and their rows read on, oldest first, as telegrams."""

import heapq
import time
from collections.abc import Iterator, Sequence
from dataclasses import field

from mysense import plugin
from mysense.channels._influx import points
from mysense.channels.influxdb.api import AnswerError, Api
from mysense.channels.influxdb.beginning import WORDS, beginning, moment
from mysense.channels.influxdb.checking import greeting, readable
from mysense.channels.influxdb.choice import Choice, key, pattern
from mysense.channels.influxdb.feed import Feed, Position
from mysense.channels.influxdb.layout import Layout, checked_tags
from mysense.channels.influxdb.server import Server
from mysense.errors import UnavailableError
from mysense.plugin import option
from mysense.telegram import Telegram

BUSY = 0.5
"""Seconds after which ``receive`` asks no more, so that the daemon can stop."""
LEAST = 100
"""Rows that every server can give in the time it has."""
TOLD = 3
"""Databases that cannot be read and are named, each with its reason."""
_BEGUN = "begun"


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
        600.0, "seconds between two looks for databases that are new, or gone", parse=plugin.seconds, least=0.1
    )
    interval: float = option(5.0, "seconds between two rounds of questions", parse=plugin.seconds, least=0.01)

    _feeds: dict[str, Feed] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._layout = Layout("all", self.measurement, self.tags)
        self._choice = Choice(self.projects, self.serials, self.databases, self.measurement, self._layout)
        self._most = self.bufsize
        self._trouble: dict[str, str] = {}  # what was told, by database
        self._nothing = False

    def open(self) -> None:
        self.access()  # a file that cannot be read is told now
        self._server = self.connection()
        self._api: Api | None = None
        self._feeds = {}
        self._round: list[tuple[int, str]] = []
        self._looked = self._begun = 0.0
        self._more = False
        self._looking: Iterator[bool] | None = None
        self._failed: dict[str, AnswerError] = {}

    def close(self) -> None:
        if server := vars(self).pop("_server", None):
            server.close()

    def receive(self) -> Sequence[Telegram]:
        begun, telegrams = time.monotonic(), list[Telegram]()
        api = self._begin()
        while self._looking and time.monotonic() - begun < BUSY:
            if not next(self._looking, False):
                self._looking = None
        if not (self._looking or self._round):
            self._round = [(feed.position.time, name) for name, feed in self._feeds.items()]
            heapq.heapify(self._round)
        while self._round and len(telegrams) < self.bufsize and time.monotonic() - begun < BUSY:
            _, name = heapq.heappop(self._round)
            telegrams += self._read(api, name)
            if self._round:
                api.ahead(self._feeds[self._round[0][1]].question(self._most))
        if self._round or self._looking:
            self.pause = 0.0
        else:  # the round is over
            self._tell()
            due = min([self._begun + self.interval, *(feed.due for feed in self._feeds.values())])
            self.pause = 0.0 if self._more else max(0.01, due - time.monotonic())
        return telegrams

    def _begin(self) -> Api:
        """Begin a round, if the last one is over."""
        if self._api is None:
            self._api = self.api(self._server)
        if not (self._round or self._looking):
            self._more, self._begun = False, time.monotonic()
            if not self._feeds or self._begun - self._looked >= self.update:
                self._looking = self._look(self._api)
        return self._api

    def _read(self, api: Api, name: str) -> list[Telegram]:
        """What a feed has; one whose server says no is left out of this round, and told once."""
        feed = self._feeds[name]
        try:
            if time.monotonic() - feed.checked >= self.update:
                feed.refresh(api)
            before = feed.position
            telegrams, more = feed.read(api, self._most)
        except AnswerError as error:
            self._failed[name] = error
            return []
        except UnavailableError:  # it may have been too much for the server: ask for less the next time
            self._most = max(LEAST, self._most // 2)
            raise
        self._most = min(self.bufsize, self._most + LEAST)
        if self._trouble.pop(feed.database, None):
            self.log.info("%s can be read again", feed.database)
        if feed.position != before:
            self.state[name] = str(feed.position)
        if more:
            self._more = True
            heapq.heappush(self._round, (feed.position.time, name))
        return telegrams

    def _tell(self) -> None:
        """Say once which databases cannot be read; UnavailableError when it is all of them."""
        failed, self._failed = self._failed, {}
        if failed and failed.keys() == self._feeds.keys():
            name, error = next(iter(failed.items()))
            raise UnavailableError(f"{self._feeds[name].database} cannot be read: {error}")
        by_name = {self._feeds[name].database: error for name, error in failed.items()}
        news = {name: error for name, error in by_name.items() if self._trouble.get(name) != str(error)}
        self._trouble |= {name: str(error) for name, error in news.items()}
        for name, error in list(news.items())[:TOLD]:
            more = f" (and {len(news) - 1} more)" if len(news) > TOLD else ""
            self.log.warning("%s%s cannot be read, the others go on: %s", name, more, error)
            if more:
                break

    def _look(self, api: Api) -> Iterator[bool]:
        """Look which databases there are, one after the other: take on the new ones, drop those that are gone."""
        found: set[str] = set()
        for database in self._choice.databases(api):
            for tags in self._choice.nodes(api, database):
                found.add(name := key(database, tags))
                if name not in self._feeds:
                    self._take_on(api, name, database, tags)
            yield True
        for name in self._feeds.keys() - found:
            self.log.info("%s is gone", self._feeds.pop(name).database)
        self._looked = time.monotonic()
        self.state[_BEGUN] = "yes"
        if not (self._feeds or self._nothing):
            self.log.warning("nothing to read yet: no database matches %s, and holds an ident", self._choice)
        self._nothing = not self._feeds

    def _take_on(self, api: Api, name: str, database: str, tags: dict[str, str]) -> None:
        """Read a database from now on, unless it holds nothing of a node."""
        known = self.state.get(name)
        begin = Position.parse(known) if known else Position(0)
        feed = Feed(database, tags, self.measurement, self._layout, begin)
        try:
            told = feed.begin(api)
        except AnswerError:
            told = True  # what is wrong is told when it is read
        if not (told or known or self.databases or self.measurement != points.DATA):
            return
        self._feeds[name] = feed
        if not known:
            feed.position = Position(self._from(feed))
            self.state[name] = str(feed.position)

    def _from(self, feed: Feed) -> int:
        """Where a database begins that was not read before; one that came later has nothing old."""
        if self.start not in WORDS:
            return moment(self.start)
        if self.start == "oldest" or _BEGUN in self.state:
            return 0
        return feed.newest_info if self.start == "info" else time.time_ns()

    def check(self) -> str:
        """Ask for the server's version and which databases match; reads nothing of them."""
        with self:
            api = self.api(self._server)
            names = self._choice.databases(api)
            if not names and (self.projects, self.serials) != (".*", ".*"):
                raise UnavailableError(f"{greeting(api)}, where no database matches {self._choice}")
            return greeting(api) + readable(api, self.measurement, names)
