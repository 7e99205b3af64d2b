"""What is wrong with sensors at the moment: told once when it begins, and once when it is over.

Told means: a line in the log, what ``status`` says of the sensor, and a note that every
channel can send on. Its kind is that of the trouble, or ``well`` when that is over; its
values name the ``sensor``, the ``field`` where it is one, and what the ``trouble`` was.
"""

import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import NamedTuple

from mysense.logs import log
from mysense.shown import masked
from mysense.telegram import Value

STUCK, SILENT, ERRORS, FAILED, RANGE, STATIC = "stuck", "silent", "errors", "failed", "range", "static"
"""Kinds: it does not come back from what it does; gives nothing; too many reads fail; only a person can help; values
cannot be true, or do not change."""
WELL = "well"
"""The kind of the note that says that a trouble is over."""


class Trouble(NamedTuple):
    """One thing that is wrong, with a sensor or one of its fields."""

    section: str
    kind: str
    field: str = ""


class Troubles:
    """The troubles of all sensors of a kit; *note* tells others."""

    def __init__(self, note: Callable[[str, str, Mapping[str, Value]], None]) -> None:
        self._note = note
        self._open: dict[Trouble, str] = {}
        self._untold: deque[tuple[str, str, Mapping[str, Value]]] = deque()
        self._telling = False
        self._lock = threading.Lock()

    def begin(self, section: str, kind: str, text: str, field: str = "", logged: bool = False) -> None:
        """Something is wrong; what is known already is not told again. *logged*: it is in the log already."""
        trouble, text = Trouble(section, kind, field), masked(text)
        with self._lock:
            if trouble in self._open:
                return
            self._open[trouble] = text
            self._add(trouble, kind, text)
        if not logged:
            log.warning("%s: %s", section, text)
        self._tell()

    def end(self, section: str, kind: str, field: str = "") -> None:
        """That is over, if it was so."""
        trouble = Trouble(section, kind, field)
        with self._lock:
            text = self._open.pop(trouble, None)
            if text is None:
                return
            self._add(trouble, WELL, f"well again ({text})")
        log.info("%s: well again (%s)", section, text)
        self._tell()

    def forget(self, section: str) -> None:
        """The sensor is gone, or is another one now; a read that hangs goes on with that until it comes back."""
        with self._lock:
            over = [each for each in self._open if each.section == section and each.kind != STUCK]
        for trouble in over:
            self.end(*trouble)

    def of(self, section: str) -> str:
        """What is wrong with a sensor, in one line; nothing where it is well."""
        with self._lock:
            return "; ".join(text for trouble, text in self._open.items() if trouble.section == section)

    def _add(self, trouble: Trouble, kind: str, text: str) -> None:
        values: dict[str, Value] = {"sensor": trouble.section}
        if trouble.field:
            values["field"] = trouble.field
        if kind == WELL:
            values["trouble"] = trouble.kind
        self._untold.append((kind, f"{trouble.section}: {text}", values))

    def _tell(self) -> None:
        """In the order in which it happened, whichever threads come here: one of them tells it all.

        No lock is held meanwhile. To tell something takes a turn of the node, which may be here itself.
        """
        while True:
            with self._lock:
                if self._telling or not self._untold:
                    return
                self._telling, said = True, self._untold.popleft()
            try:
                self._note(*said)
            finally:
                self._telling = False
