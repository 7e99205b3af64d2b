"""What must become of times that were measured before the time of day was known."""

from mysense.journal import NOT_SET, Boot, Dating, Entry, Journal, Parked, Undated
from mysense.telegram import SECOND, Note
from mysense.testing.journal.telegrams import IDENT, OTHER, T0, data, flags, times


class Dates:
    """Part of the contract."""

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
