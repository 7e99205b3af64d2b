"""Every back end of the journal does what a list does, whatever is asked and whatever happens."""

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from tests.journal_machine import JournalMachine, SharedMachine, SqliteMachine


@pytest.mark.parametrize(("machine", "examples"), [(JournalMachine, 60), (SqliteMachine, 50), (SharedMachine, 10)])
def test_a_journal_is_a_list_that_survives(machine, examples):
    run_state_machine_as_test(machine, settings=settings(max_examples=examples, stateful_step_count=40))
    SharedMachine.done()
