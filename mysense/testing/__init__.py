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

from mysense.testing.clock import FastClock as FastClock
from mysense.testing.clock import ManualClock as ManualClock
from mysense.testing.gps import Receiver as Receiver
from mysense.testing.sysfs import Sysfs as Sysfs

try:
    import pytest
except ModuleNotFoundError:  # what plays devices works without
    pass
else:
    pytest.register_assert_rewrite("mysense.testing.plugins", "mysense.testing.subscribers", "mysense.testing.journal")

    from mysense.testing.journal import JournalContract as JournalContract
    from mysense.testing.plugins import ProcessorContract as ProcessorContract
    from mysense.testing.plugins import PublisherContract as PublisherContract
    from mysense.testing.plugins import SensorContract as SensorContract
    from mysense.testing.subscribers import SubscriberContract as SubscriberContract
    from mysense.testing.subscribers import normal as normal
