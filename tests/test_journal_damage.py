"""A journal whose file is damaged, wherever it is, goes on with what can be read of it."""

import random
from contextlib import suppress
from pathlib import Path

import pytest

from mysense.daemon import Daemon
from mysense.errors import UnavailableError
from mysense.journal.sqlite import SqliteJournal
from mysense.settings import DaemonOptions, Identity, JournalOptions, Settings
from mysense.telegram import SECOND
from mysense.testing.clock import ManualClock
from mysense.testing.journal.telegrams import OTHER, T0, data, times
from tests.disk import memory
from tests.kit import Kit, until
from tests.spoil import PAGE, goes_on, sound, spoilt

SEEDS = (11, 14, 22, 43, 83, 88, 127, 158, 202, 38_473, *range(1000, 1040))
"""Those before the range have stopped a journal once; ``python -m torture.damage`` tries thousands."""


def test_whatever_is_damaged_measuring_and_publishing_go_on():
    with memory() as folder:
        body = sound(folder / "journal.db")
        for seed in SEEDS:
            how, entries = goes_on(folder / "journal.db", spoilt(body, random.Random(seed)))
            assert times(entries)[-1] == 99_999, (seed, how)


def test_around_a_page_that_cannot_be_read_everything_is_carried_over(tmp_path):
    path = tmp_path / "journal.db"
    body = bytearray(sound(path))
    number = next(n for n in range(30, 60) if body[n * PAGE] == 13)  # a leaf: of entries, as nearly all are
    body[number * PAGE : (number + 1) * PAGE] = bytes(PAGE)
    _, entries = goes_on(path, bytes(body))

    assert 4080 - PAGE / 50 < len(entries) < 4085


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_of_a_file_that_lost_its_end_the_rest_is_carried_over(tmp_path, share):
    path = tmp_path / "journal.db"
    body = sound(path)
    _, entries = goes_on(path, body[: int(len(body) * share)])

    assert len(entries) > 0.8 * share * 4080


def test_how_far_a_node_had_come_is_known_though_those_entries_are_lost(tmp_path):
    path = tmp_path / "journal.db"
    body = sound(path)
    path.write_bytes(body[: len(body) // 2])
    journal = SqliteJournal(path)
    newest = journal.newest(OTHER.node)
    journal.append([data(1, OTHER, text="late")])

    assert newest == (T0 + 3999) * SECOND
    assert journal.newest(OTHER.node) == newest
    journal.close()


@pytest.mark.parametrize("moment", range(4))
def test_a_replacement_that_is_broken_off_is_finished_or_done_again(tmp_path, monkeypatch, moment):
    path = tmp_path / "journal.db"
    SqliteJournal(path).close()
    journal = SqliteJournal(path)
    last = journal.append([data(n) for n in range(500)])
    journal.cursor("publisher:a").ack(300)
    journal.close()
    path.with_name("journal.db.is-damaged").touch()  # as it is when damage was met
    rename, renamed = Path.rename, []

    def power_cut(self, target):
        if len(renamed) == moment:
            raise SystemExit
        renamed.append(target)
        return rename(self, target)

    with monkeypatch.context() as patch, suppress(SystemExit):
        patch.setattr(Path, "rename", power_cut)
        SqliteJournal(path).close()
    journal = SqliteJournal(path)

    assert times(journal.read(0, 999)) == list(range(500))
    assert journal.cursor("publisher:a").seq == 300
    assert journal.append([data(999)]) == last + 1
    assert list(tmp_path.glob("journal.db.damaged-*"))
    assert not list(tmp_path.glob("*.new*"))
    assert not journal.damaged
    journal.close()


def test_damage_that_is_met_at_work_is_remembered_for_the_next_start(tmp_path):
    path = tmp_path / "journal.db"
    body = bytearray(sound(path))
    number = next(n for n in range(30, 60) if body[n * PAGE] == 13)
    body[number * PAGE : (number + 1) * PAGE] = bytes(PAGE)
    path.write_bytes(body)
    journal = SqliteJournal(path)
    assert not journal.damaged
    with pytest.raises(UnavailableError, match="damaged"):
        journal.read(0, 9999)
    assert journal.damaged
    assert journal.check()
    journal.close()
    journal = SqliteJournal(path)

    assert not journal.damaged
    assert "4" in journal.status().notes[0]
    assert journal.check() == []
    journal.close()


def test_a_daemon_that_meets_damage_begins_anew_and_measures_on(tmp_path):
    kit = Kit(
        tmp_path,
        "[id]\nproject = Demo\nserial = 1\n[daemon]\ninterval = 1\n[sensor:simulated]\n"
        f"[publisher:csv]\ndirectory = {tmp_path / 'csv'}\n",
    )
    body = bytearray(sound(kit.journal))
    number = next(n for n in range(30, 60) if body[n * PAGE] == 13)
    body[number * PAGE : (number + 1) * PAGE] = bytes(PAGE)
    kit.journal.write_bytes(body)
    kit.start()
    try:
        until(lambda: "begins anew" in kit.log.read_text())
        until(lambda: kit.cursor("publisher:csv")["lag"] == 0)
        last = kit.status()["journal"]["last"]
        until(lambda: kit.status()["journal"]["last"] > last + 2)
        assert "set aside" in kit.status()["error"]
        kit.stop()
    finally:
        kit.kill()
    assert "Traceback" not in kit.log.read_text()


def test_a_daily_check_finds_damage_that_nobody_has_met(tmp_path):
    path = tmp_path / "journal.db"
    body = bytearray(sound(path))
    number = next(n for n in range(30, 60) if body[n * PAGE] == 13)
    body[number * PAGE : (number + 1) * PAGE] = bytes(PAGE)
    path.write_bytes(body)
    kit = Identity(project="Test", serial="k1")
    settings = Settings(identity=kit, daemon=DaemonOptions(), journal=JournalOptions(path=path), ends=())
    clock = ManualClock()
    daemon = Daemon(settings, clock=clock)
    clock.advance(700)
    daemon.supervise()
    until(lambda: daemon.journal.damaged)
    daemon.supervise()

    assert daemon.again
    assert daemon.journal.position("check") == str(clock.now())
    daemon.shutdown()
