"""Failures that are normal now and then, and are told only when they persist."""

from mysense.errors import UnavailableError


class Lapses:
    """Counts failures in a row: up to *most* of them are passed over, one more is raised."""

    def __init__(self, most: int) -> None:
        self._most, self._count = most, 0

    def failed(self, reason: str) -> None:
        """One more; UnavailableError when it is one too many."""
        self._count += 1
        if self._count > self._most:
            raise UnavailableError(f"{reason} ({self._count} times in a row)")

    def well(self) -> None:
        """It worked."""
        self._count = 0
