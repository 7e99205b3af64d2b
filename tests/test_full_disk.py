"""A kit whose journal lies on a disk that is really full: a small one in memory, where this machine lets us mount one.

Everywhere else, ``tests/journal_machine.py`` has every write of a journal fail as on a full disk.
"""

import subprocess
from itertools import repeat

import pytest

from mysense.errors import UnavailableError
from mysense.journal.sqlite import SqliteJournal
from mysense.testing.journal import data, times
from tests.farends import in_files, sent
from tests.faults import Fault
from tests.fleet import Fleet, once
from tests.kit import mysense, until
from tests.mqtt import Loader
from tests.proxy import Proxy
from tests.relay import JOURNAL, Relay

SIZE = 5_000_000
NUMBER = 60_000
PORTION = 5_000
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
            for n in range(0, NUMBER, PORTION):  # the files keep pace, however slow this machine is
                loader.load(fleet.messages(range(n, n + PORTION)))
                until(lambda n=n: kit.taking()["count"] >= n + PORTION)
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


def filled(disk):
    """The disk is full to its last byte, by somebody else."""
    with (disk / "filler").open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
        file.writelines(repeat(bytes(4096)))


def worked(path, count):
    """A journal that is closed, and of which half is delivered."""
    journal = SqliteJournal(path)
    for begin in range(0, count, 500):
        last = journal.append([data(n, text="x" * 50) for n in range(begin, begin + 500)])
    cursor = journal.cursor("publisher:a")
    cursor.ack(last // 2)
    cursor.close()
    journal.close()
    return last


def test_a_kit_that_starts_on_a_disk_that_others_have_filled_measures(disk):
    last = worked(disk / "journal.db", 5000)
    filled(disk)
    journal = SqliteJournal(disk / "journal.db")
    for n in range(6000, 9000):
        assert journal.append([data(n)]) == (last := last + 1)
    kept = times(journal.read(0, 10**6))
    lag = journal.cursor("publisher:a").lag
    journal.close()

    assert kept[-3000:] == list(range(6000, 9000))
    assert lag > 3000


def test_what_is_on_a_full_disk_can_be_looked_at(disk):
    conf = disk / "MySense.conf"
    conf.write_text(f"[journal]\npath = {disk / 'journal.db'}\n[sensor:simulated]\n")
    worked(disk / "journal.db", 500)
    filled(disk)

    assert "500 entries" in mysense("status", "-c", conf, code=1).stdout.replace("501", "500")
    assert mysense("journal", "export", "-c", conf).stdout.count("\n") == 501


def damaged(path):
    """Some page of entries is gone, and that was met."""
    body = bytearray(path.read_bytes())
    number = next(n for n in range(30, 60) if body[n * 4096] == 13)
    with path.open("r+b") as file:
        file.seek(number * 4096)
        file.write(bytes(4096))
    path.with_name("journal.db.is-damaged").touch()


def test_of_a_damaged_journal_the_newest_is_carried_over_that_a_full_disk_has_room_for(disk, monkeypatch):
    monkeypatch.setattr("mysense.journal.reserve.SIZE", 1_000_000)
    last = worked(disk / "journal.db", 20_000)
    damaged(disk / "journal.db")
    filled(disk)
    journal = SqliteJournal(disk / "journal.db")
    kept = times(journal.read(0, 10**6))
    [note], [cursor] = journal.status().notes, journal.status().cursors
    added = [journal.append([data(n)]) for n in range(30_000, 33_000)]
    wrong = journal.check()
    journal.close()

    assert kept == list(range(20_000 - len(kept), 20_000))
    assert 2000 < len(kept) < 10_000
    assert f"{len(kept)} entries and 1 cursors were carried over; the disk has no room for what is older" in note
    assert cursor.lag == len(kept)
    assert cursor.lost == last - last // 2 - len(kept)
    assert added == list(range(last + 1, last + 3001))
    assert wrong == []


def test_without_a_reserve_a_full_disk_is_told_in_a_line(disk):
    worked(disk / "journal.db", 500)
    (disk / "journal.db.reserve").unlink()
    filled(disk)

    with pytest.raises(UnavailableError, match="the disk is full"):
        SqliteJournal(disk / "journal.db")
