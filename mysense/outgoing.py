"""What a far end is given: after the processors, without what is private, and no older than it takes."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import inf

from mysense.clock import Clock
from mysense.journal import Entry, Undated
from mysense.pipeline import Pipeline
from mysense.plugin import Publisher
from mysense.telegram import SECOND, Data, Ident, Telegram, ident_of

PRESENT = 30.0
"""Seconds that data may be on its way from the window it ends to a far end that takes only what is now."""
_IDENTS = 4096
"""Idents of which it is remembered how others see them."""


class Outgoing:
    """Makes of entries what a publisher gets.

    *private* are items of idents that are not left out; *own* is the node that measures here;
    with *relay*, the name of this journal, telegrams of all others say that they came through it.
    Single readings are left out where the far end does not know them, or without *raw*.
    """

    def __init__(
        self,
        plugin: Publisher,
        pipeline: Pipeline,
        clock: Clock,
        private: Iterable[str],
        own: str,
        relay: str,
        raw: bool = True,
    ) -> None:
        self._plugin, self._pipeline, self._clock = plugin, pipeline, clock
        self._private, self._own, self._relay = tuple(private), own, relay
        self._raw = raw and plugin.accepts_raw
        self._publics: dict[Ident, Ident] = {}
        nobody = Ident("", "")
        self._seen = nobody, nobody
        self.late = 0
        """Telegrams that the far end does not want any more, as old as they are."""

    def of(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        """What the far end is to be given for these entries, each with the number of the entry it came from."""
        if not self._raw:
            entries = [each for each in entries if not (isinstance(each.telegram, Data) and each.telegram.raw)]
        fit, items = self._fit, entries
        if self._pipeline.steps:
            items = [Entry(seq, fit(out)) for seq, telegram in entries for out in self._pipeline(telegram)]
        elif self._hides(entries):
            items = [Entry(seq, fit(telegram)) for seq, telegram in entries]
        if self._plugin.accepts_past != inf:
            oldest = self._clock.now() - int(max(self._plugin.accepts_past, PRESENT) * SECOND)
            new = {entry.seq for entry in entries if entry.__class__ is Undated}  # however old the estimate
            kept = [
                item
                for item in items
                if not isinstance(item.telegram, Data) or item.telegram.time >= oldest or item.seq in new
            ]
            self.late += len(items) - len(kept)
            items = kept
        if not self._plugin.accepts_text:
            items = [item._replace(telegram=_numbers(item.telegram)) for item in items]
        return items

    def _hides(self, entries: Sequence[Entry]) -> bool:
        """Whether any of these looks different to others: without what is private, with what way it came."""
        idents = {id(ident): ident for ident in [ident_of(telegram) for _, telegram in entries]}
        return any((self._publics.get(ident) or self._make_public(ident)) is not ident for ident in idents.values())

    def _fit(self, telegram: Telegram) -> Telegram:
        """The telegram as others may see it."""
        ident = ident_of(telegram)
        if ident is not self._seen[0]:
            self._seen = ident, self._publics.get(ident) or self._make_public(ident)
        public = self._seen[1]
        if public is ident:
            return telegram
        return public if isinstance(telegram, Ident) else replace(telegram, ident=public)

    def _make_public(self, ident: Ident) -> Ident:
        if len(self._publics) > _IDENTS:
            self._publics.clear()
        public = ident.public(self._private)
        if self._relay and public.node != self._own:
            public = public.passed_on(self._relay)
        self._publics[ident] = public
        return public


def _numbers(telegram: Telegram) -> Telegram:
    if not isinstance(telegram, Data):
        return telegram
    return replace(telegram, values={k: v for k, v in telegram.values.items() if not isinstance(v, str)})
