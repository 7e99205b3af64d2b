"""The lines of a body, one after the other: never all of them at once."""

import re
from collections.abc import Iterator

_PIECE = 65536  # signs of a body that are taken apart at a time

# A group that gives nothing back is (?>(?:…)*), never (?:…)*+: that matches wrongly in Python 3.11.0 to 3.11.4.
_rest = re.compile(r'(?>(?:[^"\n]++|(?<=[^\\]=)"[^"\\]*+(?>(?:\\.[^"\\]*+)*)(?:"|\Z)|")*)', re.DOTALL).match
gap = re.compile(r"(?<!\\) [ \t\0]*").search
"""What stands between the tags of a line and its fields."""


def lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines of a body and their numbers; in quotes, after an equal sign among the fields, a line goes on."""
    if '"' not in text:
        yield from enumerate(_split(text), 1)
        return
    begin, number = 0, 1
    while begin < len(text):
        end = text.find("\n", begin)
        end = len(text) if end < 0 else end
        if text.find('"', begin, end) >= 0 and text[begin:end].lstrip(" \t\0")[:1] != "#":
            space = gap(text, begin, end)
            found = _rest(text, space.end()) if space else None
            end = found.end() if found else end
        line = text[begin:end]
        yield number, line
        begin, number = end + 1, number + 1 + line.count("\n")


def _split(text: str) -> Iterator[str]:
    """The lines of a text, without having all of them at once."""
    begin = 0
    while begin < len(text):
        end = text.find("\n", begin + _PIECE)
        end = len(text) if end < 0 else end
        yield from text[begin:end].split("\n")
        begin = end + 1
