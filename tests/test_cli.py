"""The commands, typed as a person types them."""

import json
import signal
import subprocess
import sys
import time

import pytest

from tests.kit import Kit, mysense, until

CONF = """
[id]
project = Test
serial = k1
[daemon]
interval = 1
[sensor:simulated]
interval = 0.2
[publisher:console]
file = {folder}/console.txt
"""


@pytest.fixture
def kit(tmp_path):
    kit = Kit(tmp_path, CONF.format(folder=tmp_path))
    yield kit
    kit.kill()


@pytest.fixture
def finished(kit):
    """A kit that has run for a few telegrams and was stopped."""
    kit.start()
    until(lambda: kit.status()["journal"]["last"] >= 4)
    kit.stop()
    return kit


def test_without_a_configuration_it_says_where_it_looked(tmp_path):
    done = mysense("run", code=78, cwd=tmp_path, env={"PATH": "/usr/bin"})

    assert "MySense.conf" in done.stderr
    assert len(done.stderr.splitlines()) <= 2


def test_every_mistake_is_told_at_once_with_its_line(tmp_path):
    conf = tmp_path / "MySense.conf"
    conf.write_text("[id]\nprojekt = x\n[daemon]\ninterval = 1O\n[sensor:simulatd]\n[publisher:console]\nformat=jsn\n")
    done = mysense("run", "-c", conf, code=78)

    assert len(done.stderr.splitlines()) == 4
    assert f"{conf}:2:" in done.stderr or "MySense.conf:2:" in done.stderr
    for near in ("'project'", "'simulated'", "json"):
        assert near in done.stderr


def test_a_daemon_that_was_suspended_for_a_while_goes_on(kit):
    kit.start()
    kit.process.send_signal(signal.SIGSTOP)
    begun = time.monotonic()
    until(lambda: time.monotonic() > begun + 1.1)  # longer than the daemon waits for a signal
    kit.process.send_signal(signal.SIGCONT)
    last = kit.status()["journal"]["last"]

    until(lambda: kit.process.poll() is not None or kit.status()["journal"]["last"] >= last + 3)

    assert kit.process.poll() is None, kit.log.read_text()


def test_start_status_stop(kit):
    started = mysense("start", "-c", kit.conf).stdout
    again = mysense("start", "-c", kit.conf, code=1).stderr
    until(lambda: kit.status()["journal"]["last"] >= 2)
    status = mysense("status", "-c", kit.conf).stdout
    stopped = mysense("stop", "-c", kit.conf).stdout
    after = mysense("status", "-c", kit.conf, code=1).stdout
    nothing = mysense("stop", "-c", kit.conf).stdout

    assert "mysense runs, process" in started
    assert "already running" in again
    assert "sensor:simulated" in status
    assert "running" in status
    assert "stopped" in stopped
    assert "not running" in after
    assert "not running" in nothing


def test_a_daemon_that_needs_long_to_start_is_not_called_dead(kit):
    impatient = "from mysense import cli; from mysense.cli import service; service.READY = 0.0; cli.main()"
    done = subprocess.run(
        [sys.executable, "-c", impatient, "start", "-c", kit.conf], capture_output=True, text=True, timeout=60
    )
    until(lambda: kit.status()["pids"])
    mysense("stop", "-c", kit.conf)

    assert done.returncode == 0, done.stderr
    assert "does not answer yet" in done.stdout
    assert "'mysense status' tells" in done.stdout


def test_run_once_delivers_one_data_telegram_and_ends(kit, tmp_path):
    mysense("run", "--once", "-c", kit.conf)
    said = (tmp_path / "console.txt").read_text()

    assert said.count("pm25") >= 1
    mysense("run", "--once", "-c", kit.conf)
    assert len((tmp_path / "console.txt").read_text()) > len(said)


def test_inputs_and_outputs_can_be_chosen_for_one_run(kit):
    done = mysense("run", "--once", "-c", kit.conf, "-i", "simulated", "-o", "console")
    wrong = mysense("run", "--once", "-c", kit.conf, "-o", "consol", code=78)

    assert done.returncode == 0
    assert "'console'" in wrong.stderr


def test_check_has_one_line_for_each_thing(kit):
    lines = mysense("check", "-c", kit.conf).stdout.splitlines()

    assert [text.split()[0] for text in lines] == ["config", "sensor:simulated", "publisher:console"]


def test_check_says_what_fails_and_why(tmp_path):
    conf = tmp_path / "MySense.conf"
    conf.write_text("[sensor:dylos]\nport = /dev/nothing-here\n[publisher:console]\n")
    done = mysense("check", "-c", conf, "--json", code=1)
    [failed] = [row for row in json.loads(done.stdout) if not row["ok"]]

    assert failed["section"] == "sensor:dylos"
    assert "/dev/nothing-here" in failed["text"]


def test_plugins_are_listed(kit):
    said = mysense("plugins").stdout
    rows = json.loads(mysense("plugins", "--json").stdout)

    assert "sensor:dylos" in said
    assert {r["kind"] for r in rows if r["name"] == "influxdb"} == {"publisher", "subscriber"}


def test_the_journal_can_be_looked_into(finished):
    shown = mysense("journal", "show", "-c", finished.conf, "-n", 3).stdout.splitlines()
    status = mysense("journal", "status", "-c", finished.conf).stdout
    exported = mysense("journal", "export", "-c", finished.conf).stdout.splitlines()
    checked = mysense("journal", "check", "-c", finished.conf)

    assert len(shown) == 3
    assert "publisher:console" in status
    assert json.loads(exported[0])["ident"]["serial"] == "k1"
    assert "pm25" in json.loads(exported[1])["data"]
    assert "nothing wrong" in checked.stderr


def test_a_cursor_without_a_section_is_pointed_out_and_can_be_forgotten(finished, tmp_path):
    other = tmp_path / "other.conf"
    other.write_text(finished.conf.read_text().replace("[publisher:console]", "[publisher:console:new]"))
    said = mysense("journal", "status", "-c", other).stdout
    mysense("journal", "forget", "publisher:console", "-c", other)
    wrong = mysense("journal", "forget", "publisher:nothing", "-c", other, code=1).stderr

    assert "orphan" in said
    assert "publisher:console" not in mysense("journal", "status", "-c", other).stdout
    assert "there is no cursor 'publisher:nothing'" in wrong
    assert "orphan" not in mysense("journal", "status", "-c", finished.conf).stdout


def test_what_was_exported_can_be_published(finished, tmp_path):
    exported = tmp_path / "export.jsonl"
    exported.write_text(mysense("journal", "export", "-c", finished.conf).stdout)
    done = mysense("publish", "csv", exported, "--directory", tmp_path / "csv")

    assert "of 1 node" in done.stderr
    assert list((tmp_path / "csv").glob("Test_k1_*.csv"))


def test_tap_shows_telegrams_as_they_pass(kit):
    kit.start()
    until(lambda: kit.status()["journal"]["last"] >= 1)
    lines = mysense("tap", "-c", kit.conf, "-n", 2).stdout.splitlines()

    assert len(lines) == 2
    assert all(json.loads(text)["project"] == "Test" for text in lines)


def test_publish_sends_the_examples_through_one_channel():
    done = mysense("publish", "console", "--format", "json")

    assert "console: published 3 data telegrams of 1 node" in done.stderr
    assert '"pm_25":318.0' in done.stdout


def test_publish_names_the_line_that_is_no_telegram(tmp_path):
    wrong = tmp_path / "wrong.jsonl"
    wrong.write_text('{"project": "a", "serial": "b", "data": {"time": 1, "x": 1}}\nnonsense\n')
    done = mysense("publish", "console", wrong, code=1)

    assert "line 2" in done.stderr
    assert "Traceback" not in done.stderr


def test_read_shows_what_a_sensor_reads():
    done = mysense("read", "simulated", "--interval", "0", "-n", 2)

    assert len(done.stdout.splitlines()) == 2


def test_demo_needs_nothing_and_leaves_nothing_behind(tmp_path):
    done = mysense("demo", "-n", 1, cwd=tmp_path, env={"PATH": "/usr/bin", "TMPDIR": str(tmp_path)})

    assert "pm25" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_command_nearly_right_is_answered_with_the_right_one():
    assert "did you mean 'status'" in mysense("statsu", code=2).stderr


@pytest.mark.parametrize("command", ["run", "start", "stop", "status", "check", "plugins", "config", "publish", "tap",
                                     "journal", "demo", "publish influxdb", "journal export"])  # fmt: skip
def test_every_command_has_help(command):
    said = mysense(*command.split(), "--help").stdout

    assert said.startswith("Usage: mysense")
    assert len(said.splitlines()) > 4
