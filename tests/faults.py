"""What a network and a server can do wrong, drawn by a seed: the same seed, the same faults."""

import json
import random
from collections.abc import Iterator
from typing import NamedTuple

LINE = ("cut", "delay", "drip", "half-close", "reset", "refuse", "garbage", "hang")
"""What can happen to any connection."""
TLS = ("wrong certificate",)
"""And to one that is encrypted."""
HTTP = ("500", "429", "200 with an error", "400")
"""What a web server, or somebody who stands before it, can answer instead of the truth."""
AT_ONCE = ("refuse", "wrong certificate", *HTTP)
"""These strike new connections; those that are there are cut, else they would not be met."""


class Fault(NamedTuple):
    """One fault, to its details."""

    kind: str
    up: bool = False
    """Whether it strikes what the client says; else what it hears."""
    after: int = 0
    """Bytes of each connection that pass before it strikes."""
    pause: float = 0.0
    """Seconds: of a delay, between two drops."""
    noise: bytes = b""
    """Bytes that nobody meant."""
    path: str = ""
    """The requests that are answered so: those whose path begins like this."""
    answer: bytes = b""
    """The whole answer to them."""
    taken: bool = False
    """Whether the server was given the request all the same."""
    which: int = 0
    """Which of the wrong certificates."""

    def __str__(self) -> str:
        said = ", ".join(
            f"{name} {len(value) if isinstance(value, bytes) else value!r}"
            for name, value in zip(self._fields[1:], self[1:], strict=True)
            if value
        )
        return f"{self.kind} ({said})" if said else self.kind


def kinds(dice: random.Random, names: tuple[str, ...]) -> Iterator[str]:
    """Each of the names once, in any order, and again without end: so a short run meets all of them, too."""
    while True:
        yield from dice.sample(names, len(names))


def draw(dice: random.Random, kind: str) -> Fault:
    """A fault of a kind.

    >>> draw(random.Random(1), "reset") == draw(random.Random(1), "reset")
    True
    """
    up, after = dice.random() < 0.5, dice.choice((0, 1, 7, dice.randrange(200), dice.randrange(20_000)))
    match kind:
        case "delay":
            return Fault(kind, pause=dice.uniform(0.01, 1.5))
        case "drip":
            return Fault(kind, pause=dice.uniform(0.0, 0.02))
        case "cut" | "half-close" | "reset":
            return Fault(kind, up, after)
        case "garbage":
            return Fault(kind, after=after, pause=dice.uniform(0.0, 0.5), noise=dice.randbytes(dice.randrange(1, 500)))
        case "wrong certificate":
            return Fault(kind, which=dice.randrange(3))
        case "500" | "429" | "200 with an error" | "400":
            path, taken = dice.choice(("/", "/write")), dice.random() < 0.5
            taken = taken and kind != "400"  # no server says that of a point it has written
            return Fault(kind, path=path, answer=_answer(dice, kind), taken=taken)
    return Fault(kind)


def _answer(dice: random.Random, kind: str) -> bytes:
    match kind:
        case "500":
            return answer("500 Internal Server Error", dice.choice(('{"error":"timeout"}', "<h1>Oops</h1>", "")))
        case "429":
            wait = f"Retry-After: {dice.randrange(3)}"
            return answer("429 Too Many Requests", '{"error":"slow down"}', wait)
        case "400":
            return answer("400 Bad Request", '{"error":"unable to parse: it is in a bad mood"}')
    wrong = {"results": [{"statement_id": 0, "error": "the engine is closed"}]}
    return answer("200 OK", dice.choice((json.dumps(wrong), '{"error":"write failed"}', "<h1>Please log in</h1>")))


def answer(status: str, body: str, *headers: str) -> bytes:
    """The bytes of an answer of HTTP."""
    said = body.encode()
    return "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(said)}", *headers, "", ""]).encode() + said
