"""What cursors, their lanes and their locks must do, whatever the journal is kept in."""

import threading

import pytest

from mysense.errors import JournalError
from mysense.journal import Journal, Parked
from mysense.telegram import Data
from mysense.testing.journal.telegrams import IDENT, OTHER, data, times


class Cursors:
    """Part of the contract."""

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

    def test_rewind_goes_back_and_forgets(self, journal: Journal) -> None:
        journal.append([data(n) for n in range(4)])
        cursor = journal.cursor("a")
        cursor.ack(5, {"x": Parked(2, frozenset(), "")}, {"k": "v"})
        cursor.rewind(3)

        assert times(cursor.fetch(9)) == [1, 2, 3]
        assert (cursor.lanes, cursor.state()) == ({}, {})

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

    def test_a_cursor_beyond_the_end_is_an_error_and_not_silence(self, journal: Journal) -> None:
        journal.append([data(1)])
        cursor = journal.cursor("a")
        cursor.ack(99)
        with pytest.raises(JournalError, match="99"):
            cursor.fetch(9)
