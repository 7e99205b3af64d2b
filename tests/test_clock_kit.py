"""A kit with a wrong clock, from outside: libfaketime turns the hands of a real daemon; the InfluxDB is real, too."""

import json
import os
import shutil
import time
from pathlib import Path

import pytest

from mysense.telegram import SECOND
from tests.kit import Kit, mysense, until

CONF = """
[id]
project = Clock
serial = {serial}
[daemon]
interval = 1
[sensor:simulated]
interval = 0.2
[publisher:influxdb]
hostname = 127.0.0.1
port = {port}
[publisher:csv]
directory = {folder}/csv
"""
# The time service of the machine that runs the test knows nothing of the faked clock: a folder stands for /run.
PROBE = """
import pathlib, mysense.clock, mysense.cli
mysense.clock.RUN = pathlib.Path({run!r})
mysense.cli.main()
"""


def library():
    """Where Debian has libfaketime."""
    assert shutil.which("faketime"), "faketime is not installed: apt-get install faketime (make test does it)"
    return next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))


class FakedKit(Kit):
    """A kit whose clock is *ahead* of the real one, and whose time service a test plays."""

    def __init__(self, folder, conf, service):
        super().__init__(folder, conf)
        self.hands, self.run = folder / "hands", folder / "run"
        self.run.mkdir()
        if service:
            (self.run / "systemd" / "timesync").mkdir(parents=True)
        self.program = ["-c", PROBE.format(run=str(self.run))]
        self.environment |= {
            "LD_PRELOAD": str(library()),
            "FAKETIME_TIMESTAMP_FILE": str(self.hands),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "PYTHONPATH": os.pathsep.join(
                filter(None, [str(Path(__file__).parent.parent), os.environ.get("PYTHONPATH")])
            ),
        }

    def set_clock(self, ahead):
        """Set its clock so many seconds ahead of the real time, at once."""
        new = self.hands.with_suffix(".new")
        new.write_text(f"{ahead:+d}\n")
        new.replace(self.hands)

    def synchronise(self):
        """The time service sets the clock, and says so."""
        self.set_clock(0)
        if (timesync := self.run / "systemd" / "timesync").is_dir():
            (timesync / "synchronized").touch()

    def grow(self, count):
        """Wait until so many more entries are in the journal."""
        before = (self.status()["journal"] or {}).get("last", 0)
        until(lambda: self.status()["journal"]["last"] >= before + count, 60)

    def journalled(self):
        """Time and values of all data, as the journal has them, in its order."""
        lines = map(json.loads, mysense("journal", "export", "-c", self.conf).stdout.splitlines())
        found = [line["data"] for line in lines if "data" in line]
        return [(record.pop("time"), record) for record in found]


def test_what_a_daemon_measured_under_a_wrong_clock_is_right_in_influxdb(influxd, serial, tmp_path, service):
    kit = FakedKit(tmp_path, CONF.format(serial=serial, port=influxd.port, folder=tmp_path), service)
    database = f"Clock_{serial}"
    kit.set_clock(-2_500 * 86400)
    begun = time.time()
    try:
        kit.start()
        kit.grow(5)
        kit.kill()
        kit.start()
        kit.grow(4)
        said = mysense("status", "-c", kit.conf).stdout
        checked = mysense("check", "-c", kit.conf, code=1).stdout
        assert database not in [row["name"] for row in influxd.rows("SHOW DATABASES")]
        early = len(kit.journalled())
        kit.synchronise()
        until(lambda: kit.cursor("publisher:influxdb")["lag"] == 0 and not kit.status()["clock"], 60)
        set_at = time.time()
        for ahead in (-7200, 0):
            kit.set_clock(ahead)
            kit.grow(4)
        kit.stop()
    finally:
        kit.kill()

    kept = kit.journalled()
    assert "the clock is not set yet" in said
    assert "the clock is not set yet" in checked
    times = [when for when, _ in kept]
    assert len(set(times)) == len(times)
    assert times[:early] == sorted(times[:early])
    assert all(begun - 2 <= when <= set_at for when in times[:early])
    rows = influxd.rows('SELECT * FROM "data"', database)
    assert sorted((row["time"] // SECOND, row["temp"]) for row in rows) == sorted(
        (when, values["temp"]) for when, values in kept
    )
    lines = [text for path in sorted((tmp_path / "csv").glob("*.csv")) for text in path.read_text().splitlines()[1:]]
    assert len(lines) == len(kept)  # a file does not hide doubles


@pytest.fixture(params=[True, False], ids=["with a time service", "without one"])
def service(request):
    """Whether the machine has a time service."""
    return request.param
