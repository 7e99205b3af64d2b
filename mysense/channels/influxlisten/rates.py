"""How often each client may come: so many requests a second over a while, more of them in between."""

import threading
import time
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address

BURST = 10.0
"""Seconds' worth of requests that may come at once."""
GUESS = 50.0
"""Requests that a wrong password or token counts as: whoever tries them out gets few a second."""
_ROUNDED = 1e-6  # seconds by which floats may be wrong
_MOST = 10_000  # clients that are remembered: addresses of strangers must not fill the memory


class Rates:
    """Counts what comes from each client; *rate* is how much may in a second, 0 any amount.

    Programs on this machine come as often as they like: it may be a proxy that speaks for many.
    """

    def __init__(self, rate: float, now: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._now = rate, now
        self._burst = max(BURST, 1 / rate) if rate else 0.0
        self._due: dict[str, float] = {}  # until when a client has used up what it may; who came last is last
        self._lock = threading.Lock()

    def wait(self, client: str) -> float:
        """Count a request; how many seconds its client has to stay away, 0 for one that may go on."""
        if not self._rate or not (name := counted(client)):
            return 0.0
        with self._lock:
            now = self._now()
            due = max(now, self._due.pop(name, now))
            over = due + 1 / self._rate - now - self._burst
            if welcome := over < _ROUNDED:
                due += 1 / self._rate
            self._due[name] = due
            while len(self._due) > _MOST:
                del self._due[next(iter(self._due))]
        return 0.0 if welcome else over

    def guessed(self, client: str) -> None:
        """It showed a wrong password or token."""
        if self._rate and (name := counted(client)):
            with self._lock:
                self._due[name] = max(self._now(), self._due.pop(name, 0.0)) + GUESS / self._rate


def counted(client: str) -> str:
    """What is counted as one client: an IPv4 address, or the network (/64) that somebody has in IPv6.

    >>> counted("192.0.2.7"), counted("::ffff:192.0.2.7"), counted("2001:db8::1:2"), counted("127.0.0.1")
    ('192.0.2.7', '192.0.2.7', '2001:db8::', '')
    """
    try:
        address = ip_address(client.partition("%")[0])
    except ValueError:
        return client
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    if address.is_loopback:
        return ""
    if isinstance(address, IPv6Address):
        address = IPv6Address(int(address) >> 64 << 64)
    return str(address)
