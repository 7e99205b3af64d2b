"""How long something took, not counting that others had the machine.

An upper bound on real seconds fails by chance: a test may stand still for any time while other
programs have the processors. So a thread counts short steps; one that came late counts no more
than twice its length. Where nothing else runs these are real seconds.
"""

import threading
import time
from functools import cache

STEP = 0.01
"""Seconds."""


class _Steps:
    """Counts them, from now on."""

    def __init__(self) -> None:
        self.seconds = 0.0
        threading.Thread(target=self._count, name="felt", daemon=True).start()

    def _count(self) -> None:
        never, last = threading.Event(), time.monotonic()
        while not never.wait(STEP):
            now = time.monotonic()
            self.seconds += min(now - last, 2 * STEP)
            last = now


@cache
def _steps() -> _Steps:
    return _Steps()


def felt() -> float:
    """Seconds that this process had so far, to within a few steps; only differences mean something."""
    return _steps().seconds
