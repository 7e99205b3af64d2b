"""Read on in the journal while the far end is busy with what came before."""

import threading

from mysense.journal import Entry, Journal
from mysense.worker import log


class Ahead:
    """Reads the batch behind the one that is on its way."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._thread: threading.Thread | None = None
        self._after = -1
        self._entries: list[Entry] = []

    def begin(self, after: int, limit: int) -> None:
        """Start to read the entries above *after*."""
        self.take(after)

        def read() -> None:
            try:
                self._entries = self._journal.read(after, limit)
            except Exception:  # whoever fetches it next meets the same, and tells it
                log.debug("reading ahead", exc_info=True)

        self._after, self._thread = after, threading.Thread(target=read, name="ahead", daemon=True)
        self._thread.start()

    def take(self, after: int) -> list[Entry]:
        """What was read above *after*; nothing if that was not begun."""
        if self._thread is None:
            return []
        self._thread.join()
        self._thread = None
        entries, self._entries = self._entries, []
        return entries if self._after == after else []
