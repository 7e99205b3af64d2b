"""Which idents each node has told, kept over a restart."""

from mysense import wire
from mysense.channels._influx.points import Known, Node
from mysense.state import State

KEPT = 8
"""Idents of a node that are remembered: data that comes late belongs to an older one."""
LARGEST = 65_536
"""Bytes of an ident that is taken."""
_CACHED = 10_000
_SHORT = 1000  # signs of a label that is remembered, where it is all that is known
_LEGACY = "legacy "


class Idents:
    """The idents of nodes by the time from which they hold; what a node tells is written into *state*."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._nodes: dict[str, list[Known]] = {}  # of each node, the newest last

    def told(self, node: Node, known: Known) -> bool:
        """A node has told an ident; whether it is another one than before. One that is too large is passed over."""
        name, ident = node.ident.node, known.ident
        others = [each for each in self._get(node) if each.ident.since is not None]
        if others and others[-1].ident.digest == ident.digest and others[-1].legacy == known.legacy:
            return False
        if any(each == known for each in others):
            return False
        if len(wire.encode_ident(ident).encode()) > LARGEST:
            return False
        kept = sorted([*others, known], key=lambda each: each.ident.since or 0)[-KEPT:]
        self._nodes[name] = kept
        self._state[name] = "\n".join((_LEGACY if each.legacy else "") + wire.encode_ident(each.ident) for each in kept)
        return True

    def at(self, node: Node, time: int) -> Known:
        """The ident that holds for data of this time.

        The original wrote no times: what it tells holds from then on, whatever the data says.
        """
        kept = self._get(node)
        newest = kept[-1]
        if newest.legacy or (newest.ident.since or time) <= time:
            return newest
        return next((each for each in reversed(kept) if (each.ident.since or 0) <= time), kept[0])

    def _get(self, node: Node) -> list[Known]:
        name = node.ident.node
        if (kept := self._nodes.get(name)) is None:
            lines = self._state.get(name, "").split("\n")  # not splitlines: what people type holds other ends of lines
            kept = [known for line in lines if (known := _known(line))] or [Known(node.ident)]
            if name in self._state or len(node.label) <= _SHORT:
                if len(self._nodes) >= _CACHED:  # names of strangers must not fill the memory
                    self._nodes.clear()
                self._nodes[name] = kept
        return kept


def _known(line: str) -> Known | None:
    """An ident as it was written down; None where it cannot be read: it counts as never told."""
    try:
        return Known(wire.decode_ident(line.removeprefix(_LEGACY)), line.startswith(_LEGACY))
    except (ValueError, KeyError, TypeError):
        return None
