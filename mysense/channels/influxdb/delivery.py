"""Requests brought to a server: many at a time, in order within a database, and what their answers mean.

A database that fails, or from which nothing is heard, holds up no other: it is left behind
and told as a failure of its own. When nothing at all is heard, and the server itself does not
answer either, it is away, and that is raised.
"""

import time
from collections.abc import Callable, Iterable, Mapping

from mysense.channels._http import Answer
from mysense.channels.influxdb.pool import Pool
from mysense.channels.influxdb.request import Request, Requests
from mysense.errors import UnavailableError

GRACE = 2.0
"""Seconds that a database gets of which nothing was heard yet while others have answered; and
one that was silent the last time."""
FULL = 5
"""Every so many tries, one that was silent gets the whole time-out again: it may just be slow."""

Judge = Callable[[Request, Answer], Exception | None]
Mend = Callable[[str, Answer], bool]
Alive = Callable[[], bool]


class Delivery:
    """Brings the requests of one publish to the server, and remembers from one to the next who was silent.

    *mend* tries to put right what an answer complains of (UnavailableError where it cannot) and
    says whether to send again; *judge* gives what is wrong, or None; *alive* asks the server
    whether it is there at all.
    """

    def __init__(
        self,
        pool: Pool,
        requests: Requests,
        headers: Callable[[], Mapping[str, str]],
        timeout: float,
        mend: Mend,
        judge: Judge,
        alive: Alive,
    ) -> None:
        self._pool, self._requests, self._headers, self._timeout = pool, requests, headers, timeout
        self._mend, self._judge, self._alive = mend, judge, alive
        self._silent: dict[str, int] = {}
        self._begin({})

    def _begin(self, failures: dict[str, Exception]) -> None:
        self.failures = failures
        self._flying: dict[str, Request] = {}
        self._broken: dict[str, UnavailableError] = {}
        self._answered: set[str] = set()
        self._there = False  # the server itself has answered
        self._patient_until = time.monotonic() + self._timeout

    def run(self, requests: Iterable[Request], failures: dict[str, Exception]) -> None:
        """Deliver all requests; *failures*, by database, grows on the way. Raises UnavailableError for all of it."""
        self._begin(failures)
        try:
            for request in requests:
                self._dispatch(request)
            while self._flying:
                strangers = self._answered.isdisjoint(self._flying)
                self._hear(GRACE if self._answered and strangers else None)
        except BaseException:
            for request in self._flying.values():
                self._requests.failed(request)
            self._pool.close()
            raise
        if self._broken and self._away():
            raise next(iter(self._broken.values()))

    def _dispatch(self, request: Request) -> None:
        """Send a request as soon as what was sent before to its database is answered, and there is room."""
        database = request.database
        while database in self._flying or self._pool.full:
            in_vain = not self._answered and time.monotonic() > self._patient_until
            self._hear(GRACE if in_vain else None)
        if database in self.failures:  # what came before did not go through: keep the order
            self._requests.failed(request)
            return
        if self._requests.outdated(request):
            self._all(self._requests.again(request))
            return
        tries = self._silent.get(database, 0)
        patience = min(GRACE, self._timeout) if tries % FULL else self._timeout
        try:
            self._pool.send(database, "POST", request.path, request.body, self._headers(), patience)
        except UnavailableError as error:
            if not self._alive():  # whoever has answered before: it is gone now
                self._requests.failed(request)
                raise
            self._unheard(request, error)
        else:
            self._flying[database] = request

    def _hear(self, grace: float | None = None) -> None:
        """Hear whoever has answered; with *grace*, in seconds, give up those that then are still silent."""
        heard = self._pool.hear(grace)
        for database, said in heard or (self._pool.drop_all() if grace else ()):
            request = self._flying.pop(str(database))
            if isinstance(said, UnavailableError):
                self._unheard(request, said)
            else:
                self._answered.add(request.database)
                self._silent.pop(request.database, None)
                self._finish(request, said)

    def _unheard(self, request: Request, error: UnavailableError) -> None:
        database = request.database
        self._requests.unheard(request)
        self._silent[database] = self._silent.get(database, 0) + 1
        self._broken[database] = self.failures[database] = error
        if len(self._broken) > 1 and self._away():  # it is not one database
            raise error

    def _away(self) -> bool:
        """Whether nobody answers, not even the server itself. That is asked once, and not of a server that answers."""
        self._there = self._there or bool(self._answered) or self._alive()
        return not self._there

    def _finish(self, request: Request, answer: Answer) -> None:
        """Judge an answer; send again what could be mended, or is too much at once."""
        try:
            if self._mend(request.database, answer):
                self._all(self._requests.again(request))
                return
            error = self._judge(request, answer)
        except UnavailableError as unavailable:
            error = unavailable
        if answer.status == 413 and len(request.telegrams) > 1:
            self._all(self._requests.too_large(request))
        elif error:
            self.failures[request.database] = error
            self._requests.failed(request)
        else:
            self._requests.delivered(request)

    def _all(self, requests: Iterable[Request]) -> None:
        for request in requests:
            self._dispatch(request)
