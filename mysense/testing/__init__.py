"""For whoever writes a plugin: contract suites for pytest, and a clock whose hands a test turns.

A suite is a class to derive from; it asks for one method, ``make``::

    from mysense.testing import SensorContract
    from my_thermometer import Sensor

    class TestThermometer(SensorContract):
        def make(self):
            return Sensor(port="/dev/null")

``pytest`` then tries whatever the daemon relies on. What a plugin needs besides (a server,
a folder) comes from a fixture with ``autouse`` in the class.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mysense.testing.clock import FastClock as FastClock
    from mysense.testing.clock import ManualClock as ManualClock
    from mysense.testing.journal import JournalContract as JournalContract
    from mysense.testing.plugins import ProcessorContract as ProcessorContract
    from mysense.testing.plugins import PublisherContract as PublisherContract
    from mysense.testing.plugins import SensorContract as SensorContract
    from mysense.testing.subscribers import SubscriberContract as SubscriberContract
    from mysense.testing.subscribers import normal as normal

_CLOCKS = ("FastClock", "ManualClock")
_SUITES = {
    "JournalContract": "journal",
    "ProcessorContract": "plugins",
    "PublisherContract": "plugins",
    "SensorContract": "plugins",
    "SubscriberContract": "subscribers",
    "normal": "subscribers",
}


def __getattr__(name: str) -> Any:
    """The suites want pytest; simulated devices lie in this package, too, and a kit that plays them has none."""
    if name in _CLOCKS:
        return getattr(import_module("mysense.testing.clock"), name)
    if name not in _SUITES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import pytest

    module = f"{__name__}.{_SUITES[name]}"
    pytest.register_assert_rewrite(module)
    return getattr(import_module(module), name)
