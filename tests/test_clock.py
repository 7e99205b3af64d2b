"""This machine's clocks, and what its time service says."""

from pathlib import Path

import pytest

from mysense import clock
from mysense.clock import Clock


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A folder that stands for /run."""
    monkeypatch.setattr(clock, "RUN", tmp_path)
    return tmp_path


def test_without_a_time_service_there_is_nothing_to_wait_for(run):
    assert Clock().synchronised() is None


def test_timesyncd_says_when_it_has_set_the_clock(run):
    (run / "systemd" / "timesync").mkdir(parents=True)
    assert Clock().synchronised() is False
    (run / "systemd" / "timesync" / "synchronized").touch()
    assert Clock().synchronised() is True


@pytest.mark.parametrize(("status", "said"), [(0x40, False), (0x2001, True), (None, None)])
def test_for_any_other_service_the_kernel_says_it(run, monkeypatch, status, said):
    class Kernel:
        """Answers adjtimex(2)."""

        def adjtimex(self, timex):
            timex._obj.status = status or 0
            return -1 if status is None else 0

    monkeypatch.setattr(clock.ctypes, "CDLL", lambda _: Kernel())
    (run / "chrony").mkdir()

    assert Clock().synchronised() is said


def test_this_machines_kernel_can_be_asked(run):
    (run / "chrony").mkdir()

    assert Clock().synchronised() in (True, False, None)  # whatever it is, it is no error


def test_a_machine_knows_how_long_it_runs_and_which_start_it_is():
    one = Clock()
    before = one.uptime()

    assert 0 < before <= one.uptime()
    assert one.boot_id() == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
