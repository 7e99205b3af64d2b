"""The journal: its contract for every back end, and what only a file can show."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from mysense.errors import JournalError
from mysense.journal import Boot, Dating, Parked
from mysense.journal.memory import MemoryJournal
from mysense.journal.sqlite import SqliteJournal
from mysense.telegram import SECOND, Data, Ident
from mysense.testing.clock import ManualClock
from mysense.testing.journal import JournalContract
from mysense.testing.journal.telegrams import IDENT, OTHER, T0, data, times
from tests.disk import DISK
from tests.felt import felt

ROOT = Path(__file__).parent.parent


class TestMemoryJournal(JournalContract):
    def make(self, folder):
        return MemoryJournal()


class TestSqliteJournal(JournalContract):
    def make(self, folder):
        return SqliteJournal(folder / "deep" / "journal.db", keep=0)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.db"


def test_everything_is_there_after_a_restart(path):
    journal = SqliteJournal(path)
    journal.append([data(1), data(2, OTHER)], "mqtt", "7", {"s": "1"})
    cursor = journal.cursor("a")
    cursor.ack(2, {"two": Parked(3, frozenset({"Demo_2"}), "no grant", True)}, {"k": "v"})
    cursor.reject(2, "no", data(1))
    journal.close()
    journal = SqliteJournal(path)
    cursor = journal.cursor("a")

    assert (cursor.seq, cursor.state()) == (2, {"k": "v"})
    assert cursor.lanes == {"two": Parked(3, frozenset({"Demo_2"}), "no grant", True)}
    assert (journal.position("mqtt"), journal.state("mqtt")) == ("7", {"s": "1"})
    assert len(journal.rejected("a")) == 1
    assert times(journal.read(0, 99)) == [1, 2]
    assert journal.append([data(1)]) == 4  # a repeat, and the ident is known
    assert journal.status().repeated == 1
    journal.close()


def test_repeats_are_known_after_a_trim_and_a_restart(path):
    journal = SqliteJournal(path, keep=0)
    journal.append([data(n) for n in range(50)])
    journal.trim()
    journal.close()
    journal = SqliteJournal(path)
    journal.append([data(n) for n in range(50)])

    assert journal.status().repeated == 50
    journal.close()


def test_the_last_thousand_are_remembered_and_no_more(path):
    journal = SqliteJournal(path)
    journal.append([data(n) for n in range(1500)])
    journal.append([data(n) for n in range(599, 399, -1)])

    assert journal.status().repeated == 100
    journal.close()


CHILD = """
import sys
from mysense.journal.sqlite import SqliteJournal
from mysense.testing.journal.telegrams import data
journal = SqliteJournal(sys.argv[1])
for n in range(int(sys.argv[2]), 10**6):
    print(n, journal.append([data(n)]), flush=True)
"""


def test_killed_at_any_moment_it_keeps_what_it_acknowledged(path):
    acknowledged = -1
    for pause in (0.05, 0.2, 0.11, 0.3):
        begin = max(0, acknowledged - 5)  # a source sends again what it is not sure of
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(path), str(begin)], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout.readline()
        threading.Event().wait(pause)  # the moment of the kill is the point
        child.send_signal(signal.SIGKILL)
        lines = child.stdout.read().splitlines(keepends=True)
        child.wait()
        child.stdout.close()
        whole = [line for line in lines if line.endswith("\n")]
        acknowledged = int(whole[-1].split()[0]) if whole else acknowledged
        journal = SqliteJournal(path)
        kept = journal.read(0, 10**6)
        journal.close()

        assert times(kept) == list(range(len(kept) - 1))
        assert times(kept)[-1] >= acknowledged
        assert [e.seq for e in kept] == list(range(1, len(kept) + 1))


def test_two_processes_append_the_same_and_each_telegram_is_there_once(path):
    SqliteJournal(path).close()
    program = CHILD.replace("10**6", "200")
    children = [
        subprocess.Popen([sys.executable, "-c", program, str(path), "0"], stdout=subprocess.DEVNULL) for _ in range(2)
    ]
    assert [child.wait(60) for child in children] == [0, 0]
    journal = SqliteJournal(path)

    assert times(journal.read(0, 9999)) == list(range(200))
    journal.close()


def test_a_reader_of_another_process_wakes_up(path):
    journal = SqliteJournal(path)
    cursor = journal.cursor("a")
    child = subprocess.Popen([sys.executable, "-c", CHILD.replace("10**6", "3"), str(path), "0"])
    begun = time.monotonic()
    while len(times(cursor.fetch(9, 1))) < 3 and time.monotonic() - begun < 20:
        pass

    assert times(cursor.fetch(9)) == [0, 1, 2]
    assert child.wait(10) == 0
    journal.close()


def test_a_section_is_held_against_other_processes_and_given_free_by_their_death(path):
    program = CHILD.partition("for n")[0] + "cursor = journal.cursor('a')\nprint('held', flush=True)\nsys.stdin.read()"
    child = subprocess.Popen([sys.executable, "-c", program, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout.readline()
    journal = SqliteJournal(path)
    with pytest.raises(JournalError, match=f"process {child.pid}"):
        journal.cursor("a")
    child.kill()
    child.wait()

    assert journal.cursor("a").seq == 0
    child.stdin.close()
    child.stdout.close()
    journal.close()


def test_looking_into_it_makes_and_locks_nothing(path, tmp_path):
    journal = SqliteJournal(path)
    journal.append([data(1)])
    looked = SqliteJournal.open_existing(path)

    assert times(looked.read(0, 9)) == [1]
    assert looked.status().last == 2
    looked.close()
    journal.close()
    with pytest.raises((OSError, JournalError, sqlite3.OperationalError)):
        SqliteJournal.open_existing(tmp_path / "none.db")
    assert not (tmp_path / "none.db").exists()


def test_a_file_of_a_newer_mysense_is_left_alone(path):
    SqliteJournal(path).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(JournalError, match="newer mysense"):
        SqliteJournal(path)


def test_a_journal_of_version_1_is_read_and_goes_on(path):
    path.write_bytes((ROOT / "testdata" / "journal-v1.db").read_bytes())
    journal = SqliteJournal(path)
    cursor = journal.cursor("publisher:csv")
    last = journal.status().last
    before = times(journal.read(0, 99))

    assert before == [0, 1, 2, 3, 4, 5]
    assert (cursor.seq, cursor.state()) == (4, {"publisher/k": "v"})
    assert cursor.lanes == {"Demo_2": Parked(3, frozenset({"Demo_2"}), "no grant")}
    assert len(journal.rejected("publisher:csv")) == 1
    assert journal.position("subscriber:mqtt") == "42"
    assert journal.append([data(5, OTHER), data(6, OTHER)]) == last + 1
    journal.close()


def test_a_file_that_was_upgraded_has_the_tables_of_a_new_one(path, tmp_path):
    def tables(of):
        with closing(sqlite3.connect(of)) as db:
            names = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")]
            return {
                name: db.execute(f"SELECT name, type FROM pragma_table_info('{name}')").fetchall() for name in names
            }

    path.write_bytes((ROOT / "testdata" / "journal-v1.db").read_bytes())
    SqliteJournal(path).close()
    SqliteJournal(tmp_path / "new.db").close()

    assert tables(path) == tables(tmp_path / "new.db")


def test_a_journal_of_version_1_can_be_looked_into_without_changing_it(path):
    path.write_bytes((ROOT / "testdata" / "journal-v1.db").read_bytes())
    journal = SqliteJournal.open_existing(path)

    assert times(journal.read(0, 99)) == [0, 1, 2, 3, 4, 5]
    assert journal.status().last == journal.read(0, 99)[-1].seq
    assert journal.boots() == []
    assert journal.check() == []
    journal.close()
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (1,)


def test_a_damaged_journal_of_version_1_is_carried_over_into_one_of_today(path):
    path.write_bytes((ROOT / "testdata" / "journal-v1.db").read_bytes())
    with closing(sqlite3.connect(path)) as db:
        [(root,)] = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'cursor'")
    body = bytearray(path.read_bytes())
    body[(root - 1) * 4096 : (root - 1) * 4096 + 100] = b"\xff" * 100
    path.write_bytes(body)
    journal = SqliteJournal(path)
    [note] = journal.status().notes

    assert "set aside" in note
    assert journal.append([data(9)]) > 6
    assert journal.check() == []
    journal.close()


def test_what_was_measured_before_the_clock_was_set_is_carried_over(path, caplog):
    journal = SqliteJournal(path)
    boot = Boot("b1", T0 * SECOND)
    journal.append([data(-9)])
    journal.append([data(n, text="x" * 50) for n in range(2000)], boot=boot)
    journal.append([], boot=boot._replace(start=(T0 + 5000) * SECOND, dating=Dating.SET))
    journal.close()
    spoil(path, "page")
    journal = SqliteJournal(path)
    found = times(journal.read(0, 9999))

    assert found[:3] == [-9, 5000, 5001]
    assert len(found) > 1500
    assert journal.check() == []
    journal.close()


def test_the_clock_set_is_remembered_over_a_crash(path):
    journal = SqliteJournal(path)
    boot = Boot("b1", T0 * SECOND)
    journal.append([data(n, temp=1.0) for n in range(3)], boot=boot)
    journal.close()
    journal = SqliteJournal(path)
    journal.append([], boot=boot._replace(start=(T0 + 100) * SECOND, dating=Dating.SET))
    copy = path.with_name("copy.db")  # as a kill would leave it
    for end in ("", "-wal"):
        copy.with_name(f"copy.db{end}").write_bytes(path.with_name(f"journal.db{end}").read_bytes())
    journal.close()
    journal = SqliteJournal(copy)
    journal.append([data(n, temp=1.0) for n in range(100, 103)])

    assert times(journal.read(0, 9)) == [100, 101, 102]
    assert journal.status().repeated == 3
    journal.close()


def test_history_that_was_written_before_the_clock_was_set_is_kept_as_long_as_other(path):
    clock = ManualClock(1000)
    journal = SqliteJournal(path, keep=3600, clock=clock)
    cursor, boot = journal.cursor("a"), Boot("b1", 1000 * SECOND)
    journal.append([data(n) for n in range(3)], boot=boot)
    clock.set(T0)
    journal.append([data(9)], boot=boot._replace(start=T0 * SECOND, dating=Dating.SET))
    cursor.ack(9)
    journal.flush()

    assert journal.trim() == 0
    clock.advance(7300)
    assert journal.trim() > 0
    journal.close()


def test_history_is_kept_by_age_once_everybody_has_passed(path):
    clock = ManualClock(T0)
    journal = SqliteJournal(path, keep=3600, clock=clock)
    cursor = journal.cursor("a")
    for hour in range(4):
        journal.append([data(hour)])
        clock.advance(3600)
    assert journal.trim() == 0  # nobody has read it yet
    cursor.ack(5)
    journal.flush()
    journal.trim()

    assert times(journal.read(0, 9))[-1] == 3
    assert len(times(journal.read(0, 9))) <= 2
    journal.close()


def test_a_lane_that_is_parked_in_the_commit_that_trims_holds_history_back(path):
    journal = SqliteJournal(path, keep=0, commit_interval=0)
    journal.append([data(n) for n in range(10)])
    cursor = journal.cursor("a")
    cursor.ack(11, {"x": Parked(5, frozenset({IDENT.node}), "no")})  # is written with the next commit
    journal.trim()

    assert journal.status().first == 5
    assert [entry.seq for entry in cursor.fetch_parked("x", 9)] == [5, 6, 7, 8, 9, 10, 11]
    journal.close()


def test_a_parked_lane_holds_history_back(path):
    journal = SqliteJournal(path, keep=0)
    journal.append([data(n, (IDENT, OTHER)[n % 2]) for n in range(6)])
    cursor = journal.cursor("a")
    cursor.ack(8, {"two": Parked(4, frozenset({"Demo_2"}), "no grant")})
    journal.flush()
    journal.trim()

    assert times(cursor.fetch_parked("two", 99)) == [1, 3, 5]
    journal.close()


def test_the_cursor_of_a_section_that_is_gone_holds_back_for_a_month_and_no_longer(path):
    clock = ManualClock(T0)
    journal = SqliteJournal(path, keep=0, forget=30 * 86400, clock=clock)
    journal.append([data(1)])
    journal.cursor("gone").close()
    clock.advance(29 * 86400)
    assert journal.trim() == 0
    [status] = journal.status().cursors
    clock.advance(2 * 86400)

    assert status.orphan
    assert journal.trim() == 2
    journal.close()


def test_when_the_size_is_reached_the_oldest_goes_and_is_counted(path):
    journal = SqliteJournal(path, max_size=1_000_000)
    cursor = journal.cursor("a")
    for begin in range(0, 20_000, 1000):
        journal.append([data(n, text="x" * 200) for n in range(begin, begin + 1000)])
    journal.trim()
    status = journal.status()
    [lost] = [c.lost for c in status.cursors]

    assert status.bytes <= 1_200_000
    assert lost > 10_000
    assert times(journal.read(0, 10**6))[-1] == 19_999
    assert journal.check() == []
    journal.close()
    journal = SqliteJournal(path)
    assert times(journal.cursor("a").fetch(3))  # it goes on where there is something
    journal.close()
    assert cursor.name == "a"


def test_the_write_ahead_log_does_not_grow_without_end(path):
    journal = SqliteJournal(path)
    for begin in range(0, 30_000, 1000):
        journal.append([data(n, text="x" * 300) for n in range(begin, begin + 1000)])
    wal = path.with_name("journal.db-wal").stat().st_size
    journal.close()

    assert wal < 10_000_000


def test_a_path_that_cannot_be_written_is_one_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        SqliteJournal(tmp_path / "file" / "journal.db")


def test_append_ack_and_trim_write_little(path):
    def written():
        return int(Path("/proc/self/io").read_text().split("write_bytes: ")[1].split()[0])

    idents = [Ident("Demo", f"n{n}") for n in range(100)]
    names = ("pm1", "pm25", "pm10", "temp", "rh", "hpa", "no2", "o3", "rssi", "battery")
    journal = SqliteJournal(path, keep=0)
    cursor, before = journal.cursor("a"), written()
    for begin in range(0, 20_000, 1000):
        journal.append(
            [
                Data(idents[n % 100], (T0 + n) * SECOND, dict.fromkeys(names, n + 0.25))
                for n in range(begin, begin + 1000)
            ]
        )
        cursor.ack(cursor.fetch(2000)[-1].seq)
        journal.flush()
        journal.trim()
    journal.close()

    assert (written() - before) / 20_000 < 1700


def spoil(path, how):
    """Damage a closed journal."""
    body = bytearray(path.read_bytes())
    if how == "header":
        body[:100] = b"\xff" * 100
    elif how == "cut":
        del body[len(body) // 2 // 4096 * 4096 + 17 :]
    else:
        body[len(body) - 3 * 4096 : len(body) - 4096] = os.urandom(2 * 4096)
    path.write_bytes(body)


@pytest.mark.parametrize("how", ["header", "cut", "page"])
def test_a_damaged_file_is_set_aside_and_what_can_be_read_goes_on(path, how, caplog):
    journal = SqliteJournal(path)
    for begin in range(0, 3000, 100):
        journal.append([data(n, text="x" * 50) for n in range(begin, begin + 100)])
    cursor = journal.cursor("a")
    cursor.ack(2000)
    before = journal.status().id
    journal.close()
    spoil(path, how)
    journal = SqliteJournal(path)
    kept = times(journal.read(0, 9999))
    [note] = journal.status().notes
    last = journal.append([data(9999)])

    assert "set aside" in note
    assert note in caplog.text
    assert journal.status().id != before
    assert list(path.parent.glob("journal.db.damaged-*"))
    assert kept == sorted(kept)
    assert journal.check() == []
    if how == "page":
        assert len(kept) > 2500
    if how != "header":
        assert last > max([e.seq for e in journal.read(0, 9999)][:-1], default=0)
    assert times(journal.read(last - 1, 9)) == [9999]
    journal.close()


def test_a_full_disk_stops_nothing(tmp_path):
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting a small disk is not allowed here")
    try:
        journal = SqliteJournal(folder / "journal.db")
        cursor = journal.cursor("a")  # it delivers nothing, and holds everything back
        for begin in range(0, 60_000, 100):
            journal.append([data(n, text="x" * 200) for n in range(begin, begin + 100)])
        kept = times(journal.read(0, 10**6))
        cursor.ack(journal.status().last)
        journal.flush()
        [status] = journal.status().cursors

        assert kept == list(range(int(kept[0]), 60_000))
        assert len(kept) > 3000
        assert status.lost == pytest.approx(60_000 - len(kept), abs=2)
        assert journal.check() == []
        journal.close()
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_an_acknowledgement_that_could_not_be_written_is_written_later(path, monkeypatch):
    journal = SqliteJournal(path)
    journal.append([data(n) for n in range(5)])
    cursor = journal.cursor("a")
    monkeypatch.setattr(journal._acks, "_clock", None)  # the next write of acknowledgements fails
    cursor.ack(3, {"x": Parked(2, frozenset({"Demo_1"}), "no")}, {"k": "v"})
    with pytest.raises(AttributeError):
        journal.flush()
    monkeypatch.undo()
    cursor.ack(4, None, {"l": "w"})
    journal.close()
    journal = SqliteJournal(path)
    cursor = journal.cursor("a")

    assert (cursor.seq, cursor.state(), list(cursor.lanes)) == (4, {"k": "v", "l": "w"}, ["x"])
    journal.close()


def test_only_appending_waits_for_company(path):
    journal = SqliteJournal(path, commit_interval=5)
    cursor, begun = journal.cursor("a"), felt()
    for n in range(3):
        cursor.reject(n, "no", data(n))
    journal.drop_rejected([1])
    cursor.close()
    took = felt() - begun

    assert len(journal.rejected("a")) == 2
    assert took < 4
    journal.close()


def test_what_could_not_be_stored_is_no_repeat_when_it_comes_again(path):
    journal = SqliteJournal(path)
    with pytest.raises(UnicodeEncodeError):
        journal.append([data(1), data(2, text="\ud800")])
    journal.append([data(1)])

    assert times(journal.read(0, 9)) == [1]
    assert journal.status().repeated == 0
    journal.close()


def test_an_entry_whose_text_is_damaged_stops_nobody_and_is_found_by_a_check(tmp_path):
    journal = SqliteJournal(tmp_path / "journal.db")
    journal.append([data(1), data(2), Data(IDENT, T0 * SECOND, {"temp": 1.0}, {"temp": "doubted"})])
    journal.close()
    with closing(sqlite3.connect(tmp_path / "journal.db")) as db, db:
        db.execute("""UPDATE entry SET body = '{"temp":}' WHERE seq = 2""")
        db.execute("UPDATE entry SET body = '[{' WHERE seq = 4")
    journal = SqliteJournal(tmp_path / "journal.db")
    found = [dict(e.telegram.values) for e in journal.cursor("a").fetch(9) if isinstance(e.telegram, Data)]

    assert found == [{"unreadable": '{"temp":}'}, {"temp": 2.0}, {"unreadable": "[{"}]
    assert journal.check() == ["2 entries can no longer be read; they are published as text called 'unreadable'"]
    journal.close()


def test_a_cursor_that_a_full_disk_refused_can_be_had_later(path):
    with DISK.used():
        journal = SqliteJournal(path)
    journal.append([data(1), data(2)])
    with DISK.failing(), pytest.raises(OSError, match="full"):
        journal.cursor("a")
    cursor = journal.cursor("a")
    cursor.ack(2)
    journal.flush()
    cursor.ack(3)
    with DISK.failing(), pytest.raises(OSError, match="full"):
        cursor.rewind(1)
    assert cursor.seq == 3
    with DISK.failing(), pytest.raises(OSError, match="full"):
        cursor.close()
    with DISK.failing(), pytest.raises(OSError, match="full"):
        journal.forget("a")

    assert journal.cursor("a").seq == 3
    journal.close()


def test_a_clock_that_was_ahead_keeps_nothing_for_longer(path):
    clock = ManualClock(T0)
    journal = SqliteJournal(path, keep=3600, clock=clock)
    clock.set(T0 + 10**9)  # decades
    journal.append([data(1)])
    clock.set(T0)
    journal.append([data(2)])
    cursor = journal.cursor("a")
    cursor.ack(3)
    clock.advance(7200)
    journal.append([data(3)])
    journal.trim()

    assert times(journal.read(0, 9)) == [3]
    journal.close()


def test_a_parked_lane_of_a_node_that_is_rare_is_read_in_short_steps(path, monkeypatch):
    monkeypatch.setattr("mysense.journal.reader.SCAN", 10)
    journal = SqliteJournal(path)
    journal.append([data(n, OTHER if n % 40 == 39 else IDENT) for n in range(200)])
    cursor = journal.cursor("a")
    cursor.ack(202, {"two": Parked(1, frozenset({"Demo_2"}), "no")})

    assert times(cursor.fetch_parked("two", 3)) == [39, 79]
    assert times(cursor.fetch_parked("two", 99)) == [39, 79, 119, 159, 199]
    journal.close()
