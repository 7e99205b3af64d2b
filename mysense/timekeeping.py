"""The time of day, as well as this machine can know it: until its clock is set, an estimate that is mended later."""

import logging
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from mysense.clock import Clock
from mysense.journal import Boot, Dating, Journal
from mysense.telegram import SECOND

BEGUN = 1_735_689_600 * SECOND
"""2025: a clock that stands before this is not set, since mysense is younger."""
SLACK = 60 * SECOND
"""How far the clock may stand behind what was measured last: the sampler gets over that."""
STEP = SECOND
"""What a clock must move at once to count as set: a time service that only corrects it is slower."""
MOMENT = SECOND // 20
"""Within so long two clocks must be read to be compared."""

log = logging.getLogger("mysense")


class Change(NamedTuple):
    """The clock was set, and moved *by* (ns); *since* (ns) is where the estimates begin that move with it."""

    by: int
    since: int | None
    text: str


class Timekeeper(Clock):
    """The clock of a kit that measures: the time of day where that is known, else an estimate.

    An estimate counts from the start of the machine, and puts that behind *newest*, the last
    time (ns) that was given to something measured. A clock that was set is believed until the
    machine is switched off.
    """

    def __init__(self, clock: Clock, trusted: bool, newest: int, boots: Sequence[Boot]) -> None:
        self._clock, self._trusted, self._newest = clock, trusted, newest
        self.boot = next((boot for boot in boots if boot.id == clock.boot_id()), None)
        self.started = self._start()
        """When this machine was started (ns), as its clock has it now."""
        if self.boot is None and self.doubt():
            # One second is left for what the sampler kept when this machine was switched off.
            self.boot = Boot(clock.boot_id(), max(self.started, (newest // SECOND + 2) * SECOND))
        if self.waits and (text := self.doubt()):
            log.warning("%s", waiting(text))

    @property
    def waits(self) -> bool:
        """Whether the clock is not set yet."""
        return self.boot is not None and self.boot.dating == Dating.OPEN

    def doubt(self) -> str:
        """Why the clock cannot be believed now; empty if it can."""
        return "" if self._trusted else doubt(self._clock, self._newest)

    def trouble(self) -> str:
        """One line for people while the clock is waited for, else nothing."""
        return waiting(self.doubt() or "it was set just now") if self.waits else ""

    def look(self) -> Change | None:
        """What has happened to the clock since the last look."""
        doubted = self.waits and self.doubt()  # first: what is read of a clock before it is set is wrong behind that
        known, started = self.started, self._start()
        self.started = started
        if self.boot and self.waits:
            if doubted:
                return None
            since = self.boot.start
            self.boot = self.boot._replace(start=started, dating=Dating.SET)
            return Change(started - since, since, "the clock is set; what was measured before has its right time now")
        if abs(by := started - known) <= STEP:
            return None
        return Change(by, None, f"the clock was set {'forward' if by > 0 else 'back'} by {abs(by) // SECOND} s")

    def _start(self) -> int:
        for _ in range(10):
            before, now = self._clock.uptime(), self._clock.now()
            if self._clock.uptime() - before < MOMENT:  # else something held us up between the two
                break
        # A whole second, so that all times remain whole.
        return (now - before) // SECOND * SECOND

    def now(self) -> int:
        return self.boot.start + self.uptime() if self.boot and self.waits else self._clock.now()

    def monotonic(self) -> float:
        return self._clock.monotonic()

    def uptime(self) -> int:
        return self._clock.uptime()

    def boot_id(self) -> str:
        return self._clock.boot_id()

    def wait(self, event: threading.Event, seconds: float) -> bool:
        return self._clock.wait(event, seconds)


def doubt(clock: Clock, newest: int) -> str:
    """Why the clock of this machine cannot be right; empty where nothing speaks against it.

    *newest* (ns) is when something was measured here last.
    """
    synchronised, now = clock.synchronised(), clock.now()
    if synchronised is not None:
        return "" if synchronised else "the time service has not set it"
    if now < BEGUN:
        return f"it stands at {_utc(now)}, when there was no mysense"
    if now < newest - SLACK:
        return f"it stands at {_utc(now)}, before what was measured last, at {_utc(newest)}"
    return ""


def waiting(doubt: str) -> str:
    """The one line that says what is going on."""
    return f"the clock is not set yet: {doubt}; measured data waits in the journal"


def close_earlier(journal: Journal, clock: Clock) -> None:
    """What an earlier start of this machine measured without ever knowing the time keeps its estimate."""
    for boot in journal.boots():
        if boot.dating == Dating.OPEN and boot.id != clock.boot_id():
            journal.append((), boot=boot._replace(dating=Dating.OVER))
            log.warning(
                "the clock was never set when this machine ran before; the times of what it measured are estimates"
            )


def _utc(time: int) -> str:
    return f"{datetime.fromtimestamp(time // SECOND, UTC):%Y-%m-%d %H:%M} UTC"
