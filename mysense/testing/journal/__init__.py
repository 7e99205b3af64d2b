"""What every back end of the journal must do, as tests that it inherits."""

import threading
from typing import Any

import pytest

from mysense.errors import JournalError
from mysense.journal import NOT_SET, Boot, Dating, Entry, Journal, Parked, Undated
from mysense.journal.rejected import KEPT
from mysense.telegram import SECOND, Data, Field, Ident, Note, ident_of

T0 = 1_700_000_000
IDENT = Ident("Demo", "1", "shed", fields=(Field("temp", "C"),))
OTHER = Ident("Demo", "2")


def data(seconds: float, ident: Ident = IDENT, **values: Any) -> Data:
    """A data telegram some seconds after a fixed time."""
    return Data(ident, T0 * SECOND + round(seconds * SECOND), values or {"temp": float(seconds)})


def times(telegrams: Any) -> list[float]:
    """The times of the data among entries, in seconds after that time."""
    found = [entry.telegram for entry in telegrams if isinstance(entry.telegram, Data)]
    return [(telegram.time - T0 * SECOND) / SECOND for telegram in found]


def flags(entry: Entry) -> Any:
    """What is doubted in an entry."""
    return entry.telegram.flags if isinstance(entry.telegram, Data) else {}


def refusal(text: str) -> Note:
    """What came in and is no telegram, as a journal keeps it."""
    return Note(Ident("", ""), T0 * SECOND, "refused", text, {"from": "a/b", "bytes": len(text)})


class JournalContract:
    """Inherit, and give ``make``: an empty journal."""

    def make(self, folder: Any) -> Journal:
        """An empty journal; *folder* is for its files."""
        raise NotImplementedError

    @pytest.fixture
    def journal(self, tmp_path: Any) -> Any:
        """The journal under test."""
        journal = self.make(tmp_path)
        yield journal
        journal.close()

    def test_keeps_order_kind_and_values(self, journal: Journal) -> None:
        note = Note(IDENT, T0 * SECOND, "stuck", "sensor:x", {"count": 2})
        journal.append([data(1, temp=0, ok=True, text='a "b"\n'), note, data(0.5)])
        [ident, first, noted, second] = [e.telegram for e in journal.cursor("a").fetch(9)]

        assert isinstance(ident, Ident)
        assert ident.digest == IDENT.digest
        assert isinstance(first, Data)
        assert first.ident is ident
        assert dict(first.values) == {"temp": 0, "ok": True, "text": 'a "b"\n'}
        assert isinstance(noted, Note)
        assert (noted.kind, noted.text, dict(noted.values)) == ("stuck", "sensor:x", {"count": 2})
        assert isinstance(second, Data)
        assert second.time == T0 * SECOND + SECOND // 2

    def test_flags_are_kept(self, journal: Journal) -> None:
        journal.append([Data(IDENT, T0 * SECOND, {"temp": 99.0}, {"temp": "too high"})])
        [_, entry] = journal.cursor("a").fetch(9)

        assert isinstance(entry.telegram, Data)
        assert dict(entry.telegram.flags) == {"temp": "too high"}

    def test_a_missing_value_is_absent_and_nothing_is_no_telegram(self, journal: Journal) -> None:
        journal.append([Data(IDENT, 1, {"a": float("nan"), "b": 0.0}), Data(IDENT, 2, {"a": float("inf")})])
        entries = journal.cursor("a").fetch(9)

        assert [dict(e.telegram.values) for e in entries if isinstance(e.telegram, Data)] == [{"b": 0.0}]

    def test_an_ident_is_an_entry_only_when_it_changed(self, journal: Journal) -> None:
        changed = Ident("Demo", "1", "roof")
        journal.append([data(1), data(2), IDENT, data(3, OTHER), data(4, changed), data(5)])
        said = [type(e.telegram).__name__ for e in journal.cursor("a").fetch(99)]

        assert said == ["Ident", "Data", "Data", "Ident", "Data", "Ident", "Data", "Ident", "Data"]
        newest = journal.ident("Demo_1")
        assert newest is not None
        assert newest.label == "shed"

    def test_an_ident_that_is_only_a_name_is_no_news(self, journal: Journal) -> None:
        full, bare = Ident("Demo", "k1", "shed"), Ident("Demo", "k1")
        journal.append([Data(full, 1 * SECOND, {"temp": 1}), Data(bare, 2 * SECOND, {"temp": 2}), bare])
        journal.append([Note(bare, 3 * SECOND, "up")])

        told = [entry.telegram for entry in journal.read(0, 9)]
        assert [ident_of(telegram).label for telegram in told] == ["shed"] * 4

    def test_an_ident_is_known_since_its_first_data(self, journal: Journal) -> None:
        journal.append([data(3), data(4)])
        [ident, *_] = [e.telegram for e in journal.cursor("a").fetch(9)]

        assert isinstance(ident, Ident)
        assert ident.since == (T0 + 3) * SECOND
        assert journal.newest("Demo_1") == (T0 + 4) * SECOND
        assert journal.newest("Demo_9") is None

    def test_a_note_does_not_say_since_when_an_ident_is(self, journal: Journal) -> None:
        journal.append([Note(IDENT, (T0 + 9) * SECOND, "up"), data(3)])
        newest = journal.ident("Demo_1")

        assert newest is not None
        assert newest.since == (T0 + 3) * SECOND

    def test_late_data_keeps_the_ident_it_came_with_and_brings_no_entry(self, journal: Journal) -> None:
        old = Ident("Demo", "1", "old", since=T0 * SECOND)
        new = Ident("Demo", "1", "new", since=(T0 + 10) * SECOND)
        journal.append([data(1, old), data(11, new), data(2, old), data(12, new)])
        entries = [e.telegram for e in journal.cursor("a").fetch(99)]

        assert [type(t).__name__ for t in entries] == ["Ident", "Data", "Ident", "Data", "Data", "Data"]
        assert [t.ident.label for t in entries if isinstance(t, Data)] == ["old", "new", "old", "new"]

    def test_a_repeat_is_confirmed_and_counted_and_not_appended(self, journal: Journal) -> None:
        journal.append([data(1), data(2)])
        before = journal.status().last
        last = journal.append([data(2), data(1), data(1, OTHER)])
        journal.append([data(1, temp=7.0), data(0)])

        assert last == before + 2  # the other node's data, and its ident
        assert times(journal.cursor("a").fetch(99)) == [1, 2, 1, 1, 0]
        assert journal.status().repeated == 2

    def test_cursors_are_independent(self, journal: Journal) -> None:
        journal.append([data(n) for n in range(5)])
        a, b = journal.cursor("a"), journal.cursor("b")
        a.ack(a.fetch(3)[-1].seq)

        assert (a.lag, b.lag) == (3, 6)

    def test_what_was_not_acknowledged_comes_again(self, journal: Journal) -> None:
        journal.append([data(n) for n in range(5)])
        cursor = journal.cursor("a")

        assert times(cursor.fetch(3)) == times(cursor.fetch(3)) == [0, 1]

    def test_an_acknowledgement_never_goes_back(self, journal: Journal) -> None:
        journal.append([data(n) for n in range(5)])
        cursor = journal.cursor("a")
        cursor.ack(4)
        cursor.ack(2)

        assert cursor.seq == 4

    def test_a_new_cursor_begins_at_the_oldest_or_now(self, journal: Journal) -> None:
        journal.append([data(1)])
        old, new = journal.cursor("old"), journal.cursor("new", "now")
        journal.append([data(2)])

        assert times(old.fetch(9)) == [1, 2]
        assert times(new.fetch(9)) == [2]

    def test_fetch_wakes_up_when_something_is_appended(self, journal: Journal) -> None:
        cursor, got = journal.cursor("a"), []
        thread = threading.Thread(target=lambda: got.extend(cursor.fetch(9, 10)))
        thread.start()
        journal.append([data(1)])
        thread.join(5)

        assert times(got) == [1]

    def test_position_and_state_are_stored_with_the_telegrams_or_not_at_all(self, journal: Journal) -> None:
        def interrupted() -> Any:
            yield data(2)
            raise OSError("cable pulled")

        journal.append([data(1)], "mqtt", "7", {"a": "1", "b": "2"})
        with pytest.raises(OSError, match="cable"):
            journal.append(interrupted(), "mqtt", "8", {"a": "3"})
        journal.append([], "mqtt", None, {"b": None})

        assert journal.position("mqtt") == "7"
        assert journal.state("mqtt") == {"a": "1"}
        assert journal.position("other") == ""
        assert times(journal.cursor("a").fetch(9)) == [1]

    def test_the_state_of_a_cursor_is_its_own(self, journal: Journal) -> None:
        journal.append([data(1)])
        cursor = journal.cursor("a")
        cursor.ack(1, None, {"x": "1", "y": "2"})
        cursor.ack(2, None, {"x": None})
        journal.flush()

        assert cursor.state() == {"y": "2"}

    def test_a_parked_lane_counts_and_is_read_by_its_nodes(self, journal: Journal) -> None:
        journal.append([data(n, (IDENT, OTHER)[n % 2]) for n in range(6)])
        cursor = journal.cursor("a")
        last = cursor.fetch(99)[-1].seq
        parked = Parked(3, frozenset({"Demo_2"}), "no grant")
        cursor.ack(last, {"two": parked})

        assert cursor.lag == last - 2
        assert times(cursor.fetch_parked("two", 2)) == [1]  # behind the ident of that node
        assert times(cursor.fetch_parked("two", 99)) == [1, 3, 5]
        assert cursor.lanes == {"two": parked}
        cursor.ack(last, {})
        assert cursor.lag == 0

    def test_what_is_set_aside_is_kept_as_it_was(self, journal: Journal) -> None:
        journal.append([data(1)])
        cursor = journal.cursor("a")
        cursor.reject(2, "not wanted", data(1, temp=7.5, text="as it was\n"))
        journal.cursor("b").reject(2, "no", data(1))
        [kept] = journal.rejected("a")

        assert (kept.cursor, kept.seq, kept.reason) == ("a", 2, "not wanted")
        assert isinstance(kept.telegram, Data)
        assert dict(kept.telegram.values) == {"temp": 7.5, "text": "as it was\n"}
        assert kept.telegram.ident.digest == IDENT.digest
        assert cursor.seq == 0
        journal.drop_rejected([kept.number])
        assert [r.cursor for r in journal.rejected()] == ["b"]

    def test_what_a_source_refused_is_committed_with_the_telegrams_or_not_at_all(self, journal: Journal) -> None:
        def interrupted() -> Any:
            yield data(2)
            raise OSError("cable pulled")

        journal.append([data(1)], "mqtt", "7", {"a": "1"}, [("not JSON", refusal("{")), ("no time", refusal("x"))])
        with pytest.raises(OSError, match="cable"):
            journal.append(interrupted(), "mqtt", "8", None, [("never told", refusal(""))])
        journal.append([], "other", refused=[("empty", refusal(""))])
        kept = journal.rejected("mqtt")

        assert [(r.cursor, r.seq, r.reason) for r in kept] == [("mqtt", 0, "not JSON"), ("mqtt", 0, "no time")]
        assert [r.telegram for r in kept] == [refusal("{"), refusal("x")]
        assert len({r.number for r in journal.rejected()}) == 3
        assert times(journal.cursor("a").fetch(9)) == [1]
        assert (journal.position("mqtt"), journal.state("mqtt")) == ("7", {"a": "1"})

    def test_of_what_a_source_refused_the_newest_is_kept(self, journal: Journal) -> None:
        journal.append([], "other", refused=[("first", refusal("x"))])
        for _ in range(2):
            journal.append([], "mqtt", refused=[(str(n), refusal("x")) for n in range(KEPT // 2 + 10)])
        kept = journal.rejected("mqtt", 2 * KEPT)

        assert len(kept) == KEPT
        assert kept[-1].reason == str(KEPT // 2 + 9)
        journal.append([], "other", refused=[("second", refusal("x"))])
        assert [each.reason for each in journal.rejected("other")] == ["first", "second"]

    def test_rewind_goes_back_and_forgets(self, journal: Journal) -> None:
        journal.append([data(n) for n in range(4)])
        cursor = journal.cursor("a")
        cursor.ack(5, {"x": Parked(2, frozenset(), "")}, {"k": "v"})
        cursor.rewind(3)

        assert times(cursor.fetch(9)) == [1, 2, 3]
        assert (cursor.lanes, cursor.state()) == ({}, {})

    def test_numbers_are_not_used_again_when_everything_was_trimmed(self, journal: Journal) -> None:
        last = journal.append([data(n) for n in range(5)])
        cursor = journal.cursor("a")
        cursor.ack(last)
        journal.flush()
        journal.trim()
        journal.append([data(9)])

        assert times(cursor.fetch(9)) == [9]
        assert cursor.fetch(9)[0].seq == last + 1

    def test_a_section_has_one_worker(self, journal: Journal) -> None:
        cursor = journal.cursor("a")
        with pytest.raises(JournalError):
            journal.cursor("a")
        cursor.close()
        journal.hold("b")
        with pytest.raises(JournalError):
            journal.hold("b")
        journal.release("b")
        journal.hold("b")

        assert journal.cursor("a").seq == 0

    def test_nothing_stalls_while_nothing_is_written(self, journal: Journal) -> None:
        journal.append([data(1)])
        journal.flush()

        assert journal.stalled() < 1

    def test_a_cursor_that_is_forgotten_is_gone(self, journal: Journal) -> None:
        cursor = journal.cursor("a")
        cursor.reject(1, "no", data(1))
        cursor.close()
        journal.forget("a")

        assert journal.status().cursors == ()

    def test_a_cursor_that_is_held_is_not_forgotten(self, journal: Journal) -> None:
        cursor = journal.cursor("a")
        with pytest.raises(JournalError):
            journal.forget("a")

        assert [c.name for c in journal.status().cursors] == [cursor.name]

    def test_a_new_cursor_has_no_lag_of_what_is_gone(self, journal: Journal) -> None:
        last = journal.append([data(n) for n in range(5)])
        journal.cursor("a").ack(last)
        journal.flush()
        journal.trim()
        first = journal.status().first

        assert journal.cursor("b").lag == last - first + 1

    def test_the_same_values_with_another_doubt_are_no_repeat(self, journal: Journal) -> None:
        journal.append([data(1), Data(IDENT, (T0 + 1) * SECOND, {"temp": 1.0}, {"temp": "doubted"})])

        assert times(journal.cursor("a").fetch(9)) == [1, 1]

    def test_a_cursor_beyond_the_end_is_an_error_and_not_silence(self, journal: Journal) -> None:
        journal.append([data(1)])
        cursor = journal.cursor("a")
        cursor.ack(99)
        with pytest.raises(JournalError, match="99"):
            cursor.fetch(9)

    def test_times_since_a_start_of_the_machine_follow_when_the_clock_is_set(self, journal: Journal) -> None:
        cursor, boot = journal.cursor("a"), Boot("b1", T0 * SECOND)
        journal.append([data(-5)], boot=boot)  # from before that start
        journal.append([data(1), Note(IDENT, (T0 + 2) * SECOND, "up"), data(3, temp=7.0)], boot=boot)
        before = cursor.fetch(9)
        journal.append([data(2000)], boot=boot._replace(start=(T0 + 1000) * SECOND, dating=Dating.SET))
        after = cursor.fetch(9)

        assert [type(entry) for entry in before] == [Entry, Entry, Undated, Undated, Undated]
        assert times(before) == [-5, 1, 3]
        assert times(after) == [-5, 1001, 1003, 2000]
        assert after[3].telegram.time == (T0 + 1002) * SECOND  # type: ignore[union-attr]
        assert [entry.seq for entry in after] == [1, 2, 3, 4, 5, 6]
        assert {type(entry) for entry in after} == {Entry}
        assert [dict(flags(entry)) for entry in before[2:]] == [{"time": NOT_SET}, {}, {"time": NOT_SET}]
        assert not any(map(flags, after))
        assert journal.newest("Demo_1") == (T0 + 2000) * SECOND

    def test_a_start_without_the_time_of_day_keeps_its_estimate(self, journal: Journal) -> None:
        boot = Boot("b1", T0 * SECOND)
        journal.append([data(1)], boot=boot)
        journal.append([], boot=boot._replace(dating=Dating.OVER))
        journal.append([data(9)])
        [_, first, second] = journal.read(0, 9)

        assert (type(first), type(second)) == (Entry, Entry)
        assert (flags(first), flags(second)) == ({"time": NOT_SET}, {})
        assert journal.boots() == [boot._replace(dating=Dating.OVER)]

    def test_repeats_are_known_by_the_right_time_once_that_is_known(self, journal: Journal) -> None:
        boot = Boot("b1", T0 * SECOND)
        journal.append([data(1, temp=1.0)], boot=boot)
        journal.append([data(1, temp=1.0)], boot=boot)
        journal.append([], boot=boot._replace(start=(T0 - 1000) * SECOND, dating=Dating.SET))
        journal.append([data(-999, temp=1.0), data(1, temp=1.0)])

        assert journal.status().repeated == 2
        assert times(journal.read(0, 9)) == [-999, 1]
        assert journal.newest("Demo_1") == (T0 + 1) * SECOND

    def test_two_starts_that_measure_the_same_are_no_repeat(self, journal: Journal) -> None:
        for number in range(2):
            journal.append([data(50 * number + 1, temp=1.0)], boot=Boot(f"b{number}", (T0 + 50 * number) * SECOND))

        assert times(journal.read(0, 9)) == [1, 51]

    def test_an_estimate_is_not_what_an_ident_is_known_since(self, journal: Journal) -> None:
        journal.append([data(1)], boot=Boot("b1", T0 * SECOND))
        guessed = journal.ident("Demo_1")
        journal.append([data(500)])
        known = journal.ident("Demo_1")

        assert guessed is not None
        assert known is not None
        assert (guessed.since, known.since) == (None, (T0 + 500) * SECOND)
        assert [type(e.telegram).__name__ for e in journal.read(0, 9)] == ["Ident", "Data", "Data"]

    def test_a_parked_lane_is_read_with_its_right_times(self, journal: Journal) -> None:
        cursor, boot = journal.cursor("a"), Boot("b1", T0 * SECOND)
        journal.append([data(1, OTHER), data(2)], boot=boot)
        cursor.ack(4, {"clock": Parked(1, frozenset({"Demo_2"}), "waits")})
        before = cursor.fetch_parked("clock", 9)
        journal.append([], boot=boot._replace(start=(T0 + 10) * SECOND, dating=Dating.SET))

        assert {type(entry) for entry in before} == {Undated}
        assert times(cursor.fetch_parked("clock", 9)) == [11]

    def test_many_threads_append_and_nothing_is_mixed_up(self, journal: Journal) -> None:
        idents = [Ident("Demo", f"t{n}") for n in range(4)]
        threads = [
            threading.Thread(target=lambda ident=ident: [journal.append([data(n, ident)]) for n in range(50)])
            for ident in idents
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        entries = journal.cursor("a").fetch(999)

        assert [e.seq for e in entries] == list(range(1, 205))
        for ident in idents:
            mine = [e for e in entries if isinstance(e.telegram, Data) and e.telegram.ident.node == ident.node]
            assert times(mine) == list(range(50))
