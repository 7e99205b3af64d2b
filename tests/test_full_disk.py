"""A kit whose journal lies on a disk that is really full: a small one in memory, where this machine lets us mount one.

Everywhere else, ``tests/journal_machine.py`` has every write of a journal fail as on a full disk.
"""

import subprocess

import pytest

from tests.farends import in_files, sent
from tests.faults import Fault
from tests.fleet import Fleet, once
from tests.kit import until
from tests.mqtt import Loader
from tests.proxy import Proxy
from tests.relay import JOURNAL, Relay

SIZE = 5_000_000
NUMBER = 60_000
CONF = """\
[publisher:influxdb:hung]
hostname = 127.0.0.1
port = {hung.port}
"""


@pytest.fixture
def disk(tmp_path):
    """A disk of 5 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting a small disk is not allowed here")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_kit_on_a_full_disk_goes_on_and_says_what_was_lost_to_whom(own_mosquitto, influxd, disk, tmp_path):
    fleet, loader = Fleet(20), Loader(own_mosquitto)
    with Proxy(influxd.port) as hung:
        hung.strike(Fault("hang"))
        kit = Relay(tmp_path / "kit", own_mosquitto, more=CONF.format(hung=hung))
        conf = kit.conf.read_text().replace(str(kit.journal), str(disk / "journal.db"))
        kit.conf.write_text(conf.replace(JOURNAL, f"{JOURNAL}\nmax_size = 50 MB"))  # so that the reserve has room
        kit.journal = disk / "journal.db"
        with kit:
            kit.listens()
            loader.load(fleet.messages(range(NUMBER)))
            until(lambda: len(in_files(tmp_path / "kit" / "csv")) == NUMBER, 240)
            until(lambda: kit.cursor("publisher:csv")["lag"] == 0)
            journal, state = kit.status()["journal"], kit.taking()["state"]
            alive = kit.process.poll() is None

    csv, hanging = ({c["name"]: c for c in journal["cursors"]}[f"publisher:{n}"] for n in ("csv", "influxdb:hung"))
    assert alive
    assert state == "running"
    once(in_files(tmp_path / "kit" / "csv"), sent(fleet, range(NUMBER)), "in the CSV files")
    assert csv["lost"] == 0
    assert journal["first"] > 1, "the oldest had to go"
    assert hanging["lost"] == journal["first"] - 1
    assert hanging["lag"] == journal["last"] - hanging["lost"]
