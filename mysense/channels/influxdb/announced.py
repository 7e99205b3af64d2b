"""Which ident of each node a database has been told, and so which data is ``new``."""

from collections.abc import Iterable
from dataclasses import dataclass

from mysense.state import State
from mysense.telegram import Data, Ident


@dataclass(slots=True)
class _Known:
    """The ident told last, and the time of the first data after it."""

    digest: str
    first: int | None
    since: int | None
    ident: Ident | None = None


_NONE = _Known("", None, None)


class Announced:
    """Decides before a request is written, and remembers for good once it has been delivered.

    The data of exactly the first time under an ident is ``new=1``, all other ``new=0``, so
    a retry, a repeat and a replay give the same point. Data that is late, under an ident
    older than the one told last, does not bring its ident back.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._known: dict[str, _Known] = {}
        self._changed: set[str] = set()
        self._last = _NONE

    def ident(self, ident: Ident) -> bool:
        """Whether an ident is to be told."""
        known = self._get(ident.node)
        if known and (known.digest == ident.digest or _older(ident, known)):
            return False
        self._known[ident.node] = _Known(ident.digest, None, ident.since)
        self._changed.add(ident.node)
        return True

    def data(self, data: Data) -> tuple[bool, bool]:
        """Whether the ident of this data is to be told before it, and whether the data is new."""
        ident = data.ident
        if ident is self._last.ident:
            return False, data.time == self._last.first
        known = self._last = self._known.get(ident.node) or self._get(ident.node) or _NONE
        if known.ident is ident:
            return False, data.time == known.first
        tell = False
        if known.digest != ident.digest:
            if _older(ident, known):
                return False, False
            known = self._last = self._known[ident.node] = _Known(ident.digest, None, ident.since)
            tell = True
        if known.first is None:
            known.first = data.time
            self._changed.add(ident.node)
        known.ident = ident
        return tell, data.time == known.first

    def delivered(self, nodes: Iterable[str]) -> None:
        """What was written for these nodes is there."""
        for node in self._changed.intersection(nodes):
            known = self._known[node]
            self._state[node] = f"{known.digest} {_text(known.first)} {_text(known.since)}"
            self._changed.discard(node)

    def failed(self, nodes: Iterable[str]) -> None:
        """It is not: forget what was decided since."""
        for node in self._changed.intersection(nodes):
            self._changed.discard(node)
            self._known.pop(node, None)
        self._last = _NONE

    def _get(self, node: str) -> _Known | None:
        if node not in self._known and node in self._state:
            digest, first, since = self._state[node].split()
            self._known[node] = _Known(digest, _number(first), _number(since))
        return self._known.get(node)


def _older(ident: Ident, known: _Known) -> bool:
    return ident.since is not None and known.since is not None and ident.since < known.since


def _text(time: int | None) -> str:
    return "-" if time is None else str(time)


def _number(text: str) -> int | None:
    return None if text == "-" else int(text)
