"""The worker of a publisher: cursor, processors, lanes, and what the far end refuses."""

import logging
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import takewhile
from math import inf
from typing import NamedTuple

from mysense.ahead import Ahead
from mysense.clock import Clock
from mysense.errors import RejectedError
from mysense.journal import Changes, Cursor, Entry, Journal, Parked, Undated
from mysense.outgoing import Outgoing
from mysense.pipeline import Pipeline
from mysense.plugin import Processor, Publisher
from mysense.state import State
from mysense.telegram import ident_of
from mysense.worker import Worker, backoff, log, reason

BLOCK = 20
"""Rejections in a row after which a lane waits for an operator: a systematic mistake must
not pour a whole history into the rejected."""
REASONS = 20
"""Reasons for which lanes wait that are remembered as told."""
LONG = 86400.0
"""Seconds: a far end that takes data as old as this waits for the clock as long as it takes."""
CLOCK = "the clock"
"""The lane of what this kit measured before its clock was set: other nodes pass it by."""
_NOT_SET = "the clock is not set yet; measured data waits in the journal"
_OWN = "publisher/"


class Stuck(NamedTuple):
    """Why a lane does not go on, and the number of the first entry that has to wait."""

    seq: int
    reason: str
    blocked: bool
    wait: float | None = None


class PublishWorker(Worker):
    """Fetch, process, publish, ack. One failing lane is parked and holds up no other.

    *private* are items of idents that are not left out; *own* is the node that measures here.
    A far end that takes nothing old waits *clock_wait* seconds for the clock, and is given
    estimates then. Single readings are left out where it does not know them, or without *raw*.
    """

    plugin: Publisher

    def __init__(
        self,
        section: str,
        plugin: Publisher,
        stop: threading.Event,
        clock: Clock,
        journal: Journal,
        cursor: Cursor,
        steps: Sequence[tuple[str, Processor]] = (),
        private: Iterable[str] = (),
        own: str = "",
        clock_wait: float = 0.0,
        raw: bool = True,
    ) -> None:
        super().__init__(section, plugin, stop, clock)
        self._clock_wait = inf if plugin.accepts_past >= LONG else clock_wait
        self._undated_since: float | None = None
        self.draining = threading.Event()
        self.retry = threading.Event()
        self._journal, self.cursor = journal, cursor
        kept = cursor.state()
        plugin.state = State({k.removeprefix(_OWN): v for k, v in kept.items() if k.startswith(_OWN)})
        self._pipeline = Pipeline(steps, kept)
        relay = journal.status().id if plugin.signs else ""
        self._outgoing = Outgoing(plugin, self._pipeline, clock, private, own, relay, raw)
        self.lanes: dict[str, Parked] = dict(cursor.lanes)
        self._tries: dict[str, int] = {}
        self._due: dict[str, float] = {}
        self._streak: dict[str, int] = {}
        self._said: set[str] = set()
        self._published = -inf
        self._ahead = Ahead(journal)

    @property
    def skipped(self) -> int:
        """Telegrams that the far end does not want any more, as old as they are."""
        return self._outgoing.late + self.plugin.skipped

    def step(self) -> None:
        if self.retry.is_set():
            self._retry()
        self._catch_up()
        if (pause := self._published + self.plugin.min_interval - self.clock.monotonic()) > 0:
            self.clock.wait(self.stop, min(pause, 1.0))
            return
        # Wakes within a second to see whether to stop, and for parked lanes whose time has come.
        entries = self._ahead.take(self.cursor.seq) or self.cursor.fetch(
            self.plugin.max_batch, 0.0 if self.draining.is_set() else 1.0
        )
        if not entries:
            self.plugin.idle()
            if self.lanes:
                self._tell()
            elif not self.draining.is_set():
                self.become("running")
            if self.draining.is_set():
                self.stop.set()
            return
        if len(entries) == self.plugin.max_batch:  # a backlog: read on while the far end works
            self._ahead.begin(entries[-1].seq, self.plugin.max_batch)
        items = self._outgoing.of(self._dated(entries))
        lane = self.plugin.lane
        free = [item for item in items if lane(item.telegram) not in self.lanes] if self.lanes else items
        stuck = self._publish(free)
        if stuck and self._pipeline.remembers:  # what was processed cannot be made again: hold everything
            raise OSError("; ".join(s.reason for s in stuck.values()))
        self._park(items, stuck)
        self._commit(entries[-1].seq)
        if not self.lanes:
            self.well(len(entries))

    def _dated(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        """The entries without those of this kit that wait for its clock, or stand behind such."""
        if CLOCK not in self.lanes:
            first = next((entry for entry in entries if self._must_wait(entry)), None)
            if first is None:
                return entries
            self.lanes[CLOCK] = Parked(first.seq, frozenset((ident_of(first.telegram).node,)), _NOT_SET)
            self._commit(self.cursor.seq)
            self._tell()
        waits = self.lanes[CLOCK]
        return [e for e in entries if e.seq < waits.seq or ident_of(e.telegram).node not in waits.nodes]

    def _must_wait(self, entry: Entry) -> bool:
        if entry.__class__ is not Undated:
            return False
        if self._undated_since is None:
            self._undated_since = self.clock.monotonic()
        return self.clock.monotonic() - self._undated_since < self._clock_wait

    def _publish(self, items: Sequence[Entry]) -> dict[str, Stuck]:
        """Deliver or set aside all items; the lanes that do not go on. Raises OSError for all."""
        if not items:
            return {}
        self._published = self.clock.monotonic()
        lane = self.plugin.lane
        try:
            failures = self.plugin.publish([item.telegram for item in items]) or {}
        except RejectedError as refused:
            failures = dict.fromkeys((lane(item.telegram) for item in items), refused)
        for name in {lane(item.telegram) for item in items}.difference(failures) if self._streak else ():
            self._streak.pop(name, None)
        stuck = {}
        for name, error in failures.items():
            mine = [item for item in items if lane(item.telegram) == name]
            if left := self._work_off(name, mine, error):
                stuck[name] = left
        return stuck

    def _work_off(self, lane: str, items: Sequence[Entry], error: Exception | None) -> Stuck | None:
        """Halve the items of a lane until those that are not wanted stand alone."""
        if error is None:
            self._streak.pop(lane, None)
            return None
        if not isinstance(error, RejectedError):
            return Stuck(items[0].seq, reason(error), False, getattr(error, "wait", None))
        if len(items) == 1:
            return self._set_aside(lane, items[0], error)
        middle = len(items) // 2
        for half in (items[:middle], items[middle:]):
            if left := self._work_off(lane, half, self._attempt(lane, half)):
                return left
        return None

    def _attempt(self, lane: str, items: Sequence[Entry]) -> Exception | None:
        try:
            return (self.plugin.publish([item.telegram for item in items]) or {}).get(lane)
        except (OSError, RejectedError) as error:
            return error

    def _set_aside(self, lane: str, item: Entry, error: RejectedError) -> Stuck | None:
        why = reason(error)
        self.cursor.reject(item.seq, why, item.telegram)
        count = self._streak[lane] = self._streak.get(lane, 0) + 1
        if count == 1:  # told once; the rest is counted
            log.warning("%s: telegram %d set aside: %s", self.section, item.seq, why)
        if count < BLOCK:
            return None
        text = f"{count} telegrams in a row were refused ({why}); see 'mysense journal rejected', mend, then 'retry'"
        return Stuck(item.seq + 1, text, True)

    def _park(self, items: Sequence[Entry], stuck: Mapping[str, Stuck]) -> None:
        """Leave the lanes that do not go on behind, and note which nodes they have."""
        if not (stuck or self.lanes):
            return
        for name, left in stuck.items():
            self.lanes[name] = Parked(left.seq, frozenset(), left.reason, left.blocked)
            self._postpone(name, left)
        nodes: dict[str, set[str]] = {}
        for item in items:
            nodes.setdefault(self.plugin.lane(item.telegram), set()).add(ident_of(item.telegram).node)
        for name in nodes.keys() & self.lanes.keys():
            self.lanes[name] = replace(self.lanes[name], nodes=self.lanes[name].nodes | nodes[name])

    def _postpone(self, lane: str, left: Stuck) -> None:
        tries = self._tries[lane] = self._tries.get(lane, 0) + 1
        self._due[lane] = self.clock.monotonic() + backoff(tries, left.wait)
        self._tell()

    def _tell(self) -> None:
        worst = max(self.lanes.values(), key=lambda parked: parked.blocked)
        more = f" (and {len(self.lanes) - 1} more)" if len(self.lanes) > 1 else ""
        # Each reason is told once: lanes fail and catch up one by one, but it is the same outage.
        known = worst.reason in self._said
        self._said = {worst.reason, *(self._said if len(self._said) < REASONS else ())}
        self.become("blocked" if worst.blocked else "waiting", worst.reason + more, logging.DEBUG if known else None)

    def _catch_up(self) -> None:
        """Try the parked lanes whose time has come, a batch each."""
        for name in list(self.lanes):
            if not self.lanes[name].blocked and self._due.get(name, 0.0) <= self.clock.monotonic():
                if name == CLOCK:
                    self._catch_up_with_clock()
                else:
                    self._catch_up_with(name)

    def _catch_up_with_clock(self) -> None:
        """Deliver what waited for the clock, once its time is known, behind what its node has in other lanes."""
        waits = self.lanes[CLOCK]
        if any(waits.nodes & parked.nodes for name, parked in self.lanes.items() if name != CLOCK):
            return
        if waits.seq > self.cursor.seq or any(map(self._must_wait, self.cursor.fetch_parked(CLOCK, 1))):
            return
        found = self.cursor.fetch_parked(CLOCK, self.plugin.max_batch)
        entries = list(takewhile(lambda entry: not self._must_wait(entry), found))
        stuck = self._publish(self._outgoing.of(entries))
        if stuck and self._pipeline.remembers:
            raise OSError("; ".join(s.reason for s in stuck.values()))
        if stuck:
            first = min(stuck.values(), key=lambda left: left.seq)
            self.lanes[CLOCK] = replace(waits, seq=first.seq, reason=first.reason, blocked=first.blocked)
            self._postpone(CLOCK, first)
        elif len(entries) == self.plugin.max_batch or len(entries) < len(found):
            self.lanes[CLOCK] = replace(waits, seq=entries[-1].seq + 1, reason=_NOT_SET)
            self._tries.pop(CLOCK, None)
            self.status.count += len(entries)
        else:
            self._caught_up(CLOCK, len(entries))
        self._commit(self.cursor.seq)

    def _catch_up_with(self, name: str) -> None:
        entries = self.cursor.fetch_parked(name, self.plugin.max_batch)
        items = [item for item in self._outgoing.of(self._dated(entries)) if self.plugin.lane(item.telegram) == name]
        if items and (left := self._work_off(name, items, self._attempt(name, items))):
            self.lanes[name] = replace(self.lanes[name], seq=left.seq, reason=left.reason, blocked=left.blocked)
            self._postpone(name, left)
        elif entries and entries[-1].seq < self.cursor.seq:
            self.lanes[name] = replace(self.lanes[name], seq=entries[-1].seq + 1)
            self._tries.pop(name, None)
            self.status.count += len(items)
        else:
            self._caught_up(name, len(items))
        self._commit(self.cursor.seq)

    def _caught_up(self, name: str, count: int = 0) -> None:
        del self.lanes[name]
        self._tries.pop(name, None)
        self._due.pop(name, None)
        log.info("%s: %s has caught up", self.section, name or "it")
        if self.lanes:
            self._tell()
        else:
            self._said.clear()
            self.well(count)

    def _commit(self, seq: int) -> None:
        changes: dict[str, str | None] = {_OWN + k: v for k, v in self.plugin.state.take_changes().items()}
        state: Changes = changes | self._pipeline.take_changes()
        self.cursor.ack(seq, self.lanes, state)

    def _retry(self) -> None:
        """Send again what was set aside, and let blocked lanes go on."""
        self.retry.clear()
        self.lanes = {name: replace(parked, blocked=False) for name, parked in self.lanes.items()}
        self._streak.clear()
        self._due.clear()
        kept, failures = self._journal.rejected(self.section), list[Exception]()
        for each in kept:
            if error := self._attempt(self.plugin.lane(each.telegram), [Entry(each.seq, each.telegram)]):
                failures.append(error)
            else:
                self._journal.drop_rejected([each.number])
        if kept:
            sent, why = len(kept) - len(failures), f": {reason(failures[-1])}" if failures else ""
            log.info("%s: of %d telegrams set aside %d are delivered now%s", self.section, len(kept), sent, why)
