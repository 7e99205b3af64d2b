"""What may be shown to people: no secret, and nothing that steers a terminal."""

import json
import re
import traceback
from base64 import b64encode
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

MASK = "********"
"""What stands where a secret would."""
SHORTEST = 4
"""Signs of a secret that is looked for: a shorter one is found in every other word."""

_MOST = 2000
_learnt: dict[str, None] = {}  # the newest last
_SHAPES = (  # what a secret stands behind in texts that are not ours, kept; and the secret
    r"(://[^\s/:@]*:)[^\s/]+(?=@)",
    r"(\bauthorization['\"]?\s*[:=,]\s*(?:b?['\"])?)[^'\"\n]+",
    r"(\b(?:basic|bearer|token)\s+)(?=\S*\d)[\w+/=.~-]{16,}",
    r"([?&](?:p|password|token)=)[^\s&'\"]+",
    r"(\bpassword\s+')[^'…]+",
)
_shapes = tuple(re.compile(shape, re.IGNORECASE) for shape in _SHAPES)


def learn(secret: str) -> None:
    """Remember a secret: from now on ``masked`` hides it, whoever tells it."""
    if len(secret) < SHORTEST:
        return
    for form in _forms(secret):
        _learnt.pop(form, None)
        _learnt[form] = None
    while len(_learnt) > _MOST:  # passwords that were changed long ago
        del _learnt[next(iter(_learnt))]


def _forms(secret: str) -> Iterator[str]:
    """A secret as it may stand in a text: as it is, in Python, in JSON, in an address, inside of Base64."""
    data = secret.encode("utf-8", "surrogateescape")
    yield from (secret, repr(secret)[1:-1], ascii(secret)[1:-1], repr(data)[2:-1], json.dumps(secret)[1:-1])
    yield from (quote(data, safe=""), quote_plus(data))
    for before in range(3):  # bytes that stand before it, modulo three; only whole signs of it are looked for
        first, last = -(-before * 8 // 6), (before + len(data)) * 8 // 6
        if last - first > SHORTEST:
            yield b64encode(bytes(before) + data).decode()[first:last]


def masked(text: str) -> str:
    """*text* without the secrets that were learnt, and without what looks like one.

    >>> masked("cannot reach http://ios:xyz@192.0.2.1:8086/write?u=ios&p=xyz")
    'cannot reach http://ios:********@192.0.2.1:8086/write?u=ios&p=********'
    """
    for secret in sorted(_learnt, key=len, reverse=True):  # one may be the beginning of another
        text = text.replace(secret, MASK)
    for shape in _shapes:
        text = shape.sub(rf"\g<1>{MASK}", text)
    return text


def printable(line: str) -> str:
    """*line* with escapes for what a terminal would obey: what strangers write must not steer it.

    >>> printable("a\\x1b[2Jb")
    'a\\\\x1b[2Jb'
    """
    if line.isprintable():
        return line
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in line)


def lines(text: str) -> str:
    """A text of several lines without secrets, each printable, and indented from the second one on.

    So what strangers write begins no line that could pass for another message.
    """
    return "\n    ".join(map(printable, masked(text).split("\n")))


def failure() -> str:
    """The traceback of the exception that is being handled, as people may see it."""
    return lines(traceback.format_exc().rstrip())


def printable_json(text: str) -> str:
    """The same for JSON: it still says what it said, and its ends of lines stay.

    >>> printable_json('{"say": "\\u009b2J"}')
    '{"say": "\\\\u009b2J"}'
    """
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() or sign == "\n" else json.dumps(sign)[1:-1] for sign in text)
