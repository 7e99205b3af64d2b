"""`make run` and `make test` set up what they need, and say so plainly where they cannot."""

import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SERVERS = ("influxdb:no-such-influxd", "influxdb-client:no-such-influx")


def run(*command, cwd=ROOT, **environment):
    names = {"MAKEFLAGS", "MFLAGS", "MAKELEVEL", "CI", "PYTHON"}  # those of the make that runs the tests
    env = {k: v for k, v in os.environ.items() if k not in names} | environment
    return subprocess.run(
        command, cwd=cwd, env=env, text=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=60
    )


def program(folder, name, script):
    """Put a small shell program *name* into *folder*."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_make_alone_names_every_target():
    targets = (ROOT / "Makefile").read_text().partition(".PHONY:")[2].partition("\n")[0].split()

    said = run("make").stdout

    assert [line.split()[1] for line in said.splitlines()] == targets


def test_make_test_checks_format_lint_and_types_before_the_suite():
    steps = run("make", "-n", "test").stdout

    order = [steps.index(step) for step in ("ruff format --check .", "ruff check .", "mypy\n", "servers", "suite")]
    assert order == sorted(order)


def test_make_run_starts_the_daemon_with_the_file_of_the_repository():
    steps = run("make", "-n", "run", "ARGS=--once").stdout

    assert "scripts/setup .venv kit" in steps
    assert ".venv/bin/mysense run -c 'MySense.conf' --once" in steps


def test_another_python_gets_an_environment_of_its_own():
    steps = run("make", "-n", "run", "PYTHON=/opt/bin/python3.13").stdout

    assert "PYTHON='/opt/bin/python3.13' sh scripts/setup .venv-python3.13 kit" in steps
    assert ".venv-python3.13/bin/mysense run" in steps


def test_ci_fails_when_make_test_fails(tmp_path):
    program(tmp_path, "make", 'echo "make $* CI=$CI"; exit 7')

    done = run("bash", ".ci/run", PATH=f"{tmp_path}:{os.environ['PATH']}")

    assert done.returncode == 7
    assert done.stdout == "make test CI=true\n"


class TestSetup:
    """scripts/setup, with a virtual environment whose pip only writes down what it was asked for."""

    @pytest.fixture
    def tree(self, tmp_path):
        shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
        for name in ("pyproject.toml", "setup.py"):
            (tmp_path / name).write_text("")
            os.utime(tmp_path / name, (0, 0))
        (tmp_path / ".venv").mkdir()
        self.pip(tmp_path, "true")
        return tmp_path

    def pip(self, tree, script):
        text = f'case "$*" in *install*) echo "$*" >>"{tree}/asked"; {script};; -c*) exec {sys.executable} "$@";; esac'
        program(tree / ".venv" / "bin", "python", text)

    def setup(self, tree, extra, **environment):
        return run("sh", str(tree / "scripts" / "setup"), ".venv", extra, PYTHON=sys.executable, **environment)

    def asked(self, tree):
        path = tree / "asked"
        asked = [line.split()[-1] for line in path.read_text().splitlines()] if path.exists() else []
        path.unlink(missing_ok=True)
        return asked

    def test_the_second_time_nothing_is_installed(self, tree):
        assert self.setup(tree, "kit").returncode == 0
        assert self.asked(tree) == [".[kit]"]

        again = self.setup(tree, "kit")

        assert (again.returncode, again.stdout, self.asked(tree)) == (0, "", [])

    def test_new_metadata_is_installed(self, tree):
        self.setup(tree, "kit")
        self.asked(tree)
        os.utime(tree / "pyproject.toml", (2**32, 2**32))

        self.setup(tree, "kit")

        assert self.asked(tree) == [".[kit]"]

    def test_what_the_tests_need_holds_what_the_kit_needs(self, tree):
        self.setup(tree, "test")
        self.setup(tree, "kit")

        assert self.asked(tree) == [".[test]"]

    def test_a_board_without_the_hardware_libraries_gets_the_rest_and_is_told(self, tree):
        self.pip(tree, 'case "$*" in *kit*|*adafruit*) echo no wheel >&2; exit 1; esac')

        done = self.setup(tree, "kit")

        assert done.returncode == 0
        assert self.asked(tree) == [".[kit]", ".", ".[influxdb]", ".[adafruit]"]
        assert "mysense[adafruit] cannot be installed on this machine" in done.stderr
        assert "mysense[influxdb]" not in done.stderr
        assert (tree / ".venv" / "install.log").read_text() == "no wheel\n" * 2

    def test_the_tests_make_no_such_concession(self, tree):
        self.pip(tree, "exit 1")

        done = self.setup(tree, "test")

        assert done.returncode == 1
        assert "installation of mysense[test] failed" in done.stderr
        assert self.asked(tree) == [".[test]"]

    def test_without_a_network_it_fails_and_tries_again_the_next_time(self, tree):
        self.pip(tree, "exit 1")

        assert "is there a network?" in self.setup(tree, "kit").stderr
        assert self.setup(tree, "kit").returncode == 1

    @pytest.mark.parametrize(
        ("python", "words"), [("echo 3.9", "needs Python 3.11 or newer"), ("exit 1", "no working")]
    )
    def test_a_python_that_will_not_do_is_named(self, tree, python, words):
        old = program(tree, "old", python)

        done = run("sh", str(tree / "scripts" / "setup"), ".venv", "kit", PYTHON=str(old))

        assert done.returncode == 1
        assert words in done.stderr
        assert str(old) in done.stderr

    def test_an_environment_made_for_another_place_is_made_anew(self, tree):
        (tree / ".venv" / "made_by").write_text("Python 3.11, /somewhere/else\n")
        fake = program(
            tree, "python", f'[ "$1" = -m ] && {{ echo "$*" >>"{tree}/asked"; exit; }}; {sys.executable} "$@"'
        )

        run("sh", str(tree / "scripts" / "setup"), ".venv", "kit", PYTHON=str(fake))

        assert (tree / "asked").read_text().startswith("-m venv --clear .venv\n")


class TestServers:
    """scripts/servers, with an apt-get that only writes down what it was asked for."""

    @pytest.fixture
    def tools(self, tmp_path):
        self.policy, self.log = tmp_path / "policy-rc.d", tmp_path / "log"
        self.log.touch()
        bin = tmp_path / "bin"
        program(bin, "id", "echo 0")
        program(bin, "apt-get", f'"{self.policy}"; echo "$* (may start: $?)" >>"{self.log}"')
        program(
            bin,
            "dpkg",
            'case "$2" in influxdb) for unit in influxdb.service influxdb.socket influxdb@.service; do '
            'echo "/lib/systemd/system/$unit"; done; echo /etc/init.d/influxdb; esac',
        )
        for name in ("systemctl", "update-rc.d"):
            program(bin, name, f'echo "{name} $*" >>"{self.log}"')
        return bin

    def servers(self, tools, *pairs, **environment):
        path = f"{tools}:{os.environ['PATH']}"
        return run("sh", "scripts/servers", *pairs, PATH=path, POLICY_RC_D=str(self.policy), **environment)

    def test_nothing_happens_when_all_are_there(self, tools):
        done = self.servers(tools, "coreutils:ls", "dash:sh")

        assert (done.returncode, done.stdout, self.log.read_text()) == (0, "", "")

    def test_what_is_missing_is_installed_and_nothing_of_it_runs_now_or_after_a_boot(self, tools):
        done = self.servers(tools, "coreutils:ls", *SERVERS)

        assert done.returncode == 0, done.stderr
        said = self.log.read_text().splitlines()
        [install] = [line for line in said if "influxdb" in line and "simulate" not in line and "apt" not in line][:1]
        assert install.endswith("--no-install-recommends install influxdb influxdb-client (may start: 101)")
        assert said[-3:] == [
            "systemctl disable influxdb.service", "systemctl disable influxdb.socket", "update-rc.d influxdb disable",
        ]  # fmt: skip

    @pytest.mark.parametrize("outcome", ["exit 0", "exit 1"])
    def test_what_the_machine_said_about_services_before_holds_again_afterwards(self, tools, outcome):
        self.policy.write_text("the owner's")
        program(tools, "apt-get", outcome)

        self.servers(tools, *SERVERS)

        assert self.policy.read_text() == "the owner's"

    def test_no_policy_is_left_where_there_was_none(self, tools):
        self.servers(tools, *SERVERS)

        assert list(self.policy.parent.glob("policy*")) == []

    def test_old_lists_are_fetched_anew_before_it_gives_up(self, tools):
        program(
            tools,
            "apt-get",
            f'echo "$*" >>"{self.log}"; case "$*" in *update) touch "{self.log}.new";; esac; test -e "{self.log}.new"',
        )

        done = self.servers(tools, *SERVERS)

        assert done.returncode == 0
        assert "-q update" in self.log.read_text()

    def test_where_apt_fails_the_packages_are_named(self, tools):
        program(tools, "apt-get", "exit 100")

        done = self.servers(tools, *SERVERS, CI="true")

        assert done.returncode == 1
        assert "apt-get install --no-install-recommends influxdb influxdb-client" in done.stderr

    def test_without_root_it_asks_sudo_and_never_for_a_password_in_ci(self, tools):
        program(tools, "id", "echo 1000")
        program(tools, "sudo", f'echo "sudo $*" >>"{self.log}"')

        done = self.servers(tools, *SERVERS, CI="true")

        assert done.returncode == 0
        assert self.log.read_text() == "sudo -n sh scripts/servers --install influxdb influxdb-client\n"

    @pytest.mark.parametrize(("answer", "installs"), [("n", False), ("", True), ("y", True)])
    def test_a_person_is_asked_first(self, tools, answer, installs):
        ours, theirs = pty.openpty()
        os.write(ours, f"{answer}\n".encode())
        env = os.environ | {"PATH": f"{tools}:{os.environ['PATH']}", "POLICY_RC_D": str(self.policy)}
        env.pop("CI", None)

        done = subprocess.run(
            ["sh", "scripts/servers", *SERVERS],
            cwd=ROOT, env=env, stdin=theirs, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        os.close(ours)
        os.close(theirs)

        assert "[Y/n]" in done.stdout
        assert bool(self.log.read_text()) is installs
        assert done.returncode == (0 if installs else 1)


class TestSuite:
    """scripts/suite, with tests of which some fail, the first time or always."""

    @pytest.fixture
    def suite(self, tmp_path):
        shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
        tests = """
import os, pathlib, pytest

@pytest.mark.parametrize("name", os.environ["FAIL"].split())
def test_it(name):
    seen = pathlib.Path(name)
    once = seen.exists()
    seen.touch()
    assert once and name != "always"

def test_other():
    with open("others", "a") as file:
        file.write("one more")
"""
        (tmp_path / "test_small.py").write_text(tests)

        def suite(fail, *words):
            return run("sh", "scripts/suite", sys.executable, "-n", "2", *words, cwd=tmp_path, FAIL=fail)

        return suite

    def test_what_fails_among_the_others_alone_is_named(self, suite, tmp_path):
        done = suite("first second")

        assert done.returncode == 0
        assert "2 failed, 1 passed" in done.stdout
        assert done.stdout.partition("a race, to be found")[2].split("\n")[1:3] == [
            "test_small.py::test_it[first]",
            "test_small.py::test_it[second]",
        ]
        assert (tmp_path / "others").read_text() == "one more"  # what passed is not run again

    def test_what_fails_by_itself_too_is_a_failure(self, suite):
        done = suite("always first")

        assert done.returncode == 1
        assert "1 failed, 1 passed" in done.stdout
        assert "a race" not in done.stdout

    def test_more_than_three_failures_are_no_chance(self, suite):
        done = suite("one two three four")

        assert done.returncode == 1
        assert "by itself" not in done.stdout

    def test_where_no_test_fails_nothing_is_repeated(self, suite):
        assert suite("first", "--no-such-option").returncode == 4
        assert suite("first", "-k", "other").returncode == 0
        assert suite("first", "-k", "nothing").returncode == 5
