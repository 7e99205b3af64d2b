"""What mysense asks of an InfluxDB, whatever its version: write, make databases, list them, read."""

import json
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

from mysense.channels._http import Answer, Connection, retry_after
from mysense.errors import RejectedError, UnavailableError

LARGEST = 256_000_000
"""Bytes of an answer to a query that are read."""
WEEK = 7 * 86400
FOREVER = 520 * WEEK
"""Seconds of a shard where data is kept for ever: many short ones cost a server of many
small databases three times the memory and twice the open files."""

_MISTYPED = re.compile(r'field type conflict: input field "(.+)" on measurement "info" is type')
_BEYOND = ("points beyond retention policy", "points outside retention policy")  # the second since 2.7
_DROPPED = re.compile(r"\bdropped=(\d+)")


@dataclass(frozen=True)
class Access:
    """How to get at a server: who asks, and what it is called in messages."""

    place: str
    user: str = ""
    secret: str = field(default="", repr=False)
    org: str = ""
    token: str = field(default="", repr=False)


class Question(NamedTuple):
    """Rows of one measurement, oldest first, from a time (ns) on; *newest* turns that round.

    *tags* must have these values; an empty one must not be there. Rows that lie more than ten
    minutes ahead are not asked for: a wrong clock must not move a reader into the future.
    """

    database: str
    measurement: str
    since: int
    limit: int
    tags: Mapping[str, str] = {}
    newest: bool = False


class Table(NamedTuple):
    """Rows as lists under *columns*; the first is the time (ns). None is a value that is not there."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]


class Api(ABC):
    """One version's ways, over one connection. Raises UnavailableError in words for whoever must mend it."""

    version: ClassVar[str]
    steps: ClassVar[Mapping[str, str]]
    """What this version calls the precisions s, ms, u and ns."""
    makes_itself: ClassVar[bool] = False
    """Whether a write makes a database that is not there."""

    def __init__(self, server: Connection, access: Access) -> None:
        self.server, self.access = server, access
        self._ahead: tuple[Question, float] | None = None  # asked already, and when

    @property
    @abstractmethod
    def headers(self) -> dict[str, str]:
        """Who asks, as headers of every request."""

    @abstractmethod
    def writing(self, database: str, precision: str) -> str:
        """The path of a write; *precision* is s, ms, u or ns, or empty for the server's own."""

    @abstractmethod
    def create(self, database: str, retention: float = 0.0) -> bool:
        """Make a database that keeps its data *retention* seconds, or for ever; one that is there stays.

        False where the server says that it was there.
        """

    @abstractmethod
    def databases(self) -> list[str]:
        """The databases there are for this user, without the server's own."""

    @abstractmethod
    def tag_values(self, database: str, measurement: str, tags: Sequence[str]) -> list[dict[str, str]]:
        """Which values the *tags* of a measurement have together; of series without any of them too, if others have."""

    @abstractmethod
    def rows(self, question: Question) -> Table:
        """The answer to a question."""

    def asked(self, question: Question) -> float:
        """When (on the monotonic clock) a question is asked: now, unless that was done ahead."""
        return self._ahead[1] if self._ahead and self._ahead[0] == question else time.monotonic()

    def ahead(self, question: Question) -> None:
        """Let the server begin with what will probably be asked next, while we do something else."""

    @abstractmethod
    def asking(self, database: str, reading: bool = False) -> str:
        """What an administrator must do for this user to write *database*, or to read it, to be typed as it is."""

    def may_create(self) -> bool:
        """Whether this user may make databases, as far as the server says so."""
        return True

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request and its answer, whatever that says."""
        if self._ahead:  # asked for, and not wanted any more
            self._ahead = None
            self.server.receive(LARGEST)
        return self.server.request(method, path, body, {**self.headers, **(headers or {})}, LARGEST)

    def ask(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> str:
        """The text of an answer; AnswerError with the server's words where it says no."""
        said = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"Content-Type": "application/json"} if said is not None and said is not body else {}
        return self.accepted(self.request(method, path, said, {**sent, **(headers or {})}))

    def accepted(self, answer: Answer) -> str:
        """The text of an answer, unless it is a refusal or an error: that is raised."""
        if answer.status == 401:
            raise UnknownError(self.unknown(words(answer.text)))
        if answer.status == 403:
            raise RefusedError(words(answer.text) or "not allowed")
        if not 200 <= answer.status < 300:
            why = f"{self.access.place}: {answer.status} {words(answer.text)}".strip()
            if answer.status in (429, 503):
                raise UnavailableError(why, wait=retry_after(answer.headers))
            raise AnswerError(why)
        return answer.text

    def mistyped(self, answer: Answer) -> str | None:
        """The field of ``info`` that the database has in another type already, if a write was refused for that."""
        found = _MISTYPED.search(words(answer.text)) if answer.status in (400, 422) else None
        return found[1] if found else None

    def unknown(self, said: str) -> str:
        """What to say when the server answers 401."""
        if self.access.token:
            why = "does not know this token"
        elif self.access.user:
            why = f"does not know user {self.access.user!r} or the password is wrong"
        else:
            why = "wants to know who we are: set user and password_file, or token_file"
        return f"{self.access.place} {why}{f': {said}' if said else ''}"

    def verdict(self, answer: Answer, database: str) -> Exception | None:
        """What went wrong with a write, as the worker wants to know it; None: the telegrams are safe."""
        said = words(answer.text)
        if 200 <= answer.status < 300 and not said:
            return None
        if "hinted handoff queue not empty" in said:  # the server has them, and delivers them itself
            return None
        if beyond_retention(answer):
            return None
        match answer.status:
            case 400 | 406 | 422:
                return RejectedError(said or "the server cannot read it")
            case 413:
                return RejectedError("too large for the server (see its max-body-size)")
            case 401:
                return UnavailableError(self.unknown(said))
            case 403:
                who = self.access.user or ("this token" if self.access.token else "nobody")
                return UnavailableError(f"{who} may not write {database}: {said}; {self.asking(database)}")
            case 404:
                return UnavailableError(f"{said or f'there is no database {database}'}; {self.asking(database)}")
            case _:
                wait = retry_after(answer.headers)
                return UnavailableError(f"{self.access.place}: {answer.status} {said}".strip(), wait=wait)


class AnswerError(UnavailableError):
    """The server is there and says no to this one request."""


class RefusedError(AnswerError):
    """It does not know who asks, or does not allow it."""


class UnknownError(RefusedError):
    """It does not know who asks: a wrong password or token."""


def shard(retention: float) -> int:
    """Seconds of a shard for data that is kept so long; 0 is for ever."""
    return min(int(retention), max(WEEK, int(retention) // 10)) if retention else FOREVER


def words(text: str) -> str:
    """The error in an answer's body, in the server's own words; empty when there is none."""
    if not text.strip():
        return ""
    try:
        said = json.loads(text)
    except ValueError:
        return " ".join(text.split())[:300]
    if not isinstance(said, dict):
        return ""
    results = said.get("results") or [{}]
    first = str(said.get("error") or (results[0].get("error") if isinstance(results[0], dict) else "") or "")
    if "create admin user first" in first:
        return "it has no administrator yet: CREATE USER root WITH PASSWORD '…' WITH ALL PRIVILEGES, typed in influx"
    if not first and "code" in said:  # version 2
        first = str(said.get("message") or said["code"])
    lines = [line for line in said.get("data") or () if isinstance(line, dict)] if first else []  # version 3
    more = "; ".join(str(line.get("error_message", "")) for line in lines[:3])
    return f"{first}: {more}" if more else first


def beyond_retention(answer: Answer) -> int:
    """How many points the server passed over as older than it keeps, having taken all others."""
    if answer.status not in (400, 422) or not any(text in answer.text for text in _BEYOND):
        return 0
    found = _DROPPED.search(answer.text)
    return int(found[1]) if found else 1
