"""Messages to telegrams: both layouts, told apart by what is in them, and the usual ones at once.

What comes from a node is nearly always the same up to the record of data. So what stood before
it is remembered by topic, with the ident that it meant; where a message begins with exactly
that, only the record has to be read.
"""

import json
import re
from collections import ChainMap
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from mysense import wire
from mysense.channels.mqtt import records
from mysense.channels.mqtt.topics import Topics
from mysense.state import State
from mysense.telegram import Data, Ident, Telegram, ident_of

KEPT = 4
"""Idents of a node that are remembered: data that comes late belongs to an older one."""
NODES = 20_000
"""Nodes, and topics, of which something is remembered in memory."""
MEMORY = 16_000_000
"""Bytes of messages of which something is remembered there: names of strangers must not fill it."""
TOLD = 10_000
"""Nodes whose idents are remembered over a restart."""
ROOM = 16_000_000
"""Characters of all these idents."""
PATTERNS = 256
"""Kinds of records that are read by a pattern of their own."""
LARGEST = 16_384
"""Characters of the idents of a node that are remembered so, and bytes before a record."""
_IDENT = "ident "
_RECORD = b'"data":'
_ALSO = {"flags", "note", "raw"}  # what changes the meaning of a record that follows

Names = tuple[str, str]
"""Project and serial."""


class Head(NamedTuple):
    """What stands before the record in the messages of a topic, and what it means."""

    text: bytes
    names: Names
    ident: Ident
    pattern: re.Pattern[bytes] | None = None
    """What its records are like, once one has been read by a pattern."""


_NONE = Head(b"", ("", ""), Ident("", ""))


class Telegrams:
    """Makes telegrams of messages; the idents that nodes sent by themselves are kept in *state*."""

    def __init__(self, topics: Topics, state: State) -> None:
        self._topics, self._state = topics, state
        self._heads: dict[str, Head] = {}
        self._patterns: dict[tuple[str, ...], re.Pattern[bytes]] = {}
        self._told: dict[Names, list[Ident]] = {}  # the newest last
        self._room = ROOM
        for key, text in state.items():
            if key.startswith(_IDENT):
                idents = [wire.decode_ident(line) for line in text.split("\n")]
                self._told[idents[-1].project, idents[-1].serial] = idents
                self._room -= len(text)
        self._forget()

    def _forget(self) -> None:
        """Begin with what nodes said by themselves."""
        self._heads.clear()
        self._idents = {names: idents[-1] for names, idents in self._told.items()}
        self._size = 0

    def of(self, topic: str, payload: bytes) -> Sequence[Telegram]:
        """The telegrams of a message, none of nodes that nobody asked for; ValueError if it is no telegram."""
        text, names, ident, pattern = self._heads.get(topic, _NONE)
        if text and payload.startswith(text) and payload.endswith(b"}") and self._idents.get(names) is ident:
            begin, end = len(text), len(payload) - 1
            record = records.read(payload, begin, end, pattern) if pattern else None
            record = record or self._any(topic, payload, begin, end)
            if record and (ident.since is None or record[0] >= ident.since):
                return (Data(ident, *record),)
        return self._read(topic, payload)

    def _any(self, topic: str, payload: bytes, begin: int, end: int) -> tuple[int, wire.JsonValues] | None:
        """A record that is not like those before it; what comes next may be like this one."""
        if end - begin > records.LONGEST or not (record := records.read(payload, begin, end)):
            return None
        if (head := self._heads[topic]).pattern is None:
            names = records.names(payload[begin:end])
            if names not in self._patterns and len(self._patterns) < PATTERNS:
                self._patterns[names] = records.alike(names)
            self._heads[topic] = head._replace(pattern=self._patterns.get(names, records.ANY))
        return record

    def _read(self, topic: str, payload: bytes) -> Sequence[Telegram]:
        if max(len(self._idents), len(self._heads)) > NODES or self._size > MEMORY:
            self._forget()
        telegrams = wire.decode_message(payload, ChainMap({}, self._idents))
        if not telegrams:
            return ()
        ident = ident_of(telegrams[0])
        names = ident.project, ident.serial
        self._topics.check(topic, *names)
        if not self._topics.wants(*names):
            return ()
        alone = isinstance(telegrams[0], Ident)
        if alone and ident.since is not None and ident in self._told.get(names, ())[:-1]:
            return ()  # it comes again, behind one that is newer
        known, self._idents[names] = self._idents.get(names), ident
        if known is not ident:
            self._size += len(payload)
        if alone:
            self._tell(names, ident)
        elif known is ident:  # once more: it is worth while to remember
            self._learn(topic, payload, names, ident)
        return [self._placed(telegram, names) for telegram in telegrams]

    def _learn(self, topic: str, payload: bytes, names: Names, ident: Ident) -> None:
        """Remember what stands before the record, where that is certain."""
        at = payload.find(_RECORD) + len(_RECORD)
        at += len(payload) - at - len(payload[at:].lstrip())
        if at > LARGEST:
            return
        try:
            whole, without = json.loads(payload), json.loads(payload[:at] + b"0}")
            certain = whole | {"data": 0} == without and list(whole) == list(without)
        except (ValueError, RecursionError):
            return
        if certain and not _ALSO & whole.keys():
            self._heads[topic] = Head(payload[:at], names, ident)
            self._size += at

    def _tell(self, names: Names, ident: Ident) -> None:
        """A node has said who it is; what it said before is remembered for data that comes late."""
        told = self._told.get(names, [])
        if told and told[-1] == ident:
            return
        key = f"{_IDENT}{ident.project}/{ident.serial}"
        idents = [*(each for each in told if each.since is not None), ident][-KEPT:]
        while idents and len(text := "\n".join(map(wire.encode_ident, idents))) > LARGEST:
            idents = idents[1:]
        self._room += len(self._state.get(key, ""))
        if idents and len(text) <= self._room and (told or len(self._told) < TOLD):
            self._told[names], self._state[key] = idents, text
            self._room -= len(text)
        elif told:  # better none after a restart than one that holds no longer
            del self._told[names], self._state[key]

    def _placed(self, telegram: Telegram, names: Names) -> Telegram:
        """Data that is older than the ident its node has now, under the one it had then."""
        if not isinstance(telegram, Data):
            return telegram
        since = telegram.ident.since
        if since is None or telegram.time >= since or telegram.ident is not self._idents[names]:
            return telegram
        older = [each for each in self._told.get(names, ()) if each.since is None or each.since <= telegram.time]
        return replace(telegram, ident=older[-1]) if older else telegram
