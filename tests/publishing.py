"""Nodes that publish to a real broker, and a relay that takes in, for tests of both."""

import threading

import paho.mqtt.publish

from mysense import wire
from mysense.channels.mqtt import Subscriber
from mysense.clock import Clock
from mysense.journal.memory import MemoryJournal
from mysense.telegram import SECOND, Data
from mysense.worker import SubscribeWorker
from tests.kit import until

T0 = 1_700_000_000


def subscriber(server, ident, **options):
    """A subscriber of one node, with a state that a test may hand on."""
    return Subscriber(
        **{"hostname": "127.0.0.1", "port": server.port, "topic": f"{ident.serial}/{{serial}}", **options}
    )


def topic(ident, end=""):
    return f"{ident.serial}/{ident.serial}{end}"


def data(n, ident, **values):
    return Data(ident, (T0 + n) * SECOND, values or {"temp": float(n)})


def classic(n, ident, **values):
    return wire.encode_classic(data(n, ident, **values))


def publish(server, messages, retain=False, **login):
    """Publish (topic, payload) at QoS 1; all have been taken by the broker when this returns."""
    told = [{"topic": where, "payload": what, "qos": 1, "retain": retain} for where, what in messages]
    paho.mqtt.publish.multiple(told, "127.0.0.1", server.port, **login)


def fill(server, ident, *numbers):
    publish(server, [(topic(ident), classic(n, ident)) for n in numbers])


def received(source, count, confirm=True):
    """Receive until there are so many telegrams."""
    got = []

    def enough():
        got.extend(source.receive())
        if confirm:
            source.confirm()
        return len(got) >= count

    until(enough)
    return got


def numbers(telegrams):
    return [t.time // SECOND - T0 for t in telegrams if isinstance(t, Data)]


class Relay:
    """A worker and its journal, which a test lets take in."""

    def __init__(self, source, journal=None):
        self.journal, self.stop = journal or MemoryJournal(), threading.Event()
        self.worker = SubscribeWorker("subscriber:mqtt", source, self.stop, Clock(), self.journal)
        self._thread = threading.Thread(target=self.worker.run)

    @property
    def taken(self):
        """The numbers in the journal, in order."""
        return numbers(entry.telegram for entry in self.journal.read(0, 1_000_000))

    def __enter__(self):
        self._thread.start()
        until(lambda: self.worker.status.state != "starting")
        return self

    def __exit__(self, *_):
        self.stop.set()
        self._thread.join(20)
        assert not self._thread.is_alive()
