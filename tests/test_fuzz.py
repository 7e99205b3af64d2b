"""Damaged input at every door, for a moment; ``torture/fuzz.py`` does the same for minutes."""

import re
import signal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz import TARGETS
from tests.fuzz.damage import Hang, within

BRIEF = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("name", TARGETS)
def test_whatever_comes_in_nothing_breaks_and_nothing_hangs(name, tmp_path):
    with TARGETS[name](tmp_path) as (examples, check):

        @BRIEF
        @given(examples)
        def one(example):
            with within():
                check(example)

        one()


def test_an_example_without_end_is_found():
    before = signal.getsignal(signal.SIGVTALRM)
    with pytest.raises(Hang), within(0.2):
        re.fullmatch("(a|aa)+b", "a" * 1000)

    assert signal.getsignal(signal.SIGVTALRM) is before


def test_a_crash_is_found():
    @BRIEF
    @given(st.binary())
    def one(data):
        assert b"\0" not in data

    with pytest.raises(AssertionError):
        one()
