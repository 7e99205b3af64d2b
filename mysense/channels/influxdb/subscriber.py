"""The subscriber: databases are found, and their rows read on, oldest first, as telegrams."""

import heapq
import re
import time
from collections.abc import Sequence
from dataclasses import field
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from mysense import plugin
from mysense.channels._influx import points
from mysense.channels.influxdb.api import AnswerError, Api, RefusedError
from mysense.channels.influxdb.checking import greeting, listed
from mysense.channels.influxdb.feed import Feed, Position, whose
from mysense.channels.influxdb.layout import Layout, checked_tags
from mysense.channels.influxdb.server import Server
from mysense.errors import UnavailableError
from mysense.plugin import option
from mysense.telegram import Telegram

BUSY = 0.5
"""Seconds after which ``receive`` asks no more databases, so that the daemon can stop."""
LEAST = 100
"""Rows that every server can give in the time it has."""
TOLD = 3
"""Databases that cannot be read and are named, each with its reason."""
_WORDS = ("info", "oldest", "now")
_BEGUN = "begun"


def pattern(text: str) -> str:
    """*text* if it is a regular expression, else ValueError."""
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"{text!r} is no pattern: {error}") from None
    return text


def beginning(text: str) -> str:
    """*text* if it is one of the words or a time; ValueError for anything else."""
    if text.lower() in _WORDS:
        return text.lower()
    try:
        moment(text)
    except ValueError:
        raise ValueError(f"{text!r}: write info, oldest, now, or a time such as 2026-05-31T12:00:00Z") from None
    return text


def moment(text: str) -> int:
    """A time in ISO 8601 as nanoseconds; without a zone it is UTC.

    >>> moment("2023-11-14T22:13:20Z")
    1700000000000000000
    """
    said = datetime.fromisoformat(text)
    said = said if said.tzinfo else said.replace(tzinfo=UTC)
    return (said - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000


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
        self._layout = Layout("all", self.measurement, self.tags)
        self._most = self.bufsize

    def open(self) -> None:
        self.access()  # a file that cannot be read is told now
        self._server = self.connection()
        self._api: Api | None = None
        self._feeds = {}
        self._round: list[tuple[int, str]] = []
        self._looked = self._begun = 0.0
        self._more = False
        self._trouble: dict[str, str] = {}
        self._failed: dict[str, AnswerError] = {}

    def close(self) -> None:
        if server := vars(self).pop("_server", None):
            server.close()

    def receive(self) -> Sequence[Telegram]:
        begun, telegrams = time.monotonic(), list[Telegram]()
        api = self._begin()
        while self._round and len(telegrams) < self.bufsize and time.monotonic() - begun < BUSY:
            _, key = heapq.heappop(self._round)
            telegrams += self._read(api, key)
            if self._round:
                api.ahead(self._feeds[self._round[0][1]].question(self._most))
        if self._round:
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
        if not self._round:
            self._more, self._begun = False, time.monotonic()
            if not self._feeds or self._begun - self._looked >= self.update:
                self._look(self._api)
            self._round = [(feed.position.time, key) for key, feed in self._feeds.items()]
            heapq.heapify(self._round)
        return self._api

    def _read(self, api: Api, key: str) -> list[Telegram]:
        """What a feed has; one whose server says no is left out of this round, and told once."""
        feed = self._feeds[key]
        try:
            if time.monotonic() - feed.checked >= self.update:
                feed.refresh(api)
            before = feed.position
            telegrams, more = feed.read(api, self._most)
        except AnswerError as error:
            self._failed[key] = error
            return []
        except UnavailableError:  # it may have been too much for the server: ask for less the next time
            self._most = max(LEAST, self._most // 2)
            raise
        self._most = min(self.bufsize, self._most + LEAST)
        if self._trouble.pop(feed.database, None):
            self.log.info("%s can be read again", feed.database)
        if feed.position != before:
            self.state[key] = str(feed.position)
        if more:
            self._more = True
            heapq.heappush(self._round, (feed.position.time, key))
        return telegrams

    def _tell(self) -> None:
        """Say once which databases cannot be read; UnavailableError when it is all of them."""
        failed, self._failed = self._failed, {}
        by_name = {self._feeds[key].database: error for key, error in failed.items()}
        news = {name: error for name, error in by_name.items() if self._trouble.get(name) != str(error)}
        self._trouble |= {name: str(error) for name, error in news.items()}
        for name, error in list(news.items())[:TOLD]:
            more = f" (and {len(news) - 1} more)" if len(news) > TOLD else ""
            self.log.warning("%s%s cannot be read, the others go on: %s", name, more, error)
            if more:
                break
        if failed and failed.keys() == self._feeds.keys():
            raise next(iter(failed.values()))

    def _look(self, api: Api) -> None:
        """Look which databases there are: take on the new ones, drop those that are gone."""
        found: dict[str, tuple[str, dict[str, str]]] = {}
        for database in self._names(api):
            for tags in self._sharing(api, database):
                found[_key(database, tags)] = database, tags
        for key in self._feeds.keys() - found.keys():
            self.log.info("%s is gone", self._feeds.pop(key).database)
        for key, (database, tags) in found.items():
            if key not in self._feeds:
                self._take_on(api, key, database, tags)
        self._looked = time.monotonic()
        self.state[_BEGUN] = "yes"

    def _names(self, api: Api) -> list[str]:
        """The databases that may hold what we want."""
        if self.databases:
            return list(self.databases)
        wanted = re.compile(f"(?:{self.projects})(?:_(?:{self.serials}))?")
        try:
            return [name for name in api.databases() if wanted.fullmatch(name)]
        except RefusedError as error:
            raise UnavailableError(f"{error}; name the databases: databases = <project>_<serial>, …") from None

    def _sharing(self, api: Api, database: str) -> list[dict[str, str]]:
        """Which nodes share a database, by their tags; a database of one node has none."""
        if self.measurement != points.DATA:
            return [{}]
        naming = [tag for tag, item in self._layout.naming.items() if item != "label"]
        try:
            nodes = api.tag_values(database, self.measurement, naming) if naming else []
        except AnswerError:  # told when it is read
            nodes = []
        shared = []
        for tags in nodes:
            node, _ = whose(self._layout, database, self.measurement, tags)
            if self.databases or (
                re.fullmatch(self.projects, node.project) and re.fullmatch(self.serials, node.serial)
            ):
                shared.append(tags)
        if nodes:
            return shared
        if self.databases:
            return [{}]
        return [{}] if re.fullmatch(f"(?:{self.projects})_(?:{self.serials})", database) else []

    def _take_on(self, api: Api, key: str, database: str, tags: dict[str, str]) -> None:
        """Read a database from now on, unless it holds nothing of a node."""
        known = self.state.get(key)
        begin = Position.parse(known) if known else Position(0)
        feed = Feed(database, tags, self.measurement, self._layout, begin)
        try:
            told = feed.begin(api)
        except AnswerError as error:
            if not self.databases:
                self.log.debug("%s: %s", database, error)
                return
            told = True  # it is asked for by name: what is wrong is told when it is read
        if not (told or known or self.databases or self.measurement != points.DATA):
            return
        self._feeds[key] = feed
        if not known:
            feed.position = Position(self._from(feed))
            self.state[key] = str(feed.position)

    def _from(self, feed: Feed) -> int:
        """Where a database begins that was not read before; one that came later has nothing old."""
        if self.start not in _WORDS:
            return moment(self.start)
        if self.start == "oldest" or _BEGUN in self.state:
            return 0
        return feed.newest_info if self.start == "info" else time.time_ns()

    def check(self) -> str:
        """Ask for the server's version and which databases match; reads nothing of them."""
        with self:
            api = self.api(self._server)
            return f"{greeting(api)}; reads {listed(self._names(api))}"


def _key(database: str, tags: dict[str, str]) -> str:
    """What a feed is called in the state."""
    return " ".join([quote(database), *(f"{name}={quote(value)}" for name, value in sorted(tags.items()))])
