"""What every back end of the journal must do, as tests that it inherits."""

import threading
from typing import Any

import pytest

from mysense.journal import Journal
from mysense.journal.rejected import KEPT
from mysense.telegram import SECOND, Data, Ident, Note, ident_of
from mysense.testing.journal.cursors import Cursors
from mysense.testing.journal.dates import Dates
from mysense.testing.journal.telegrams import IDENT, OTHER, T0, data, refusal, times


class JournalContract(Cursors, Dates):
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

    def test_numbers_are_not_used_again_when_everything_was_trimmed(self, journal: Journal) -> None:
        last = journal.append([data(n) for n in range(5)])
        cursor = journal.cursor("a")
        cursor.ack(last)
        journal.flush()
        journal.trim()
        journal.append([data(9)])

        assert times(cursor.fetch(9)) == [9]
        assert cursor.fetch(9)[0].seq == last + 1

    def test_nothing_stalls_while_nothing_is_written(self, journal: Journal) -> None:
        journal.append([data(1)])
        journal.flush()

        assert journal.stalled() < 1

    def test_the_same_values_with_another_doubt_are_no_repeat(self, journal: Journal) -> None:
        journal.append([data(1), Data(IDENT, (T0 + 1) * SECOND, {"temp": 1.0}, {"temp": "doubted"})])

        assert times(journal.cursor("a").fetch(9)) == [1, 1]

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
