"""One plugin's life in one thread: open, work, close, and what to do after trouble.

This is the only place where anything is tried again.
"""

import logging
import random
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from mysense.clock import Clock
from mysense.errors import ConfigError
from mysense.journal import Journal
from mysense.pipeline import Pipeline
from mysense.plugin import Plugin, Processor, Refusal, Subscriber
from mysense.shown import masked, printable
from mysense.state import State
from mysense.telegram import Ident, Note, Telegram, Value, ident_of

PATIENCE = 60.0
"""The most seconds between two attempts, unless the far end asks for more."""
BUG = 300.0
"""Seconds between two attempts after an error that nobody foresaw."""

OPENING, READING, CLOSING = "being opened", "reading", "being closed"
"""What a plugin may not come back from."""

_OWN = "subscriber/"
_REFUSED = "refused"
_CONTENT = 4096
"""Bytes that are kept of what came in and is no telegram."""
_WORDS = 300
"""Letters of where it came from, and of the reason: both may repeat what strangers wrote."""

log = logging.getLogger("mysense")


@dataclass
class WorkerStatus:
    """How a worker is: *state* is one of starting, running, silent, waiting, stuck, failed, stopped.

    *refused* counts what came in and was no telegram.
    """

    section: str
    state: str = "starting"
    message: str = ""
    since: int = 0
    last: int | None = None
    count: int = 0
    refused: int = 0


class Worker:
    """Open, step, step, …; on trouble close, wait longer each time, open again.

    Run by a thread, but not a thread itself.
    """

    def __init__(self, section: str, plugin: Plugin, stop: threading.Event, clock: Clock) -> None:
        self.section, self.plugin, self.stop, self.clock = section, plugin, stop, clock
        self.status = WorkerStatus(section, since=clock.now())
        self.busy_since: float | None = None
        self.busy_with = ""
        self.quiet = False
        """Whether it is told already that it fails now and then."""
        self._failures = 0
        self._bug = ""

    def step(self) -> None:
        """Do one piece of work; come back within about a second."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Do what has to be done before each ``open``."""

    def failed(self, error: Exception, text: str) -> None:
        """Something went wrong, in the words *text*."""

    def run(self) -> None:
        """Work until told to stop, or until only a person can help."""
        while not self.stop.is_set():
            try:
                self.prepare()
                self._work()
            except (ImportError, ConfigError) as error:  # waiting does not install a library
                self.become("failed", str(error))
                self.failed(error, str(error))
                return
            except OSError as error:
                self.failed(error, reason(error))
                self._wait_after(error)
            except Exception as error:
                text = f"{type(error).__name__}: {reason(error)}"
                self._failures += 1
                self.failed(error, text)
                if text != self._bug:
                    log.exception("%s: a bug in mysense or in a plugin; please report it", self.section)
                self._bug = text
                self.become("waiting", text, logging.DEBUG)
                self.clock.wait(self.stop, BUG)
        self.become("stopped")

    def _work(self) -> None:
        """From opening to closing."""
        try:
            self.busy(OPENING)
            with self.plugin:
                self.busy_since = None
                try:
                    while not self.stop.is_set():
                        self.step()
                finally:
                    self.busy(CLOSING)
        finally:  # not only when what went wrong was waited for: waiting is no hanging
            self.busy_since = None

    def busy(self, doing: str) -> None:
        """The plugin does something now that may hang."""
        self.busy_with, self.busy_since = doing, self.clock.monotonic()

    def well(self, count: int = 1) -> None:
        """Something was done: say so, and forget earlier failures."""
        self._failures, self._bug = 0, ""
        self.status.count += count
        self.status.last = self.clock.now()
        self.become("running", level=logging.DEBUG if self.quiet else None)

    def become(self, state: str, message: str = "", level: int | None = None) -> None:
        """Take on a state, and log it if it is another one."""
        message = masked(message)
        if (state, message) == (self.status.state, self.status.message):
            return
        self.status.state, self.status.message, self.status.since = state, message, self.clock.now()
        if level is None:
            level = logging.WARNING if message else logging.INFO
        log.log(level, "%s: %s", self.section, f"{state}: {message}" if message else state)

    def _wait_after(self, error: OSError) -> None:
        self._failures += 1
        # Told once: while the far end goes down its failure changes its words, but it is the same outage.
        known = self.quiet or self.status.state == "waiting"
        self.become("waiting", reason(error), logging.DEBUG if known else None)
        self.clock.wait(self.stop, backoff(self._failures, getattr(error, "wait", None)))


def backoff(failures: int, asked: float | None = None) -> float:
    """Seconds to wait after so many failures in a row: doubling, and never in step with others."""
    if asked is not None:
        return min(max(asked, 0.1), 3600.0)
    return min(PATIENCE, 2.0 ** min(failures - 1, 16)) * random.uniform(0.8, 1.2)


def reason(error: BaseException) -> str:
    """An exception in one line for a person: without secrets, and without what steers a terminal."""
    text = " ".join((error.strerror if isinstance(error, OSError) and error.strerror else str(error)).split())
    if isinstance(error, OSError) and error.filename and str(error.filename) not in text:
        text = f"{error.filename}: {text}"
    return printable(masked(text)) or type(error).__name__


def shown(text: str) -> str:
    """What may be a stranger's words, as a log can have them: not without end, and steering no terminal.

    >>> shown("a\\x1b[2Jb"), len(shown("x" * 1000))
    ('a\\\\x1b[2Jb', 302)
    """
    text = text if len(text) <= _WORDS else f"{text[:_WORDS]} …"
    return text if text.isprintable() else repr(text)[1:-1]


class SubscribeWorker(Worker):
    """Takes telegrams in: journal first, confirmation to the source after.

    *steps* are the processors on the way. Telegrams of the node *own* are left out, and those
    that this journal has passed on to others before: they are in it already.
    """

    plugin: Subscriber

    def __init__(
        self,
        section: str,
        plugin: Subscriber,
        stop: threading.Event,
        clock: Clock,
        journal: Journal,
        steps: Sequence[tuple[str, Processor]] = (),
        own: str = "",
    ) -> None:
        super().__init__(section, plugin, stop, clock)
        self._journal, self._steps, self._own = journal, tuple(steps), own
        self._relay = journal.status().id
        self._told = False
        self._begin()

    def _begin(self) -> None:
        """Go on from what is in the journal."""
        kept = self._journal.state(self.section)
        self._pipeline = Pipeline(self._steps, kept)
        self._position = self.plugin.position = self._journal.position(self.section)
        self.plugin.state = State({k.removeprefix(_OWN): v for k, v in kept.items() if k.startswith(_OWN)})
        self.plugin.refusals.clear()
        self.status.refused = int(kept.get(_REFUSED, 0))

    def step(self) -> None:
        try:
            telegrams = self._take()
        except BaseException:  # what did not get into the journal was not received
            self._begin()
            raise
        if telegrams:
            self.well(len(telegrams))
        else:
            self.become("running")
        if self.plugin.pause:
            self.clock.wait(self.stop, self.plugin.pause)

    def _take(self) -> Sequence[Telegram]:
        telegrams = self.plugin.receive()
        refusals = [
            each._replace(origin=shown(each.origin), reason=shown(each.reason)) for each in self.plugin.refusals
        ]
        changes: dict[str, str | None] = {_OWN + k: v for k, v in self.plugin.state.take_changes().items()}
        if refusals:
            changes[_REFUSED] = str(self.status.refused + len(refusals))
        if telegrams or changes or self.plugin.position != self._position:
            self._keep(telegrams, changes, refusals)
            self._position = self.plugin.position
            self.plugin.confirm()
        if refusals:
            self._tell(refusals)
        return telegrams

    def _keep(self, telegrams: Sequence[Telegram], changes: dict[str, str | None], refusals: Sequence[Refusal]) -> None:
        """Into the journal: all of it, or, when this raises, nothing."""
        taken: Sequence[Telegram] = self._others(telegrams)
        if self._pipeline.steps:
            taken = [out for telegram in taken for out in self._pipeline(telegram)]
        state = changes | self._pipeline.take_changes()
        refused = [(each.reason, self._noted(each)) for each in refusals]
        self._journal.append(taken, self.section, self.plugin.position, state, refused)

    def _others(self, telegrams: Sequence[Telegram]) -> Sequence[Telegram]:
        """The telegrams without those that are ours, or were here before."""
        idents = {id(ident): ident for ident in map(ident_of, telegrams)}
        known = {key for key, ident in idents.items() if ident.node == self._own or self._relay in ident.via}
        return [t for t in telegrams if id(ident_of(t)) not in known] if known else telegrams

    def _noted(self, refusal: Refusal) -> Note:
        """A refusal in the form in which a journal keeps what was set aside."""
        text = refusal.content[:_CONTENT].decode(errors="backslashreplace")
        said: dict[str, Value] = {"from": refusal.origin, "bytes": refusal.size}
        return Note(Ident("", ""), self.clock.now(), "refused", text, said)

    def _tell(self, refusals: Sequence[Refusal]) -> None:
        """Told once; the rest is counted."""
        if not self._told:
            first = refusals[0]
            log.warning("%s: %s is set aside: %s (see 'mysense journal rejected')",
                        self.section, first.origin, first.reason)  # fmt: skip
        self._told = True
        self.status.refused += len(refusals)
        self.plugin.refusals.clear()
