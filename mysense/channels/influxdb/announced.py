"""Which idents of each node a database has been told, and so which data is ``new``."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from mysense.state import State
from mysense.telegram import Data, Ident

KEPT = 8
"""Idents of a node that are remembered: data that is sent again meets those of its batch."""
TRIED = "?"
"""Before the digest of an ident that may not be there, in what is remembered."""
_CACHED = 4096


@dataclass(slots=True)
class _Told:
    """An ident, the time of the first data under it, and whether the ident itself is there."""

    digest: str
    first: int | None
    since: int | None
    there: bool = True


class Announced:
    """Decides before a request is written, and remembers for good once it has been delivered.

    The data of exactly the first time under an ident is ``new=1``, all other ``new=0``, so
    a retry, a repeat and a replay give the same point. That time stands from the first try:
    a server may have what it did not confirm, and a point that it has must not come again with
    another tag. Data that is late, under an ident older than the one told last, does not bring
    its ident back.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._told: dict[str, list[_Told]] = {}  # by database and node, the newest first
        self._changed: dict[str, str] = {}  # since what was taken last, and how it was then
        # By the identity of an ident, with the database it was told last: this is asked of all data.
        self._firsts: dict[int, tuple[Ident, str, int | None]] = {}

    def ident(self, database: str, ident: Ident) -> bool:
        """Whether an ident is to be told."""
        key = _key(database, ident.node)
        told = self._get(key)
        last = next((each for each in told if each.there), None)
        if last and (last.digest == ident.digest or _older(ident, last)):
            return False
        self._changed.setdefault(key, _text(told))
        tried = next((each for each in told if _same(each, ident) and not each.there), None)
        others = [each for each in told if each is not tried]
        self._told[key] = [_Told(ident.digest, tried.first if tried else None, ident.since), *others[: KEPT - 1]]
        return True

    def data(self, database: str, data: Data) -> tuple[bool, bool]:
        """Whether the ident of this data is to be told before it, and whether the data is new."""
        ident = data.ident
        known = self._firsts.get(id(ident))
        if known and known[0] is ident and known[1] == database:
            return False, data.time == known[2]
        tell = self.ident(database, ident)
        key = _key(database, ident.node)
        told = _found(ident, self._get(key))
        if told and told.first is None:
            self._changed.setdefault(key, _text(self._told[key]))
            told.first = data.time
        if len(self._firsts) >= _CACHED:
            self._firsts.clear()
        first = told.first if told else None
        self._firsts[id(ident)] = ident, database, first
        return tell, data.time == first

    def take(self) -> dict[str, str]:
        """What was decided since the last call, as it is to be remembered once it is delivered."""
        taken = {key: _text(self._told[key]) for key in self._changed}
        self._changed.clear()
        return taken

    def undo(self) -> None:
        """Nothing was decided since the last call of ``take``; what was taken before and is on its way still counts."""
        for key, before in self._changed.items():
            self._told[key] = _parsed(before)
        self._changed.clear()
        self._firsts.clear()

    def delivered(self, taken: Mapping[str, str]) -> None:
        """What was taken is there."""
        self._state.update(taken)

    def failed(self, taken: Mapping[str, str]) -> None:
        """It is not, or nobody knows: idents are told again, and what was the first data stays the first."""
        for key, text in taken.items():
            there = _parsed(self._state.get(key, ""))
            tried = []
            for each in _parsed(text):
                known = next((other for other in there if _alike(each, other)), None)
                if known:
                    known.first = each.first if known.first is None else known.first
                elif each.first is not None:
                    tried.append(replace(each, there=False))
            self._state[key] = _text([*tried, *there][:KEPT])
            self._told.pop(key, None)
        self._firsts.clear()

    def forget(self, database: str) -> None:
        """The database is a new one: it has been told nothing."""
        for key in [*self._state, *self._told]:
            if key == database or key.startswith(f"{database} "):
                self._state.pop(key, None)
                self._told.pop(key, None)
        self._firsts.clear()

    def _get(self, key: str) -> list[_Told]:
        if key not in self._told:
            self._told[key] = _parsed(self._state.get(key, ""))
        return self._told[key]


def _key(database: str, node: str) -> str:
    return node if node == database else f"{database} {node}"


def _older(ident: Ident, told: _Told) -> bool:
    return ident.since is not None and told.since is not None and ident.since < told.since


def _same(told: _Told, ident: Ident) -> bool:
    return told.digest == ident.digest and told.since == ident.since


def _alike(one: _Told, other: _Told) -> bool:
    return one.digest == other.digest and one.since == other.since


def _found(ident: Ident, told: list[_Told]) -> _Told | None:
    """What is known of an ident: a kit may have the same again after another, and then its time tells which it is."""
    same = [each for each in told if each.digest == ident.digest]
    return next((each for each in same if each.since == ident.since), same[0] if same else None)


def _text(told: list[_Told]) -> str:
    words = ((each.digest if each.there else TRIED + each.digest, each.first, each.since) for each in told)
    return " ".join("-" if word is None else str(word) for each in words for word in each)


def _parsed(text: str) -> list[_Told]:
    words = text.split()
    triples = zip(words[::3], words[1::3], words[2::3], strict=True)
    return [
        _Told(digest.removeprefix(TRIED), _number(first), _number(since), not digest.startswith(TRIED))
        for digest, first, since in triples
    ]


def _number(text: str) -> int | None:
    return None if text == "-" else int(text)
