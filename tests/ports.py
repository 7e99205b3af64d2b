"""Ports for servers that tests start: such that nobody takes one between finding and binding it."""

import itertools
import os
import random
import socket
from collections.abc import Iterator
from contextlib import suppress
from functools import cache

PORTS = range(20_000, 32_000)
"""Below those that the kernel gives to whoever connects: no client can take one while its server is away."""
BLOCK = 100


@cache
def _ours() -> tuple[socket.socket, Iterator[int]]:
    """A block of ports that is ours until this process ends, held by a name that only one can have."""
    blocks = PORTS[::BLOCK]
    for first in random.Random(os.getpid()).sample(blocks, len(blocks)):
        held = socket.socket(socket.AF_UNIX)
        try:
            held.bind(f"\0tests of mysense, ports from {first}")
        except OSError:  # others test on this machine, too
            held.close()
        else:
            return held, itertools.cycle(range(first, first + BLOCK))
    raise AssertionError("all ports for tests are taken")


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, and that nobody else is given."""
    found: list[int] = []
    for port in itertools.islice(_ours()[1], 10 * BLOCK):
        with socket.socket() as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what was there before may have been closed
            with suppress(OSError):
                tried.bind(("127.0.0.1", port))
                found.append(port)
        if len(found) == count:
            return found
    raise AssertionError("no port is free")
