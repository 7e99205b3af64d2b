"""What the listener does with a request, once it is read: lines into the journal, and an answer."""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from math import ceil
from typing import Any, NamedTuple

from mysense.channels._influx.protocol import Reader
from mysense.channels._influx.values import STEPS
from mysense.channels.influxlisten import questions
from mysense.channels.influxlisten.access import Access
from mysense.channels.influxlisten.answers import AGAIN, VERSION, Answers, Mistakes, Refusal
from mysense.channels.influxlisten.body import Room
from mysense.channels.influxlisten.rates import Rates
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
    rate: float = 0.0
    reader: Reader = field(default_factory=Reader)
    databases: questions.Databases = field(default_factory=questions.Databases)
    told: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.room = Room(2 * self.max_body)
        self.rates = Rates(self.rate)

    def welcome(self, client: str) -> None:
        """Refusal for whoever comes too often."""
        if wait := self.rates.wait(client):
            self.tell(f"rate {client}", f"{client} comes more often than rate = {self.rate:g} a second: it is put off")
            raise Refusal(429, "too many requests: come again", {"Retry-After": str(ceil(wait))})

    def admit(self, client: str, authorization: str, asked: Mapping[str, str]) -> None:
        """Refusal for whoever may not write."""
        if self.access.allows(authorization, asked):
            return
        shown = bool(authorization or asked.get("u"))
        self.rates.guessed(client)
        self.tell(client, f"{client} shows {'a wrong' if shown else 'no'} password or token: it is refused")
        why = "authorization failed" if shown else "unable to parse authentication credentials"
        raise Refusal(401, why, {"WWW-Authenticate": 'Basic realm="InfluxDB"'})

    def write(self, answers: Answers, asked: Mapping[str, str], body: bytes) -> Answer:
        """Lines into the journal. Returns when they are there; Refusal when they are not, and will not be."""
        now = time.time_ns()
        database = answers.named(asked)
        if not database:
            raise Refusal(400, "database is required" if answers.database == "db" else "bucket is required")
        self.databases.add(database)
        precision = asked.get("precision") or answers.precision
        step = STEPS.get(precision)
        if step is None:
            raise Refusal(400, f"invalid precision {precision!r}: use n, u, ms, s, m or h")
        text = body.decode("utf-8", "replace")
        mistakes, kept = Mistakes(), 0
        if asked.get("accept_partial", "").lower() == "false":
            for _, wrong in self.reader.read(text, step, now):
                mistakes.add(wrong)
            if mistakes.count:
                return self._partly(answers, database, mistakes, 0)
        for points, wrong in self.reader.read(text, step, now):
            mistakes.add(wrong)
            if points:
                self._deliver(Delivery(database, points), kept)
                kept += len(points)
        return self._partly(answers, database, mistakes, kept) if mistakes.count else Answer(HTTPStatus.NO_CONTENT)

    def _deliver(self, delivery: Delivery, kept: int) -> None:
        """A slice of a body into the journal, where *kept* points before it are already; Refusal where it cannot."""
        if self.waiting.deliver(delivery, self.timeout):
            return
        said = f"only the first {kept} points of it were kept" if kept else "nothing of it was kept"
        if delivery.hopeless:
            raise Refusal(400, f"something in this cannot be taken, and {said}: see the log")
        raise Refusal(503, f"the journal cannot take this now, and {said}: come again", AGAIN)

    def _partly(self, answers: Answers, database: str, mistakes: Mistakes, kept: int) -> Answer:
        first = f"lines for {database} that are none are refused, the first: {mistakes.first[0]}"
        self.tell(f"db {database}", first[:500])
        return Answer(HTTPStatus.BAD_REQUEST, answers.partly(mistakes, kept))

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
        """Log something about a client or a database once; what strangers wrote makes no line of its own in the log."""
        if whom not in self.told and len(self.told) < _TOLD:
            self.told.add(whom)
            plain = "".join(sign if sign.isprintable() else " " for sign in text)
            self.log.warning("%s", " ".join(plain.split()))
