"""Every back end of the journal does what a list does, whatever is asked and whatever happens."""

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.journal_machine import JournalMachine, SharedMachine, SqliteMachine


@pytest.mark.parametrize(("machine", "examples"), [(JournalMachine, 15), (SqliteMachine, 20), (SharedMachine, 4)])
def test_a_journal_is_a_list_that_survives(machine, examples):
    """A short form of ``python -m torture.journal``."""
    few = settings(max_examples=examples, stateful_step_count=25, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(machine, settings=few)
    SharedMachine.done()
