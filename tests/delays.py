"""How long each publisher is behind the journal, looked at many times a second while the daemon runs."""

import threading
import time
from collections import deque
from typing import Self

from tests.relay import Relay

STEP = 0.05
"""Seconds between two looks."""


class Delays:
    """Used as a context; *longest* is, by section, the most seconds until what was in the journal was delivered.

    A daemon that was killed is given until its first word afterwards: the clock starts anew.
    """

    def __init__(self, kit: Relay) -> None:
        self._kit, self._over = kit, threading.Event()
        self._waiting: dict[str, deque[tuple[int, float]]] = {}
        self._pid = 0
        self.longest: dict[str, float] = {}
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        while not self._over.wait(STEP):
            self._look()

    def _look(self) -> None:
        status, now = self._kit.status(), time.monotonic()
        if status["journal"] is None or [self._pid] != status["pids"]:
            self._waiting.clear()
            self._pid = sum(status["pids"])
            return
        for cursor in status["journal"]["cursors"]:
            name, waiting = cursor["name"], self._waiting.setdefault(cursor["name"], deque())
            if not waiting or waiting[-1][0] < status["journal"]["last"]:
                waiting.append((status["journal"]["last"], now))
            done = status["journal"]["last"] - cursor["lag"]
            self.longest[name] = max(self.longest.get(name, 0.0), now - waiting[0][1])
            while waiting and waiting[0][0] <= done:
                waiting.popleft()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(10)
