"""The publisher: raw lines over keep-alive connections, to every version of InfluxDB."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import field
from typing import Literal

from mysense import plugin
from mysense.channels import _http
from mysense.channels.influxdb.api import AnswerError, Api, RefusedError, beyond_retention
from mysense.channels.influxdb.checking import crowded, greeting, usable, writable
from mysense.channels.influxdb.delivery import Delivery
from mysense.channels.influxdb.layout import Layout, checked, checked_tags, lacking
from mysense.channels.influxdb.pool import Pool
from mysense.channels.influxdb.request import Request, Requests
from mysense.channels.influxdb.server import AGENT, Server
from mysense.errors import ConfigError, RejectedError, UnavailableError
from mysense.plugin import option
from mysense.telegram import Data, Ident, Telegram, ident_of

_DATABASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}", re.ASCII)
_CACHED = 4096


class Publisher(Server, plugin.Publisher):
    """Write telegrams to an InfluxDB, a database (or bucket) for each node."""

    accepts_raw = True
    max_batch = 20_000  # of a hundred nodes, that is still 200 points a request

    database: str = option(
        "{project}_{serial}",
        "the database or bucket; {project}, {serial}, {label} and any other item or value are filled in",
        parse=checked,
    )
    measurement: str = option("data", "the measurement of data; filled in like the database", parse=checked)
    tags: str = option(
        "", "its tags: label, host={label}, … (none: label, geolocation, new and the node's names)", parse=checked_tags
    )
    create: bool = option(True, "make a database that is not there, where the user may")
    retention: float = option(0.0, "how long a database that is made keeps its data; 0: for ever", parse=plugin.seconds)
    gzip: bool = option(False, "compress: for links that cost")
    precision: Literal["auto", "s", "ms", "u", "ns"] = option("auto", "of times; auto keeps them as they are")
    legacy: bool = option(False, "write lines as the original MySense did: quoted tags, the server's time")

    _lanes: dict[int, tuple[Ident, str]] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._layout = Layout(self.database, self.measurement, self.tags)
        if self.legacy and (self.tags or self._layout.own):
            raise ValueError("legacy = yes has a measurement and tags of its own: leave out measurement and tags")

    def open(self) -> None:
        self._told: set[str] = set()  # what is told once
        self._made: set[str] = set()
        self._prepared: set[str] = set()
        self.access()  # a file that cannot be read is told now
        self._server, self._pool = self.connection(), Pool(self.connection)
        self._api: Api | None = None
        self._refused = False

    def close(self) -> None:
        for name in ("_server", "_pool"):
            if (there := vars(self).pop(name, None)) is not None:
                there.close()

    def _begin(self) -> Api:
        """The server's ways, once it has said which those are; UnavailableError while it is away."""
        if self._api is None:
            self._api = api = self.api(self._server)
            self._requests = Requests(
                self.state,
                api.writing,
                layout=self._layout,
                precision=self.precision,
                legacy=self.legacy,
                compress=self.gzip,
            )
            self._delivery = Delivery(
                self._pool, self._requests, self._headers, self.timeout, self._mended, self._judged, self.alive
            )
        if self._refused:  # somebody may have mended the file with the password or the token
            self._refused = False
            self._prepared.clear()
            with suppress(ConfigError):
                self._api.access = self.access()
        return self._api

    def lane(self, telegram: Telegram) -> str:
        """The database of a telegram; empty where the template cannot be filled."""
        ident = ident_of(telegram)
        known = self._lanes.get(id(ident))
        if known and known[0] is ident:
            return known[1]
        name = self._layout.database_of(telegram)
        if self._layout.varies:
            return name
        if len(self._lanes) >= _CACHED:
            self._lanes.clear()
        self._lanes[id(ident)] = ident, name
        return name

    def publish(self, batch: Sequence[Telegram]) -> Mapping[str, Exception]:
        failures: dict[str, Exception] = {}
        self._begin()
        self._made.clear()
        self._delivery.run(self._by_database(batch, failures), failures)
        return failures

    def _by_database(self, batch: Sequence[Telegram], failures: dict[str, Exception]) -> Iterator[Request]:
        """The requests for a batch, database by database."""
        groups: dict[str, list[Telegram]] = {}
        last, group, varies = None, [], self._layout.varies
        for telegram in batch:
            if (ident := ident_of(telegram)) is not last or varies:
                last, group = ident, groups.setdefault(self.lane(telegram), [])
            group.append(telegram)
        self._prepare(groups)
        for database, telegrams in groups.items():
            if not database:  # an ident or a note without the values that would say it is not missed
                if found := next((each for each in telegrams if isinstance(each, Data) or not varies), None):
                    values = found.values if varies and isinstance(found, Data) else {}
                    failures[database] = lacking(self._layout.database, ident_of(found), values)
                continue
            if not _DATABASE.fullmatch(database):
                failures[database] = RejectedError(f"{database!r} cannot be the name of a database")
                continue
            try:
                for request in self._requests.of(database, telegrams):
                    yield request
                    if database in failures:
                        break
            except (RejectedError, ValueError) as error:
                failures.setdefault(database, RejectedError(str(error)))

    def _prepare(self, databases: Iterable[str]) -> None:
        """Make databases that a write would make by itself: so they keep their data as long as *retention* says."""
        api = self._begin()
        if not (api.makes_itself and self.create):
            return
        for database in databases:
            if database not in self._prepared and _DATABASE.fullmatch(database):
                with suppress(AnswerError):  # then the write says why not, or makes it
                    if api.create(database, self.retention):
                        self._requests.new_database(database)
                self._prepared.add(database)

    def _headers(self) -> dict[str, str]:
        packed = {"Content-Encoding": "gzip"} if self.gzip else {}
        return {"Content-Type": "text/plain; charset=utf-8", **AGENT, **self._begin().headers, **packed}

    def _judged(self, request: Request, answer: _http.Answer) -> Exception | None:
        """What is wrong with an answer; points that a server no longer keeps are counted and passed."""
        database, api = request.database, self._begin()
        self._refused = self._refused or answer.status == 401
        if passed_over := beyond_retention(answer):
            self.skipped += passed_over
            self._tell_once(f"{database} passes over points beyond its retention; 'mysense status' counts them")
        return api.verdict(answer, database)

    def _mended(self, database: str, answer: _http.Answer) -> bool:
        """Whether what the server complains of is mended now."""
        if answer.status == 404 and database not in self._made:
            self._make(database)
            return True
        item = self._api.mistyped(answer) if self._api else None
        if not (item and self._requests.leave_out(database, item)):
            return False
        self._tell_once(f"{database} has {item!r} in info in another type: it is written in 'ident' only")
        return True

    def _make(self, database: str) -> None:
        """Make a database; UnavailableError says what to do where that is not possible."""
        api = self._begin()
        if not self.create:
            raise UnavailableError(f"there is no database {database} (create = no); {api.asking(database)}")
        try:
            api.create(database, self.retention)
        except RefusedError as error:
            self._tell_once(f"{database} cannot be made: {error}")
            raise UnavailableError(
                f"there is no database {database}, and it cannot be made ({error}); {api.asking(database)}"
            ) from None
        self._made.add(database)
        self._requests.new_database(database)
        self.log.info("made database %s", database)

    def _tell_once(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self.log.warning("%s", text)

    def check(self) -> str:
        """Ask for the server's version and what the user may do there; writes nothing."""
        with self:
            api = self._begin()
            said, own = greeting(api), self.own
            if api.makes_itself:  # also by asking
                return said + usable(api, False)
            each = "{serial}" in self.database or "{node}" in self.database
            database = self._layout.database_of(own) if own and not self._layout.varies else self.database
            if "{" in database:
                return said + usable(api, each)
            return said + writable(api, database, self.create) + (crowded(api) if each else "")
