"""What people install: the wheel and the source archive, tried in an environment with nothing else in it."""

import email
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CORE = {"click", "paho-mqtt", "pyserial", "smbus2"}

CONF = """
[id]
project = Test
serial = wheel
[journal]
path = {folder}/journal.db
[sensor:simulated]
[publisher:csv]
directory = {folder}/csv
"""


def run(*command, code=0, **kwargs):
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL, **kwargs
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    """The source archive, and the wheel built from it."""
    tree = tmp_path_factory.mktemp("build") / "tree"
    made = shutil.ignore_patterns(
        ".git", ".venv*", "*.egg-info", "build", "dist", "__pycache__", ".*_cache", ".hypothesis"
    )
    shutil.copytree(ROOT, tree, ignore=made)
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", tree / "dist", tree)
    [sdist], [wheel] = (tree / "dist").glob("*.tar.gz"), (tree / "dist").glob("*.whl")
    return sdist, wheel


@pytest.fixture(scope="module")
def bare(archives, tmp_path_factory):
    """An environment with the wheel and the four packages of the core, and nothing else."""
    folder = tmp_path_factory.mktemp("bare")
    run(sys.executable, "-m", "venv", "--without-pip", folder)
    [packages] = folder.glob("lib/python3*/site-packages")
    for name in CORE:
        files = distribution(name).files
        for top in {file.parts[0] for file in files if file.parts[0] not in ("..", "__pycache__")}:
            (packages / top).symlink_to(distribution(name).locate_file(top))
    pip = (sys.executable, "-m", "pip", "--python", folder / "bin" / "python")
    run(*pip, "install", "--quiet", "--no-index", "--no-deps", archives[1])
    run(*pip, "check")
    return folder / "bin"


def test_the_wheel_holds_the_package_and_nothing_else(archives):
    names = set(zipfile.ZipFile(archives[1]).namelist())
    ours = {str(path.relative_to(ROOT)) for path in (ROOT / "mysense").rglob("*.py")}

    assert ours | {"mysense/py.typed"} <= names
    assert {name for name in names if name.startswith("mysense/examples/")}
    assert "mysense/systemd/mysense.service" in names
    assert {name.split("/")[0] for name in names} == {"mysense", f"mysense-{version()}.dist-info"}


def version():
    return re.search(r'__version__ = "(.*)"', (ROOT / "mysense" / "__init__.py").read_text())[1]


def test_the_source_archive_holds_what_a_packager_needs(archives):
    with tarfile.open(archives[0]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}

    needed = {"LICENSE", "README.md", "CHANGELOG.md", "MySense.conf", "Makefile", "pyproject.toml", "setup.py"}
    needed |= {"mysense/py.typed", "tests/test_package.py", "scripts/setup", "docs/architecture.md"}
    needed |= {"contrib/mysense.service", "contrib/logrotate"}
    assert needed <= names


def test_the_core_needs_four_small_packages_and_every_need_has_a_lower_bound(archives):
    wheel = zipfile.ZipFile(archives[1])
    said = email.message_from_bytes(wheel.read(f"mysense-{version()}.dist-info/METADATA"))
    needs = [need for need in said.get_all("Requires-Dist") if not need.startswith("mysense[")]

    assert {re.match(r"[\w-]+", need)[0] for need in needs if "extra ==" not in need} == CORE
    assert [need for need in needs if ">=" not in need.partition(";")[0]] == []
    assert said["License-Expression"] == "Apache-2.0"


def test_metadata_is_in_one_place():
    setup = (ROOT / "setup.py").read_text()
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]

    assert re.search(r"setup\((.*)\)", setup)[1] == ""
    assert {"influxdb", "adafruit", "kit", "test"} <= extras.keys()


def test_the_program_says_its_version(bare):
    assert run(bare / "mysense", "--version") == f"mysense, version {version()}\n"


def test_the_core_alone_runs_a_simulated_kit(bare):
    assert "pm25" in run(bare / "mysense", "demo", "-n", "1")


def test_simulated_buses_need_no_pytest(bare, tmp_path):
    code = "from mysense.testing.i2c import SimulatedBus, chip; print(chip('bme280').temp)"

    assert run(bare / "python", "-c", code, cwd=tmp_path) == "21.0\n"


def test_the_daemon_runs_from_the_wheel(bare, tmp_path):
    conf = tmp_path / "MySense.conf"
    conf.write_text(CONF.format(folder=tmp_path))

    run(bare / "mysense", "run", "--once", "-c", conf)

    [written] = (tmp_path / "csv").glob("Test_wheel_*.csv")
    assert len(written.read_text().splitlines()) == 2


def test_the_examples_lie_inside(bare, tmp_path):
    said = run(bare / "python", "-m", "mysense.channels.console", "publish", cwd=tmp_path)

    assert "BdP" in said


def test_a_channel_can_be_tried_by_hand(bare, tmp_path):
    assert "--hostname" in run(bare / "python", "-m", "mysense.channels.influxdb", "publish", "--help", cwd=tmp_path)


def test_the_service_is_installed_from_the_wheel(bare, tmp_path):
    run(bare / "mysense", "install-service", "--root", tmp_path)

    unit = (tmp_path / "etc/systemd/system/mysense.service").read_text()
    assert f"ExecStart={bare / 'mysense'} run -c /etc/mysense/MySense.conf\n" in unit


def test_an_older_journal_is_kept(bare, tmp_path):
    shutil.copy(ROOT / "testdata" / "journal-v1.db", tmp_path / "journal.db")
    conf = tmp_path / "MySense.conf"
    conf.write_text(CONF.format(folder=tmp_path))
    before = run(bare / "mysense", "journal", "export", "-c", conf).splitlines()

    run(bare / "mysense", "run", "--once", "-c", conf)

    after = run(bare / "mysense", "journal", "export", "-c", conf).splitlines()
    assert before
    assert after[: len(before)] == before
    assert len(after) > len(before)
