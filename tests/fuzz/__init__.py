"""What strangers may send, damaged in every way, and what must hold whatever it is.

Each target gives examples of what comes in by one door, and a check that raises nothing: what is
no good is refused in the door's own words, and what is taken can be journalled.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from tests.fuzz.damage import Check, Examples
from tests.fuzz.devices import devices
from tests.fuzz.formats import line_protocol, telegrams, uplinks
from tests.fuzz.machine import configuration, files, serial
from tests.fuzz.network import broker, packets, requests

Target = Callable[[Path], AbstractContextManager[tuple[Examples, Check]]]

TARGETS: dict[str, Target] = {
    target.__name__: target
    for target in (line_protocol, telegrams, uplinks, serial, devices, configuration, files, requests, packets, broker)
}
"""The doors by name; each may leave things in a folder."""
