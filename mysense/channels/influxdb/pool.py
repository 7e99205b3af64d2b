"""A few connections to one server: whoever is answered first is heard first."""

import select
import time
from collections.abc import Callable, Hashable, Mapping

from mysense.channels._http import Answer, Connection
from mysense.errors import UnavailableError

CONNECTIONS = 3
"""More gain nothing, and a server of small memory feels each."""
LAST = 1.0
"""Seconds for an answer that begins in the last moment to be whole."""


class Pool:
    """Requests on their way, one on each connection, each under a key. Connections are opened when needed."""

    def __init__(self, connect: Callable[[], Connection], most: int = CONNECTIONS) -> None:
        self._connect, self._most = connect, most
        self._idle: list[Connection] = []
        self._busy: dict[Connection, tuple[Hashable, float, float]] = {}  # key, sent at, given up at

    @property
    def full(self) -> bool:
        """Whether somebody must be heard before more can be sent."""
        return len(self._busy) >= self._most

    def send(
        self, key: Hashable, method: str, path: str, body: bytes, headers: Mapping[str, str], patience: float
    ) -> None:
        """Send a request that is given up after *patience* seconds. Raises OSError when the server is not there."""
        connection = self._idle.pop() if self._idle else self._connect()
        connection.send(method, path, body, headers)
        now = time.monotonic()
        self._busy[connection] = key, now, now + patience

    def hear(self, seconds: float | None = None) -> list[tuple[Hashable, Answer | UnavailableError]]:
        """The answers that are there; waits for the first, *seconds* at most.

        A request that was given up, or whose connection broke, has an UnavailableError.
        """
        now = time.monotonic()
        first = min((end for _, _, end in self._busy.values()), default=now) - now
        ready = self._ready(first if seconds is None else min(first, seconds))
        heard: list[tuple[Hashable, Answer | UnavailableError]] = []
        now = time.monotonic()
        for connection, (key, _, end) in list(self._busy.items()):
            if connection in ready:
                heard.append((key, self._answer(connection)))
            elif end <= now:
                heard.append((key, self._drop(connection)))
        return heard

    def _ready(self, seconds: float) -> list[Connection]:
        """The connections on which something has come."""
        there = [connection for connection in self._busy if connection.socket is None]
        if there:
            return there
        poll = select.poll()
        by_number = {}
        for connection in self._busy:
            assert connection.socket
            by_number[connection.socket.fileno()] = connection
            poll.register(connection.socket, select.POLLIN)
        return [by_number[number] for number, _ in poll.poll(max(0.0, seconds) * 1000)]

    def _answer(self, connection: Connection) -> Answer | UnavailableError:
        _, _, end = self._busy.pop(connection)
        try:
            answer = connection.receive(end=max(end, time.monotonic() + LAST))  # meanwhile nobody else is heard
        except UnavailableError as error:
            connection.close()
            return error
        self._idle.append(connection)
        return answer

    def _drop(self, connection: Connection) -> UnavailableError:
        _, sent, _ = self._busy.pop(connection)
        connection.close()
        return connection.silence(time.monotonic() - sent)

    def drop_all(self) -> list[tuple[Hashable, UnavailableError]]:
        """Give up all that is on its way: what comes of it now will not be heard."""
        return [(key, self._drop(connection)) for connection, (key, *_) in list(self._busy.items())]

    def close(self) -> None:
        """Close all connections."""
        for connection in (*self._idle, *self._busy):
            connection.close()
        self._idle.clear()
        self._busy.clear()
