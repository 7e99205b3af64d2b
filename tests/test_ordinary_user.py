"""The daemon is an ordinary user on a machine that cannot be written: only its state directory is its own."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import pytest

from mysense import control
from mysense.errors import UnavailableError
from mysense.journal.sqlite import SqliteJournal
from mysense.testing.journal import data
from tests.kit import until

ROOT = Path(__file__).parent.parent
STRANGER = 61000 + os.getpid() % 4000
"""A user whom nobody else is, when the tests run as root."""
CONF = """
[id]
project = Kit
[daemon]
interval = 1
[sensor:simulated]
interval = 0.2
[publisher:csv]
directory = {state}/csv
"""


@pytest.fixture
def folder():
    """A folder that everybody may look into: pytest's own are closed to others."""
    path = Path(tempfile.mkdtemp(prefix="mysense-test-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def conf(folder):
    state, conf = folder / "state", folder / "MySense.conf"
    state.mkdir()
    conf.write_text(CONF.format(state=state))
    conf.chmod(0o444)
    return conf


def stranger():
    """Whom a process is to be: somebody else than root."""
    return {"user": STRANGER, "group": STRANGER, "extra_groups": []} if os.getuid() == 0 else {}


def python():
    """A Python that others can run, too: root's may lie in root's home."""
    for path in (sys.executable, "/usr/bin/python3"):
        if subprocess.run(["sh", "-c", f"{path} -c ''"], cwd="/", capture_output=True, **stranger()).returncode == 0:
            return path
    raise AssertionError("there is no Python that an ordinary user can run: apt-get install python3")


def runs(command, folder, **options):
    """Run a daemon until its CSV file has two telegrams, and stop it; what it said."""
    state = folder / "state"
    packages = f"{ROOT}:{sysconfig.get_path('purelib')}"
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": packages, "STATE_DIRECTORY": str(state), "HOME": "/nonexistent"}
    with (folder / "log").open("wb") as log:
        daemon = subprocess.Popen(command, env=env, stdout=log, stderr=log, cwd="/", **options)
    said = lambda: (folder / "log").read_text()  # noqa: E731
    try:

        def delivered():
            assert daemon.poll() is None, said()
            return sum(len(path.read_text().splitlines()) for path in (state / "csv").glob("*.csv")) > 2

        until(delivered, 40)
        answer = control.ask(control.socket_path(state / "journal.db"), {"do": "status"})
        daemon.terminate()
        assert daemon.wait(20) == 0, said()
    finally:
        if daemon.poll() is None:
            daemon.kill()
            daemon.wait(10)
    with pytest.raises(UnavailableError):
        control.ask(control.socket_path(state / "journal.db"), {"do": "status"})
    return answer


def belonging_to(user, *places):
    """The files of a user below some folders."""
    found = []
    for place in places:
        for path, folders, names in os.walk(place):
            found += [Path(path, name) for name in (*folders, *names) if _owner(Path(path, name)) == user]
    return found


def _owner(path):
    try:
        return path.lstat().st_uid
    except OSError:  # it has gone meanwhile
        return None


def test_it_needs_no_root_and_writes_nowhere_but_in_its_state_directory(folder, conf):
    if os.getuid() == 0:
        os.chown(folder / "state", STRANGER, STRANGER)
    else:
        folder.chmod(0o555)
    try:
        answer = runs([python(), "-m", "mysense", "run", "-c", str(conf)], folder, **stranger())
    finally:
        folder.chmod(0o755)

    assert answer["journal"]["path"] == str(folder / "state" / "journal.db")
    assert {path.name for path in folder.iterdir()} == {"MySense.conf", "log", "state"}
    if os.getuid() == 0:
        elsewhere = belonging_to(STRANGER, "/tmp", "/var/tmp", "/var/lib", "/dev/shm", "/run", str(ROOT / "mysense"))
        assert [path for path in elsewhere if not path.is_relative_to(folder / "state")] == []


def test_the_root_may_be_read_only_and_the_journal_elsewhere(folder, conf):
    script = (
        'mount --bind "$1" "$1" && mount -o remount,bind,ro / && ! touch "$1/../no" 2>/dev/null && shift && exec "$@"'
    )
    apart = ["unshare", "--mount", *([] if os.getuid() == 0 else ["--map-root-user"]), "sh", "-c", script, "sh"]
    if subprocess.run([*apart, str(folder / "state"), "true"], capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount anything, not even in a namespace of its own")

    answer = runs([*apart, str(folder / "state"), sys.executable, "-m", "mysense", "run", "-c", str(conf)], folder)

    assert answer["journal"]["path"] == str(folder / "state" / "journal.db")


def test_without_a_place_for_the_journal_it_says_which_place_that_is(folder, conf):
    (folder / "state").chmod(0o555)
    env = {"PYTHONPATH": f"{ROOT}:{sysconfig.get_path('purelib')}", "STATE_DIRECTORY": str(folder / "state")}
    done = subprocess.run(
        [python(), "-m", "mysense", "run", "-c", str(conf)],
        env=env, cwd="/", capture_output=True, text=True, timeout=60, **stranger(),
    )  # fmt: skip

    assert done.returncode == 1
    assert (
        done.stderr == f"mysense: {folder / 'state' / 'journal.db'}: the journal cannot be written: Permission denied\n"
    )


def test_who_is_in_the_group_may_look_into_the_journal_though_no_daemon_runs(folder, conf):
    journal = SqliteJournal(folder / "state" / "journal.db")
    journal.append([data(n) for n in range(3)])
    journal.close()
    (folder / "state" / "journal.db").chmod(0o640)
    (folder / "state").chmod(0o750 if os.getuid() == 0 else 0o550)
    if os.getuid() == 0:
        for path in (folder / "state", folder / "state" / "journal.db"):
            os.chown(path, 0, STRANGER)
    env = {"PYTHONPATH": f"{ROOT}:{sysconfig.get_path('purelib')}", "STATE_DIRECTORY": str(folder / "state")}

    def asked(*words):
        command = [python(), "-m", "mysense", *words, "-c", str(conf)]
        return subprocess.run(command, env=env, cwd="/", capture_output=True, text=True, timeout=60, **stranger())

    assert "4 entries" in asked("status").stdout
    assert asked("journal", "export").stdout.count("\n") == 4
    os.chown(folder / "state", 0, 0) if os.getuid() == 0 else (folder / "state").chmod(0o000)
    try:
        for words in (("status",), ("journal", "status"), ("check",)):
            done = asked(*words)
            assert done.returncode == 1
            assert "Permission denied" in done.stderr + done.stdout
            assert "Traceback" not in done.stderr
    finally:
        (folder / "state").chmod(0o755)


def test_in_a_folder_of_somebody_else_the_file_of_the_machine_is_found(folder, conf):
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    if os.getuid() != 0:
        closed.chmod(0o600)
    text = f"from mysense import config as c; c.PLACES = c.Path('MySense.conf'), c.Path('{conf}'); print(c.find())"
    env = {"PYTHONPATH": f"{ROOT}:{sysconfig.get_path('purelib')}"}
    done = subprocess.run(
        ["sh", "-c", 'cd "$1" 2>/dev/null; exec "$2" -c "$3"', "sh", closed, python(), text],
        env=env, cwd=closed if os.getuid() == 0 else "/", capture_output=True, text=True, timeout=60, **stranger(),
    )  # fmt: skip

    assert done.stdout == f"{conf}\n", done.stderr


def test_a_service_of_the_machine_wants_root_and_says_so():
    env = {"PYTHONPATH": f"{ROOT}:{sysconfig.get_path('purelib')}"}
    done = subprocess.run(
        [python(), "-m", "mysense", "install-service"],
        env=env, cwd="/", capture_output=True, text=True, timeout=60, **stranger(),
    )  # fmt: skip

    assert done.returncode == 1
    assert "only root may write there: sudo " in done.stderr
    assert "or use --user" in done.stderr
