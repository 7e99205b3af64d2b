"""What a broker is: its version, where it tells that."""

import time
from contextlib import suppress

from mysense.channels._mqtt.client import Client
from mysense.errors import UnavailableError

_LOOK = 1.0
"""Seconds that it gets to tell."""


def software(client: Client) -> str:
    """What the broker says it is, behind a comma; nothing if it keeps that to itself."""
    end = time.monotonic() + _LOOK
    with suppress(UnavailableError):
        client.subscribe(["$SYS/broker/version"])
        while not client.messages and (left := end - time.monotonic()) > 0:
            client.turn(left)
    return f", {client.messages[0].payload.decode(errors='replace')}" if client.messages else ""
