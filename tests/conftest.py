"""Fixtures of all tests: real servers. A missing one fails; it never skips."""

import itertools
import os
import signal
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, settings

from mysense import shown
from mysense.hardware import i2c
from mysense.telegram import SECOND, Field, Ident
from tests.felt import felt
from tests.servers import Influxd, Mosquitto, VictoriaMetrics
from tests.standins.influxdb2 import InfluxDB2
from tests.standins.influxdb3 import InfluxDB3

# On a fresh machine hypothesis makes its tables of characters first: that is no fault of a test.
# Where CI is set, examples are the same each time: what nobody has met yet is met at home, not there by chance.
settings.register_profile(
    "mysense", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=bool(os.environ.get("CI"))
)
settings.load_profile("mysense")

_numbers = itertools.count()
pytest_plugins = ["tests.leaks", "tests.order"]
collect_ignore = ["thirdparty"]  # a package of its own: test_thirdparty.py installs and tries it


def pytest_configure() -> None:
    """A shell lets what it puts into the background ignore ctrl-C, and so would all that the tests start."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _secrets_of_its_own(monkeypatch):
    """What one test learns as a secret, as the word "given", is none in what others say."""
    monkeypatch.setattr(shown, "_learnt", dict(shown._learnt))


@pytest.fixture(autouse=True)
def _patient_with_busy_machines(monkeypatch):
    """What must be done on a bus in time need not be done while others have the processors."""
    monkeypatch.setattr(i2c, "time", SimpleNamespace(monotonic=felt))


@pytest.fixture(scope="session")
def influxd(tmp_path_factory):
    """A real influxd without authentication, shared; use databases of your own."""
    with Influxd(tmp_path_factory.mktemp("influxd")) as server:
        yield server


@pytest.fixture(scope="session")
def influxd_auth(tmp_path_factory):
    """A real influxd that wants a name and a password; root is its administrator."""
    with Influxd(tmp_path_factory.mktemp("influxd-auth"), auth=True) as server:
        yield server


@pytest.fixture(scope="session")
def victoria(tmp_path_factory):
    """A real victoria-metrics, shared; use databases of your own."""
    with VictoriaMetrics(tmp_path_factory.mktemp("victoria")) as server:
        yield server


@pytest.fixture(scope="session")
def mosquitto(tmp_path_factory):
    """A real mosquitto, open to all and shared; use topics of your own."""
    with Mosquitto(tmp_path_factory.mktemp("mosquitto")) as server:
        yield server


@pytest.fixture
def influxdb2():
    """A stand-in for InfluxDB 2, empty."""
    with InfluxDB2() as server:
        yield server


@pytest.fixture
def influxdb3():
    """A stand-in for InfluxDB 3, empty."""
    with InfluxDB3() as server:
        yield server


@pytest.fixture
def own_influxd(tmp_path):
    """A real influxd for one test, to stop and to start."""
    with Influxd(tmp_path / "own-influxd") as server:
        yield server


@pytest.fixture
def own_mosquitto(tmp_path):
    """A real mosquitto for one test, to stop and to start."""
    with Mosquitto(tmp_path / "own-mosquitto") as server:
        yield server


@pytest.fixture
def ident(serial):
    """A node of its own for each test."""
    return Ident("Mq", serial, "shed", fields=(Field("temp", "C"),), since=1_700_000_000 * SECOND)


@pytest.fixture
def serial():
    """A serial number of its own for each test, and so a database."""
    return f"k{os.getpid()}x{next(_numbers)}"
