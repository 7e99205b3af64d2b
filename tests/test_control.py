"""A daemon that is there and does not answer: it is not said to be gone, and can be stopped."""

import socket
import subprocess
import sys
from contextlib import ExitStack

import pytest

from mysense import control
from mysense.journal.sqlite import SqliteJournal
from tests.kit import mysense

DEAF = """if True:
    import socket, sys, time
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(sys.argv[1])
    listener.listen(2)
    print(flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def deaf(tmp_path):
    """A process that listens where a daemon would, and nothing else; its configuration."""
    conf = tmp_path / "MySense.conf"
    conf.write_text(f"[journal]\npath = {tmp_path / 'journal.db'}\n[sensor:simulated]\n[publisher:console]\n")
    command = [sys.executable, "-c", DEAF, control.socket_path(tmp_path / "journal.db")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        process.conf = conf
        yield process
        process.kill()


@pytest.mark.parametrize("command", [["status"], ["start"], ["restart"], ["reload"], ["check"], ["journal", "retry"]])
def test_a_daemon_that_does_not_answer_is_not_said_to_be_gone(deaf, command):
    done = mysense(*command, "-c", deaf.conf, code=1)

    assert f"the daemon, process {deaf.pid}, does not answer within " in done.stderr
    assert deaf.poll() is None


def test_a_daemon_that_does_not_answer_can_be_stopped(deaf):
    done = mysense("stop", "-c", deaf.conf)

    assert done.stdout == f"mysense stopped, process {deaf.pid}\n"
    assert deaf.wait(10) == -15


def test_the_journal_can_be_looked_at_beside_it(deaf):
    SqliteJournal(deaf.conf.parent / "journal.db").close()

    assert "0 entries kept" in mysense("journal", "status", "-c", deaf.conf).stdout


def test_a_socket_of_a_daemon_that_was_killed_means_that_none_runs(deaf):
    deaf.kill()
    deaf.wait()

    assert "mysense is not running" in mysense("stop", "-c", deaf.conf).stdout


def test_so_many_ask_that_one_is_not_even_heard(deaf):
    where = str(control.socket_path(deaf.conf.parent / "journal.db"))
    with ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(socket.socket(socket.AF_UNIX)).connect(where)
        done = mysense("stop", "-c", deaf.conf, code=1)

    assert done.stderr.startswith("mysense: the daemon does not answer within ")
    assert deaf.poll() is None
