"""The room that is kept beside the journal, and what a full disk is told of it."""

from types import SimpleNamespace

import pytest

from mysense.journal import reserve
from mysense.journal.reserve import PAGE, SIZE, Reserve
from mysense.journal.sqlite import SqliteJournal
from mysense.testing.journal.telegrams import data


def room(monkeypatch, count):
    """The disk has so many bytes left."""
    monkeypatch.setattr(reserve.os, "statvfs", lambda path: SimpleNamespace(f_bavail=count, f_frsize=1))


def size(folder):
    path = folder / "journal.db.reserve"
    return path.stat().st_size if path.exists() else 0


@pytest.mark.parametrize("most", [10_000_000, 100_000_000, 10**9])
def test_the_reserve_holds_twice_what_may_wait_in_the_log(tmp_path, most):
    kept = Reserve(tmp_path / "journal.db", most)

    assert size(tmp_path) == min(SIZE, most // 25)
    assert 2 * kept.pages * PAGE <= size(tmp_path)


def test_of_too_little_room_three_quarters_are_taken_when_it_is_wanted_badly(tmp_path, monkeypatch):
    room(monkeypatch, 1_000_000)
    kept = Reserve(tmp_path / "journal.db", 10**9)
    assert not size(tmp_path)

    kept.take(part=True)
    assert size(tmp_path) == 750_000
    assert kept.give()
    assert not kept.give()


def test_a_full_disk_is_told_once_and_little_history_goes(tmp_path, caplog):
    journal = SqliteJournal(tmp_path / "journal.db")
    try:
        journal.cursor("publisher:hung").close()
        journal.append([data(n) for n in range(6000)])
        for _ in range(3):
            journal._room.make()
        first, last = journal.bounds()
    finally:
        journal.close()

    assert [record.levelname for record in caplog.records if "disk is full" in record.message] == ["WARNING"]
    assert 500 < first < 2500
    assert last >= 6000
