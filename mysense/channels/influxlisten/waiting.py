"""Between connections and journal: what was written waits here until it is safe, or is not."""

import threading
from collections import deque
from collections.abc import Sequence

from mysense.channels._influx.protocol import Point


class Delivery:
    """Points of one request. *safe* says how it ended: True when they are in the journal.

    Where they are not, *hopeless* says that they never will be: to come again is no use.
    """

    def __init__(self, database: str, points: Sequence[Point]) -> None:
        self.database, self.points = database, points
        self.safe = self.hopeless = False
        self._done = threading.Event()

    def end(self, safe: bool, hopeless: bool = False) -> None:
        """Tell the connection how it ended."""
        self.safe, self.hopeless = safe, hopeless
        self._done.set()

    def wait(self, timeout: float | None) -> bool:
        """Wait until it has ended; whether it has."""
        return self._done.wait(timeout)


class Waiting:
    """Deliveries in their order. Connections put them in, the subscriber takes out many at once."""

    def __init__(self) -> None:
        self._change = threading.Condition()
        self._deliveries: deque[Delivery] = deque()
        self._closed = False

    def deliver(self, delivery: Delivery, timeout: float) -> bool:
        """Put a delivery in and wait until it is in the journal; False when it is not, and will not be."""
        with self._change:
            if self._closed:
                return False
            self._deliveries.append(delivery)
            self._change.notify_all()
        if not delivery.wait(timeout):
            with self._change:
                if delivery in self._deliveries:  # nobody has taken it yet: take it back
                    self._deliveries.remove(delivery)
                    return False
            delivery.wait(None)  # it is being written: only the journal knows how that ends
        return delivery.safe

    def take(self, most: int, timeout: float) -> list[Delivery]:
        """The oldest deliveries, whole, up to so many points but at least one; none when none came in time."""
        with self._change:
            self._change.wait_for(lambda: self._deliveries or self._closed, timeout)
            taken: list[Delivery] = []
            while self._deliveries and (not taken or len(self._deliveries[0].points) <= most):
                taken.append(self._deliveries.popleft())
                most -= len(taken[-1].points)
            return taken

    def close(self) -> None:
        """Nothing more is taken; what waits is not safe."""
        with self._change:
            self._closed = True
            while self._deliveries:
                self._deliveries.popleft().end(False)
            self._change.notify_all()
