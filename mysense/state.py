"""A small memory that is committed with a cursor, and knows what changed in it."""

from collections.abc import Iterator, Mapping, MutableMapping


class State(MutableMapping[str, str]):
    """Text by key. Keeps the keys that changed, so that a commit writes only those.

    A publisher changes its state for what has been delivered, and for what must be the same when
    it is sent again; the worker commits the changes together with the cursor. After a crash the state is as old as the
    cursor, and the same telegrams meet it again.
    """

    def __init__(self, kept: Mapping[str, str] | None = None) -> None:
        self._kept = dict(kept or {})
        self._changed: set[str] = set()

    def __getitem__(self, key: str) -> str:
        return self._kept[key]

    def __setitem__(self, key: str, value: str) -> None:
        if self._kept.get(key) != value:
            self._kept[key] = value
            self._changed.add(key)

    def __delitem__(self, key: str) -> None:
        del self._kept[key]
        self._changed.add(key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._kept)

    def __len__(self) -> int:
        return len(self._kept)

    def take_changes(self) -> dict[str, str | None]:
        """What changed since the last call, None for a deleted key."""
        changes = {key: self._kept.get(key) for key in self._changed}
        self._changed.clear()
        return changes
