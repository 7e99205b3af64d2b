"""A power cut, at any moment, with what was not synced lost, kept, or torn: what was acknowledged is there."""

import pytest

from tests.disk import memory
from tests.power import Work, cuts

SHARE = 0.07
"""Of all moments; ``python -m torture.power_cut`` tries each."""


@pytest.fixture
def folder():
    with memory() as folder:
        yield folder


@pytest.mark.parametrize("durability", ["full", "normal"])
def test_a_power_cut_takes_nothing_that_was_acknowledged_and_never_breaks_the_file(folder, durability):
    work = Work(durability)
    work.do(folder / "journal.db", 60, seed=1)
    tried = 0
    for cut in cuts(work.events, 1, seed=2, share=SHARE):
        tried += 1
        (after := folder / str(tried)).mkdir()
        work.survives(cut, after)

    assert tried > 100


def test_the_trial_finds_a_commit_that_was_not_synced(folder):
    work = Work("normal")
    work.do(folder / "journal.db", 20, seed=1)
    work.durability = "full"  # as if that had been promised
    *_, cut = (cut for cut in cuts(work.events, 0, seed=2) if cut.synced.last < cut.known.last)

    with pytest.raises(AssertionError, match="was acknowledged"):
        work.survives(cut, folder)
