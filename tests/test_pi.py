"""The page about a Raspberry Pi says what is so, as far as a machine that is none can tell."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from mysense import config
from mysense.systemd import files
from tests.kit import mysense

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "pi.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
PROGRAM = str(Path(sys.executable).with_name("mysense"))


def blocks(kind):
    return [text for name, text in BLOCKS if name == kind]


def commands():
    """The commands of mysense on the page: those in blocks, and those in a line of text."""
    lines = [line[2:] for text in blocks("console") for line in text.splitlines() if line[:2] == "$ "]
    lines += re.findall(r"`((?:sudo )?mysense [^`]*)`", PAGE)
    words = [shlex.split(re.sub(r"^sudo (-u mysense )?", "", line)) for line in lines]
    return sorted({" ".join(each) for each in words if each[0] == "mysense"})


@pytest.mark.parametrize("command", commands())
def test_every_command_and_flag_is_there(command):
    _, name, *flags = command.split()
    said = mysense(name, "--help").stdout

    assert [flag for flag in flags if flag.startswith("-") and flag not in said] == []


@pytest.mark.parametrize("name", ["start", "stop", "restart", "reload", "status"])
def test_what_does_without_systemd_is_there(name):
    assert mysense(name, "--help").stdout


def test_installing_writes_and_runs_what_is_shown(tmp_path):
    [shown] = [text for text in blocks("console") if "install-service\nwrote" in text]
    said = mysense("install-service", "--root", tmp_path).stdout

    said = (
        said.replace(f"{tmp_path}/", "/")
        .replace("to be run there: ", "$ ")
        .replace(PROGRAM, "/opt/mysense/bin/mysense")
    )
    assert f"$ sudo mysense install-service\n{said}" == shown


def test_the_file_it_shows_is_a_kit(tmp_path):
    text = blocks("ini")[0].replace("/etc/mysense", str(tmp_path))
    (tmp_path / "influxdb.password").write_text("secret\n")
    (tmp_path / "influxdb.password").chmod(0o600)
    (tmp_path / "MySense.conf").write_text(text)
    settings = config.load(tmp_path / "MySense.conf")

    assert [end.section for end in settings.ends] == ["sensor:dylos", "publisher:influxdb"]
    assert settings.notices == ()


def test_what_it_adds_to_the_unit_is_understood(tmp_path):
    (tmp_path / "mysense.service").write_text(files.system(PROGRAM)[-1].text)
    (tmp_path / "mysense.service.d").mkdir()
    (tmp_path / "mysense.service.d" / "override.conf").write_text(blocks("ini")[1])
    done = subprocess.run(
        ["systemd-analyze", "verify", tmp_path / "mysense.service"],
        capture_output=True, text=True, timeout=60, env={**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
    )  # fmt: skip

    assert [line for line in (done.stdout + done.stderr).splitlines() if "mysense.service" in line] == []


def test_the_figure_of_systemd_is_the_one_that_is_measured():
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--no-pager", ROOT / "contrib" / "mysense.service"],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    [shown] = re.findall(r"gives it ([\d.]+),", PAGE)

    assert f"Overall exposure level for mysense.service: {shown} " in done.stdout


def test_the_folders_and_groups_are_those_of_the_unit():
    unit = files.system()[-1].text
    [groups] = re.findall(r"^SupplementaryGroups=(.*)$", unit, re.MULTILINE)

    assert re.findall(r"`(\w+)`", PAGE.partition("in the groups")[2])[:4] == groups.split()
    assert "StateDirectory=mysense\n" in unit
    assert "LogsDirectory=mysense\n" in unit
