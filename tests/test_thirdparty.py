"""Somebody else's package: installed by pip it is there like our own plugins, and no line of ours changes."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import mysense

PACKAGE = Path(__file__).parent / "thirdparty"
CORE = Path(mysense.__file__).parent


def lines_of_ours():
    """A hash of every file of mysense."""
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in CORE.rglob("*.py")}


class Installed:
    """A package that pip has installed into a folder."""

    def __init__(self, source, folder):
        tree, self.target = folder / "tree", folder / "packages"
        shutil.copytree(source, tree, ignore=shutil.ignore_patterns("__pycache__", "build", "*.egg-info"))
        self.tests = tree / "tests"
        self.run(
            "pip", "install", "-q", "--no-index", "--no-deps", "--no-build-isolation", "--target", self.target, tree
        )

    def run(self, *args, code=0, **kwargs):
        """Run a module with the package on its path."""
        env = os.environ | {"PYTHONPATH": str(self.target)}
        command = [sys.executable, "-m", *map(str, args)]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=100, **kwargs)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    before = lines_of_ours()
    yield Installed(PACKAGE, tmp_path_factory.mktemp("thirdparty"))
    assert lines_of_ours() == before


@pytest.fixture
def conf(tmp_path):
    """A kit of nothing but the package's plugins."""
    (tmp_path / "rain").write_text("2.5")
    path = tmp_path / "MySense.conf"
    path.write_text(
        f"[id]\nproject = Demo\nserial = k1\n[daemon]\ninterval = 1\n[journal]\npath = {tmp_path}/journal.db\n"
        f"[sensor:gauge]\npath = {tmp_path}/rain\n[publisher:spool]\ndirectory = {tmp_path}/spool\n"
    )
    return path


def test_its_plugins_are_listed(installed):
    listed = installed.run("mysense", "plugins")

    assert "A number that another program writes into a file." in listed
    assert "publisher:spool" in listed


def test_its_options_are_in_the_sample(installed):
    sample = installed.run("mysense", "config", "sample", "sensor:gauge", "publisher:spool")

    assert "[sensor:gauge]\n" in sample
    assert "\n## the file with the number in it\npath =\n" in sample
    assert "\n## and its unit\n#unit = mm/h\n" in sample
    assert "\n## how the names of the files end\n#suffix = .json\n" in sample


def test_its_channel_is_listed_where_channels_are_tried(installed):
    assert "spool" in installed.run("mysense", "publish", "--help")


def test_its_options_are_flags(installed):
    help = installed.run("mysense", "publish", "spool", "--help")

    assert "--suffix" in help
    assert "how the names of the files end" in help


def test_its_channel_is_tried_by_hand(installed, tmp_path):
    installed.run("mysense_example.spool", "publish", "--directory", tmp_path / "by hand")

    assert len(list((tmp_path / "by hand").iterdir())) == 4


def test_it_is_checked_like_ours(installed, conf):
    assert "sensor:gauge" in installed.run("mysense", "check", "-c", conf)

    conf.write_text(conf.read_text().replace("directory", "directori"))
    done = installed.run("mysense", "check", "-c", conf, code=78, cwd=conf.parent)
    assert done == ""


def test_it_runs_in_the_daemon(installed, conf):
    installed.run("mysense", "run", "--once", "-c", conf)

    said = [json.loads(path.read_text()) for path in (conf.parent / "spool").iterdir()]
    assert [telegram["data"]["rain"] for telegram in said if "data" in telegram] == [2.5]
    assert [telegram["ident"]["fields"] for telegram in said if "ident" in telegram] == [
        [{"name": "rain", "unit": "mm/h", "device": "gauge"}]
    ]


def test_it_passes_the_contract_suites(installed, tmp_path):
    done = installed.run("pytest", "-q", "-p", "no:cacheprovider", installed.tests, cwd=tmp_path)

    assert int(re.search(r"(\d+) passed", done)[1]) > 20
