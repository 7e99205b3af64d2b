"""Which data telegrams of a node are known already: its last 1,000, eight bytes each.

The rings live in memory and are committed as blobs (a checkpoint) now and then; what was
appended since the checkpoint is read from the entries again. So they are exact after a
crash and cost next to nothing per telegram: a ring is looked into only when a telegram
is not newer than everything its node has sent.
"""

from array import array
from hashlib import blake2b

from mysense.journal import REPEATS


def mark(time: int, body: str) -> int:
    """Eight bytes that tell one telegram of a node from another."""
    said = blake2b(b"%d " % time + body.encode(), digest_size=8).digest()
    return int.from_bytes(said, "little", signed=True)


class Ring:
    """The newest marks of one node."""

    __slots__ = ("_next", "marks", "newest")

    def __init__(self, newest: int = -(2**63), marks: bytes = b"") -> None:
        self.newest = newest
        self.marks = array("q", marks)
        self._next = 0

    def knows(self, time: int, number: int) -> bool:
        """Whether a telegram of this time and mark has been here."""
        return time <= self.newest and number in self.marks

    def add(self, time: int, number: int) -> None:
        """Remember a telegram; the oldest is forgotten."""
        if len(self.marks) < REPEATS:
            self.marks.append(number)
        else:
            self.marks[self._next] = number
            self._next = (self._next + 1) % REPEATS
        if time > self.newest:
            self.newest = time

    def saved(self) -> bytes:
        """The marks, oldest first."""
        return (self.marks[self._next :] + self.marks[: self._next]).tobytes()
