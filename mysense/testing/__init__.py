"""For whoever writes a plugin: contract suites for pytest, clocks whose hands a test turns, and simulated devices.

A suite is a class to derive from; it asks for one method, ``make``::

    from mysense.testing import SensorContract
    from my_thermometer import Sensor

    class TestThermometer(SensorContract):
        def make(self):
            return Sensor(port="/dev/null")

``pytest`` then tries whatever the daemon relies on. What a plugin needs besides (a server,
a folder) comes from a fixture with ``autouse`` in the class.
"""

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from mysense.testing.clock import FastClock as FastClock
from mysense.testing.clock import ManualClock as ManualClock
from mysense.testing.gps import Receiver as Receiver
from mysense.testing.sysfs import Sysfs as Sysfs

if TYPE_CHECKING:
    from mysense.testing.journal import JournalContract as JournalContract
    from mysense.testing.plugins import ProcessorContract as ProcessorContract
    from mysense.testing.plugins import PublisherContract as PublisherContract
    from mysense.testing.plugins import SensorContract as SensorContract
    from mysense.testing.subscribers import SubscriberContract as SubscriberContract
    from mysense.testing.subscribers import normal as normal

_SUITES = {
    "JournalContract": "journal",
    "ProcessorContract": "plugins",
    "PublisherContract": "plugins",
    "SensorContract": "plugins",
    "SubscriberContract": "subscribers",
    "normal": "subscribers",
}


if pytest := sys.modules.get("pytest"):  # a test run: then what a suite compares is shown when it differs
    pytest.register_assert_rewrite(*sorted({f"{__name__}.{module}" for module in _SUITES.values()}))


def __getattr__(name: str) -> Any:
    """A suite, imported when it is asked for: who only wants simulated devices has no pytest."""
    if name not in _SUITES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_SUITES[name]}"), name)
