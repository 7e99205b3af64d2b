"""A whole kit between real servers, with a proxy on each way: what may happen to it, and who looks after it."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple, Self

from tests.faults import HTTP, LINE, TLS, Fault
from tests.kit import mysense, until
from tests.listener import Listener
from tests.proxy import Certificates, Proxy
from tests.relay import Relay
from tests.servers import Influxd, Mosquitto

PROXIES = {"to influxd": LINE + TLS + HTTP, "to the broker": LINE + TLS, "from the broker": LINE + TLS}
"""What may strike each of the ways out of the daemon and into it."""
PROCESSES = ("mysense", "influxd", "mosquitto")
"""Who may be taken away; mosquitto is stopped, the others are killed (-9)."""
IMPATIENT = "from mysense import cli, worker; worker.PATIENCE = 1.0; cli.main()"
"""A daemon that tries again after a second at most, not after a minute: so most faults meet a connection."""
TIMEOUT = 2.0
"""Seconds that the daemon waits for an answer."""
PATIENCE = 120.0
"""And for those that never answer: longer than anybody else may be held up."""
LOOK = 5.0
"""Seconds after which the operator looks whether a lane is blocked."""
WAY = """\
port = {port}
ssl = yes
ca_file = {ca}
timeout = {timeout}
"""
KIT = """\
[id]
project = Own
serial = kit
[daemon]
interval = 1
[sensor:simulated]
interval = 0.2
[publisher:influxdb]
{influxd}
[publisher:mqtt]
topic = far/{{project}}/{{serial}}
keepalive = 5
{broker}
[publisher:influxdb:hung]
{no_influxd}
[publisher:mqtt:hung]
topic = hung/{{project}}/{{serial}}
{no_broker}
"""


class Episode(NamedTuple):
    """Something happens to *whom*, from a time on and up to another (seconds since all began)."""

    whom: str
    begin: float
    end: float
    fault: Fault | None = None


class World:
    """Servers, proxies, and the daemon between them: a context, which ends them all.

    The daemon reads the broker, and publishes to influxd, to the broker below ``far``, and into
    files; two more publishers have far ends that hang. *far* hears what the broker is given.
    """

    def __init__(self, folder: Path, tell: Callable[[str], None]) -> None:
        self._folder, self._tell, self._stack = folder, tell, ExitStack()
        self.begun = 0.0
        self.happened: Counter[str] = Counter()
        self.aside = 0
        """Telegrams, at most at one time, that a far end had called wrong."""

    def __enter__(self) -> Self:
        with self._stack as stack:
            self.broker = stack.enter_context(Mosquitto(self._folder / "mosquitto"))
            self.influxd = stack.enter_context(Influxd(self._folder / "influxd"))
            certificates = Certificates(self._folder / "certificates")

            def way(server: Influxd | Mosquitto, timeout: float = TIMEOUT) -> tuple[Proxy, str]:
                proxy = stack.enter_context(Proxy(server.port, certificates))
                said = WAY.format(port=proxy.port, ca=certificates.ca, timeout=timeout)
                return proxy, said

            to_influxd, influxd = way(self.influxd)
            to_broker, broker = way(self.broker)
            from_broker, source = way(self.broker)
            self.proxies = dict(zip(PROXIES, (to_influxd, to_broker, from_broker), strict=True))
            (one, no_influxd), (two, no_broker) = way(self.influxd, PATIENCE), way(self.broker, PATIENCE)
            one.strike(Fault("hang"))
            two.strike(Fault("hang"))
            more = KIT.format(influxd=influxd, broker=broker, no_influxd=no_influxd, no_broker=no_broker)
            subscriber = "keepalive = 5\n" + source.partition("\n")[2]  # the port stands there already
            self.kit = Relay(self._folder / "kit", from_broker, subscriber=subscriber, more=more)
            self.kit.program = ["-c", IMPATIENT]
            stack.enter_context(self.kit)
            self.far = stack.enter_context(Listener(self.broker.port, "far/#", name="oracle"))
            self.kit.listens()
            self._stack = stack.pop_all()
        self.begun = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    # What happens

    def live(self, episodes: Sequence[Episode]) -> None:
        """Let things happen to one of us, when their time has come."""
        away = {"mysense": self.kit.kill, "influxd": self.influxd.kill, "mosquitto": self.broker.stop}
        back = {"mysense": self.kit.start, "influxd": self.influxd.start, "mosquitto": self.broker.start}
        never = threading.Event()
        for whom, begin, end, fault in episodes:
            never.wait(max(0.0, self.begun + begin - time.monotonic()))
            self._tell(f"{begin:6.1f} to {end:6.1f} s  {whom}: {fault or 'away'}")
            self.happened[fault.kind if fault else f"{whom} away"] += 1
            if fault:
                self.proxies[whom].strike(fault)
            else:
                away[whom]()
            never.wait(max(0.0, self.begun + end - time.monotonic()))
            if fault:
                self.proxies[whom].lift()
            else:
                back[whom]()

    @property
    def met(self) -> Counter[str]:
        """How often faults have struck a connection, by kind."""
        return sum((proxy.met for proxy in self.proxies.values()), Counter())

    # Who looks after it

    def attend(self, over: threading.Event) -> None:
        """Be an operator who looks in now and then."""
        while not over.wait(LOOK):
            if self._blocked():
                self._tell("a lane is blocked: mysense journal retry")
                self.happened["operator called"] += 1
                self._retry()

    def settle(self, patience: float) -> None:
        """Wait until all that is in the journal has arrived; what was set aside is sent again."""
        until(self._settled, patience)

    def _settled(self) -> bool:
        cursors = (self.kit.status()["journal"] or {"cursors": [{"name": "", "lag": -1}]})["cursors"]
        waits = any(cursor["lag"] for cursor in cursors if not cursor["name"].endswith(":hung"))
        if waits and not self._blocked():
            return False
        if waits or self._left():
            self._retry()
            return False
        return True

    def _blocked(self) -> bool:
        return any(worker["state"] == "blocked" for worker in self.kit.status()["workers"])

    def _retry(self) -> None:
        self.aside = max(self.aside, self._left())
        mysense("journal", "retry", "-c", self.kit.conf, code=None)  # the daemon may be away just now

    def _left(self) -> int:
        """Telegrams that publishers have set aside and not yet delivered."""
        ends = ("publisher:influxdb", "publisher:mqtt")
        return sum(int(mysense("journal", "rejected", end, "-c", self.kit.conf).stderr.split()[0]) for end in ends)
