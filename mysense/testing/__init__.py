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

import pytest

pytest.register_assert_rewrite("mysense.testing.plugins", "mysense.testing.subscribers", "mysense.testing.journal")

from mysense.testing.clock import FastClock as FastClock  # noqa: E402
from mysense.testing.clock import ManualClock as ManualClock  # noqa: E402
from mysense.testing.journal import JournalContract as JournalContract  # noqa: E402
from mysense.testing.plugins import ProcessorContract as ProcessorContract  # noqa: E402
from mysense.testing.plugins import PublisherContract as PublisherContract  # noqa: E402
from mysense.testing.plugins import SensorContract as SensorContract  # noqa: E402
from mysense.testing.subscribers import SubscriberContract as SubscriberContract  # noqa: E402
from mysense.testing.subscribers import normal as normal  # noqa: E402
