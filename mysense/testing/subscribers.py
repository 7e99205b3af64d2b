"""What the daemon relies on in a subscriber, and that what was published comes back as it was."""

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, ClassVar

import pytest

from mysense import examples
from mysense.clock import Clock
from mysense.journal.memory import MemoryJournal
from mysense.plugin import Subscriber
from mysense.telegram import SECOND, Data, Field, Ident, Location, Telegram, clean
from mysense.testing.plugins import AT_ONCE, PATIENCE, PluginContract
from mysense.worker import SubscribeWorker


def normal(telegrams: Iterable[Telegram], precision: int = 1) -> list[Telegram]:
    """Idents and data as a channel may change them: what is equal then came through whole.

    Numbers are floats, times are whole multiples of *precision* (ns), private items are left
    out, and so are flags, whether a value stood before another, and since when an ident holds,
    which its first data says.
    """
    result: list[Telegram] = []
    for telegram in telegrams:
        if isinstance(telegram, Ident):
            result.append(_public(telegram))
        elif isinstance(telegram, Data):
            values = {
                name: float(value) if isinstance(value, int) and not isinstance(value, bool) else value
                for name, value in sorted(clean(telegram.values).items())
            }
            result.append(Data(_public(telegram.ident), telegram.time // precision * precision, values))
    return result


def _public(ident: Ident) -> Ident:
    return replace(ident.public(), meta=dict(sorted(ident.public().meta.items())), since=None)


def telegrams() -> list[Telegram]:
    """What is sent: the examples, then a second node with an ident that changes and whatever a value may be."""
    first = Ident(
        "Demo", "contract", "shed 7", Location(51.5, 6.1, 22.9), (Field("temp", "C", "BME280"), Field("say")),
        {"description": 'a "word", and\\another = ü ✓', "floor": 2}, since=1_700_000_000 * SECOND,
    )  # fmt: skip
    second = replace(first, label="roof", since=1_700_000_100 * SECOND)
    return [
        *(t.public() if isinstance(t, Ident) else replace(t, ident=t.ident.public()) for t in examples.telegrams()),
        Data(first, 1_700_000_000 * SECOND, {"temp": 0}),
        Data(first, 1_700_000_001 * SECOND, {"temp": -3.25, "say": "SHOWTIME", "ok": True}),
        Data(first, 1_700_000_002 * SECOND, {"temp": 2**53, "say": 'a "b", c\\d =e ü ✓', "ok": False}),
        Data(first, 1_700_000_003 * SECOND, {"say": "", "geolocation": "51.5,6.2,0"}),
        Data(second, 1_700_000_100 * SECOND, {"temp": 1e-9}),
        Data(second, 1_700_000_101 * SECOND, {"temp": 1.5}),
    ]


def expected(sent: Iterable[Telegram]) -> list[Data]:
    """The data among what was sent, normal, by node and time."""
    found = [telegram for telegram in normal(sent) if isinstance(telegram, Data)]
    return sorted(found, key=lambda data: (data.ident.node, data.time))


class SubscriberContract(PluginContract):
    """What the daemon relies on in a subscriber."""

    kind = "subscriber"
    replays: ClassVar[bool] = True
    """Whether the source gives again what was not confirmed; if not, whoever sends it must be told."""

    def make(self) -> Subscriber:
        """A subscriber whose source is there."""
        raise NotImplementedError("override make: return your subscriber, with options that work here")

    def send(self, telegrams: Sequence[Telegram]) -> Any:
        """Let telegrams come in from the source; a thread runs it while the subscriber receives.

        Raises OSError or AssertionError where the subscriber refuses them.
        """
        raise NotImplementedError("override send: bring these telegrams to where your subscriber takes them from")

    def _receive(self, subscriber: Subscriber, wanted: int) -> list[Telegram]:
        """What comes in, until there was so much data; each receive comes back at once."""
        got: list[Telegram] = []
        end = time.monotonic() + PATIENCE
        while sum(isinstance(telegram, Data) for telegram in got) < wanted:
            begun = time.monotonic()
            got += subscriber.receive()
            took = time.monotonic() - begun
            assert took < AT_ONCE, f"receive took {took:.1f} s: return after a second, so that the daemon can stop"
            assert time.monotonic() < end, f"{len(got)} telegrams within {PATIENCE:.0f} s"
            subscriber.confirm()
        return got

    def test_nothing_is_an_answer_too(self) -> None:
        with self.make() as subscriber:
            begun = time.monotonic()
            assert not subscriber.receive()
            assert time.monotonic() - begun < AT_ONCE

    def test_what_is_sent_comes_in_as_it_was(self) -> None:
        sent = telegrams()
        with self.make() as subscriber, _sending(self, sent):
            got = self._receive(subscriber, len(expected(sent)))

        assert expected(got) == expected(sent)

    def test_what_is_in_the_journal_does_not_come_again_after_a_restart(self) -> None:
        sent, journal = telegrams(), MemoryJournal()
        first = self._worker(journal)
        with first.plugin, _sending(self, sent):
            self._work(first, journal, len(expected(sent)))
        again = self._worker(journal)
        with again.plugin:
            again.step()

        assert expected(entry.telegram for entry in journal.read(0, 999)) == expected(sent)
        assert journal.status().repeated == 0

    def test_what_could_not_be_kept_comes_again_or_is_refused(self) -> None:
        sent, journal = telegrams(), MemoryJournal()
        worker, append = self._worker(journal), journal.append
        journal.append = _full  # type: ignore[method-assign, assignment]
        refused: list[BaseException] = []
        worker.plugin.open()
        try:
            sending = _sent(self, sent, refused)
            with pytest.raises(OSError, match="full"):
                self._work(worker, journal, 1)
        finally:
            worker.plugin.close()
        sending.join(PATIENCE)
        journal.append = append  # type: ignore[method-assign]
        if not self.replays:
            assert refused, "whoever sent it believes that it was taken"
            return
        with worker.plugin:
            self._work(worker, journal, len(expected(sent)))

        assert expected(entry.telegram for entry in journal.read(0, 999)) == expected(sent)

    def _worker(self, journal: MemoryJournal) -> SubscribeWorker:
        return SubscribeWorker("subscriber:contract", self.make(), threading.Event(), Clock(), journal)

    def _work(self, worker: SubscribeWorker, journal: MemoryJournal, wanted: int) -> None:
        """Let a worker take in so much data."""
        end = time.monotonic() + PATIENCE
        while sum(isinstance(entry.telegram, Data) for entry in journal.read(0, 999)) < wanted:
            worker.step()
            assert time.monotonic() < end, f"not everything came in within {PATIENCE:.0f} s"


def _full(*_: object) -> int:
    raise OSError("the disk is full")


@contextmanager
def _sending(suite: SubscriberContract, sent: Sequence[Telegram]) -> Iterator[None]:
    """Let a suite send while something else is done."""
    thread = _sent(suite, sent)
    try:
        yield
    finally:
        thread.join(PATIENCE)


def _sent(
    suite: SubscriberContract, sent: Sequence[Telegram], refused: list[BaseException] | None = None
) -> threading.Thread:
    """A thread in which a suite sends; what that raises is *refused*."""

    def send() -> None:
        try:
            suite.send(sent)
        except (OSError, AssertionError) as error:
            if refused is None:
                raise
            refused.append(error)

    thread = threading.Thread(target=send)
    thread.start()
    return thread
