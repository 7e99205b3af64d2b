"""What is answered, in the words of each version of InfluxDB."""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, ClassVar

from mysense import __version__
from mysense.channels._influx.protocol import Mistake

SHOWN = 100
"""Lines that are named in an answer; the rest is counted."""
LONGEST = 500
"""Signs of a line that are shown."""
AGAIN = {"Retry-After": "5"}
"""Come again: what could not be journalled now can be soon."""
VERSION = f"1.8.0-mysense-{__version__}"
"""What clients are told that ask; the first digit is what they look at."""


class Refusal(Exception):
    """A request that gets another answer than it hoped for."""

    def __init__(self, status: int, words: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(words)
        self.status, self.headers = HTTPStatus(status), headers or {}


class Mistakes:
    """The lines of a request that are none: the first of them, and how many they are."""

    def __init__(self) -> None:
        self.first: list[Mistake] = []
        self.count = 0

    def add(self, mistakes: Sequence[Mistake]) -> None:
        """Some more."""
        self.first += mistakes[: SHOWN - len(self.first)]
        self.count += len(mistakes)


class Answers(ABC):
    """One version's ways to write, and to say no."""

    database: ClassVar[str] = "db"
    """The parameter that names the database."""
    precision: ClassVar[str] = "ns"
    """The precision of times where the request names none."""

    def named(self, asked: Mapping[str, str]) -> str:
        """The database that a request names."""
        return asked.get(self.database, "")

    @abstractmethod
    def no(self, status: HTTPStatus, words: str) -> dict[str, Any]:
        """The body that says that nothing was written."""

    @abstractmethod
    def partly(self, mistakes: Mistakes, kept: int) -> dict[str, Any]:
        """The body that says which lines were not written, beside so many that were."""


class V1(Answers):
    """InfluxDB 1.x."""

    def no(self, status: HTTPStatus, words: str) -> dict[str, Any]:
        return {"error": words}

    def partly(self, mistakes: Mistakes, kept: int) -> dict[str, Any]:
        return {"error": _told(mistakes, kept)}


class V2(Answers):
    """InfluxDB 2."""

    database = "bucket"
    _codes: ClassVar = {400: "invalid", 401: "unauthorized", 404: "not found", 413: "request too large",
                        415: "invalid", 429: "too many requests", 503: "unavailable"}  # fmt: skip

    def named(self, asked: Mapping[str, str]) -> str:
        return asked.get(self.database, "").partition("/")[0]  # clients of 1.8 write database/retention policy

    def no(self, status: HTTPStatus, words: str) -> dict[str, Any]:
        return {"code": self._codes.get(status, "invalid"), "message": words}

    def partly(self, mistakes: Mistakes, kept: int) -> dict[str, Any]:
        return self.no(HTTPStatus.BAD_REQUEST, _told(mistakes, kept))


class V3(Answers):
    """InfluxDB 3."""

    precision = "auto"

    def no(self, status: HTTPStatus, words: str) -> dict[str, Any]:
        return {"error": words}

    def partly(self, mistakes: Mistakes, kept: int) -> dict[str, Any]:
        lines = [
            {"original_line": _short(m.line), "line_number": m.number, "error_message": m.reason}
            for m in mistakes.first
        ]
        return {"error": "partial write of line protocol occurred", "data": lines}


def _told(mistakes: Mistakes, kept: int) -> str:
    said = "\n".join(f"unable to parse '{_short(m.line)}': {m.reason}" for m in mistakes.first)
    if more := mistakes.count - len(mistakes.first):
        said += f"\nand {more} lines more"
    return f"partial write: {said} dropped={mistakes.count}" if kept else said


def _short(line: str) -> str:
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}…"


def encode(said: Any) -> bytes:
    """JSON as InfluxDB sends it."""
    return json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
