"""Messages to telegrams: both layouts, told apart by what is in them, and the usual ones at once.

What comes from a node is nearly always the same up to the record of data. So what stood before
it is remembered by topic, with the ident that it meant; where a message begins with exactly
that, only the record has to be read.
"""

import json
from collections import ChainMap
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from mysense import wire
from mysense.channels.mqtt.topics import Topics
from mysense.state import State
from mysense.telegram import Data, Ident, Telegram, ident_of

KEPT = 4
"""Idents of a node that are remembered: data that comes late belongs to an older one."""
NODES = 20_000
"""Nodes, and topics, of which something is remembered in memory."""
LARGEST = 65_536
"""Bytes of an ident that is remembered over a restart."""
_IDENT = "ident "
_RECORD = b'"data":'

Names = tuple[str, str]
"""Project and serial."""


class Head(NamedTuple):
    """What stands before the record in the messages of a topic, and what it means."""

    text: bytes
    names: Names
    ident: Ident


_NONE = Head(b"", ("", ""), Ident("", ""))


class Telegrams:
    """Makes telegrams of messages; the idents that nodes sent by themselves are kept in *state*."""

    def __init__(self, topics: Topics, state: State) -> None:
        self._topics, self._state = topics, state
        self._heads: dict[str, Head] = {}
        self._older: dict[Names, list[Ident]] = {}
        self._idents: dict[Names, Ident] = {}
        self._recall()

    def _recall(self) -> None:
        """Begin with what is in the state."""
        self._idents.clear()
        self._older.clear()
        for key, text in self._state.items():
            if key.startswith(_IDENT):
                *older, ident = [wire.decode_ident(line) for line in text.split("\n")]
                self._idents[ident.project, ident.serial] = ident
                self._older[ident.project, ident.serial] = older

    def of(self, topic: str, payload: bytes) -> Sequence[Telegram]:
        """The telegrams of a message, none of nodes that nobody asked for; ValueError if it is no telegram."""
        head, names, ident = self._heads.get(topic, _NONE)
        if head and payload.startswith(head) and payload.endswith(b"}") and self._idents.get(names) is ident:
            record = wire.plain_record(str(payload[len(head) : -1], "utf-8", "replace"))
            if record and (ident.since is None or record[0] >= ident.since):
                return (Data(ident, *record),)
        return self._read(topic, payload)

    def _read(self, topic: str, payload: bytes) -> Sequence[Telegram]:
        if len(self._idents) > NODES or len(self._heads) > NODES:  # names of strangers must not fill the memory
            self._heads.clear()
            self._recall()
        telegrams = wire.decode_message(payload, ChainMap({}, self._idents))
        if not telegrams:
            return ()
        ident = ident_of(telegrams[0])
        names = ident.project, ident.serial
        self._topics.check(topic, *names)
        if not self._topics.wants(*names):
            return ()
        known, self._idents[names] = self._idents.get(names), ident
        if isinstance(telegrams[0], Ident):
            self._tell(known, ident)
        elif known is ident:  # once more: it is worth while to remember
            self._learn(topic, payload, names, ident)
        return [self._placed(telegram, names) for telegram in telegrams]

    def _learn(self, topic: str, payload: bytes, names: Names, ident: Ident) -> None:
        """Remember what stands before the record, where that is certain."""
        at = payload.find(_RECORD) + len(_RECORD)
        at += len(payload) - at - len(payload[at:].lstrip())
        try:
            whole, without = json.loads(payload), json.loads(payload[:at] + b"0}")
        except ValueError:
            return
        if whole | {"data": 0} == without and list(whole) == list(without):
            self._heads[topic] = Head(payload[:at], names, ident)

    def _tell(self, known: Ident | None, ident: Ident) -> None:
        """A node has said who it is; what it said before is remembered for data that comes late."""
        names = ident.project, ident.serial
        if known == ident:
            return
        older = self._older.get(names, [])
        if known and known.since is not None and names in self._older:
            older = [*older, known][1 - KEPT :]
        text = "\n".join(map(wire.encode_ident, [*older, ident]))
        if len(text) <= LARGEST and len(self._older) < NODES:
            self._older[names] = older
            self._state[f"{_IDENT}{ident.project}/{ident.serial}"] = text

    def _placed(self, telegram: Telegram, names: Names) -> Telegram:
        """Data that is older than the ident its node has now, under the one it had then."""
        if not isinstance(telegram, Data):
            return telegram
        since = telegram.ident.since
        if since is None or telegram.time >= since or telegram.ident is not self._idents[names]:
            return telegram
        older = [each for each in self._older.get(names, ()) if each.since is None or each.since <= telegram.time]
        return replace(telegram, ident=older[-1]) if older else telegram
