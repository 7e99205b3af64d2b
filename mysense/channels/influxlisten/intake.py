"""What the listener does with a request, once it is read: lines into the journal, and an answer."""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, NamedTuple

from mysense.channels._influx.protocol import Reader
from mysense.channels._influx.values import STEPS
from mysense.channels.influxlisten import questions
from mysense.channels.influxlisten.access import Access
from mysense.channels.influxlisten.answers import AGAIN, VERSION, Answers, Refusal
from mysense.channels.influxlisten.body import Room
from mysense.channels.influxlisten.waiting import Delivery, Waiting

_TOLD = 1000
"""Clients and databases about which something was told once; beyond that nothing is told."""


class Answer(NamedTuple):
    """A status and what is said as JSON; None says nothing."""

    status: HTTPStatus
    said: Any = None


@dataclass
class Intake:
    """What all connections of a listener share."""

    access: Access
    waiting: Waiting
    max_body: int
    timeout: float
    log: logging.Logger
    reader: Reader = field(default_factory=Reader)
    databases: questions.Databases = field(default_factory=questions.Databases)
    told: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.room = Room(2 * self.max_body)

    def admit(self, client: str, authorization: str, asked: Mapping[str, str]) -> None:
        """Refusal for whoever may not write."""
        if self.access.allows(authorization, asked):
            return
        shown = bool(authorization or asked.get("u"))
        self.tell(client, f"{client} shows {'a wrong' if shown else 'no'} password or token: it is refused")
        why = "authorization failed" if shown else "unable to parse authentication credentials"
        raise Refusal(401, why, {"WWW-Authenticate": 'Basic realm="InfluxDB"'})

    def write(self, answers: Answers, asked: Mapping[str, str], body: bytes) -> Answer:
        """Lines into the journal. Returns when they are there; Refusal when they are not, and will not be."""
        now = time.time_ns()
        database = answers.named(asked)
        if not database:
            raise Refusal(400, "database is required" if answers.database == "db" else "bucket is required")
        precision = asked.get("precision") or answers.precision
        step = STEPS.get(precision)
        if step is None:
            raise Refusal(400, f"invalid precision {precision!r}: use n, u, ms, s, m or h")
        points, mistakes = self.reader.read(body.decode("utf-8", "replace"), step, now)
        if mistakes:
            self.tell(
                f"db {database}", f"lines for {database} that are none are refused, the first: {mistakes[0]}"[:500]
            )
            if asked.get("accept_partial", "").lower() == "false":
                return Answer(HTTPStatus.BAD_REQUEST, answers.partly(mistakes, 0))
        self.databases.add(database)
        if points and not self.waiting.deliver(delivery := Delivery(database, points), self.timeout):
            if delivery.hopeless:
                raise Refusal(400, "something in this cannot be taken, and nothing of it was kept: see the log")
            raise Refusal(503, "the journal cannot take this now, and nothing of it was kept: come again", AGAIN)
        if mistakes:
            return Answer(HTTPStatus.BAD_REQUEST, answers.partly(mistakes, len(points)))
        return Answer(HTTPStatus.NO_CONTENT)

    def query(self, asked: Mapping[str, str]) -> Answer:
        """An answer to a query."""
        return Answer(HTTPStatus.OK, questions.answer(asked.get("q", ""), self.databases))

    def ping(self, asked: Mapping[str, str]) -> Answer:
        """That we are here."""
        if asked.get("verbose", "false") in ("", "0", "false"):
            return Answer(HTTPStatus.NO_CONTENT)
        return Answer(HTTPStatus.OK, {"version": VERSION})

    def health(self) -> Answer:
        """That we are well."""
        said = {"name": "mysense", "message": "ready for writes", "status": "pass", "checks": [], "version": VERSION}
        return Answer(HTTPStatus.OK, said)

    def tell(self, whom: str, text: str) -> None:
        """Log something about a client or a database once."""
        if whom not in self.told and len(self.told) < _TOLD:
            self.told.add(whom)
            self.log.warning("%s", text)
