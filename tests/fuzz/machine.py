"""What this machine itself gives and takes: a serial line, its configuration, the names of files."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

from hypothesis import strategies as st

from mysense import config, legacy
from mysense.channels import csv
from mysense.errors import ConfigError, RejectedError
from mysense.sensors import dylos, replay
from mysense.telegram import Data, Field, Ident
from tests.fuzz.damage import Check, Examples, damaged, text
from tests.fuzz.formats import DATA
from tests.fuzz.places import NOW, quiet


class Port:
    """A serial line on which some bytes come, and then nothing."""

    name = "fuzz"
    timeout = 0.0

    def __init__(self, data: bytes) -> None:
        self._data = data

    @property
    def in_waiting(self) -> int:
        return min(len(self._data), 7)

    def read(self, count: int) -> bytes:
        taken, self._data = self._data[:count], self._data[count:]
        return taken

    def close(self) -> None:
        self._data = b""


@contextmanager
def serial(folder: Path) -> Iterator[tuple[Examples, Check]]:
    """What comes over a serial line, and what a captured file of it holds."""
    captured, file = [b"511,21\r\n", b"647,32\r\n"], folder / "captured"
    table = b"time,unix(s),temp(C),rh(%)\r\n2017-05-14T16:02:52Z,1494777772,20.5,50\r\n"

    def check(data: bytes) -> None:
        port = Port(data)
        with patch("mysense.hardware.serial.connect", lambda *_: port), dylos.Sensor(port="fuzz") as sensor:
            while port.in_waiting:
                assert (sensor.read() or {"pm_25": 0}).keys() <= {"pm_25", "pm_10"}
        file.write_bytes(data)
        with suppress(ConfigError), replay.Sensor(file=file, speed=0.0) as player:
            for _ in range(10):
                player.read()

    with (
        patch("mysense.hardware.serial.find", lambda *_: "fuzz"),
        patch.object(replay, "PATIENCE", 0.0),
        quiet("mysense.sensors"),
    ):
        yield damaged([*captured, table, table + DATA[0], *DATA], [b",", b"\r"]), check


CONF = [
    b"[id]\nproject = Demo\nserial = k1\ngeolocation = 51.5,6.1,22\n",
    b"[daemon]\ninterval = 60 s\nprocessors = x\n",
    b"[journal]\npath = /tmp/x\nmax_size = 2 GB\n",
    b"[publisher:influxdb:cloud]\nport = 8086\nuser = ios\nssl = yes\n",
    b"[processor:calibrate:x]\nfactors = temp: 1 2\n",
    b"[subscriber:mqtt]\ntopic = IoS/{project}\nserials = a|b\n",
    b"[publisher:csv]\ndirectory = /x\nprivate = street\n  , village\n",
    b"[meta]\na = ${NAME}\n; b\n",
    b"[influxpub]\noutput = true\nhost = x\npassword = y\n",
    b"[dylos]\ninput = True\nport = /dev/ttyUSB0\ncalibrations = [[0,1]]\n",
    b"[mqttsub]\ninput = true\ntopic = IoS/+\n",
    b"[process]\ninterval = 5\ndaemon = true\n",
    b"[ttn_mqtt]\noutput: false\n",
]


@contextmanager
def configuration(folder: Path) -> Iterator[tuple[Examples, Check]]:
    """MySense.conf, today's and that of the original."""

    def check(said: str) -> None:
        for each in (said, legacy.migrate(said)):
            with suppress(ConfigError):
                config.parse(each, folder / "MySense.conf", {"NAME": "x"})

    yield text(damaged(CONF, [b"[", b"]", b":", b"\n ", b"${", b"publisher:", b"processors = x\n", b"(" * 50])), check


NAMES = st.text(max_size=40) | text(damaged([b"Demo", b"k1", b"../x", b"/etc/passwd", b"~", b".", b"CON"]))


@contextmanager
def files(folder: Path) -> Iterator[tuple[Examples, Check]]:
    """Names of nodes and values, which become names of files and cells of tables."""
    inside = folder / "inside"

    def check(example: tuple[str, str, dict[str, Any]]) -> None:
        project, serial_, values = example
        ident = Ident(project, serial_, label=project, fields=(Field(serial_, project),), meta={project: serial_})
        with TemporaryDirectory(dir=folder) as name:
            publisher = csv.Publisher(directory=Path(name, "inside"))
            with publisher:
                for telegram in (ident, Data(ident, NOW, values)):
                    with suppress(RejectedError):
                        publisher.publish([telegram])
            assert {path.name for path in Path(name).iterdir()} == {inside.name}
            assert all(path.is_file() for path in Path(name, "inside").iterdir())

    values = st.dictionaries(NAMES, st.integers() | st.floats() | st.booleans() | NAMES, max_size=4)
    yield st.tuples(NAMES, NAMES, values), check
