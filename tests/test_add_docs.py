"""The pages for authors of plugins do what they say: their files are written, their commands run."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent / "docs"
STEP = re.compile(r"(?:^`(?P<name>[\w.]+)`:\n\n)?^```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)

FURTHER = {"mysense_uv.py", "test_uv.py", "mysense_wind.py", "test_wind.py"}
"""The files of further examples; the package of the page is counted as it is before them."""
IDENT = "from mysense.telegram import Field"
"""What every sensor imports."""


def steps(page):
    """What stands in fences: files with their names, and sessions of a console."""
    return [step.group("name", "kind", "text") for step in STEP.finditer((DOCS / page).read_text(encoding="utf-8"))]


def said(session):
    """The commands of a session, each with what it shows; … stands for anything."""
    for part in re.split(r"^\$ ", session, flags=re.MULTILINE)[1:]:
        command, _, shown = part.partition("\n")
        lines = [".*".join(map(re.escape, line.split("…"))) for line in shown.splitlines()]
        yield command, "".join("(?:.*\n)*?" if line == ".*" else f"{line}\n" for line in lines)


@pytest.fixture
def run(tmp_path):
    """Run a command as it is shown: with the mysense beside the page, and a pip that takes nothing from the net."""
    packages, folder = tmp_path / "packages", tmp_path / "work"
    folder.mkdir()
    env = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": f"{packages}:{DOCS.parent}",
        "PIP_TARGET": str(packages), "PIP_NO_INDEX": "1", "PIP_NO_DEPS": "1", "PIP_NO_BUILD_ISOLATION": "0",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PYTHONDONTWRITEBYTECODE": "1",
    }  # fmt: skip

    def run(command):
        done = subprocess.run(
            command, shell=True, cwd=folder, env=env, text=True, timeout=100,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}\n{done.stdout}"
        return done.stdout

    run.folder = folder
    return run


@pytest.mark.parametrize("page", ["add-a-sensor.md", "add-a-channel.md"])
def test_the_page_leads_to_a_working_plugin(page, run):
    for name, kind, text in steps(page):
        if name:
            (run.folder / name).write_text(text, encoding="utf-8")
            continue
        assert kind == "console", "a file without a name"
        for command, shown in said(text):
            output = run(command)
            assert re.fullmatch(shown, output), f"$ {command}\n{output}\nis not as shown:\n{shown}"


@pytest.mark.parametrize("page", ["add-a-sensor.md", "add-a-channel.md"])
def test_it_takes_less_than_fifty_lines(page):
    files = {name: text for name, kind, text in reversed(steps(page)) if kind in ("python", "toml")}
    package = [text for name, text in files.items() if name not in FURTHER]

    assert len(package) == 3
    assert sum(bool(line.strip()) for text in package for line in text.splitlines()) < 50
    assert all(len(files[name].splitlines()) <= 30 for name in files.keys() & FURTHER)


@pytest.mark.parametrize("name", ["mysense_uv.py", "mysense_wind.py"])
def test_a_sensor_on_a_bus_or_a_line_needs_one_base_class(name):
    [text] = [text for file, _, text in steps("add-a-sensor.md") if file == name]
    ours = {line for line in text.splitlines() if line.startswith("from mysense")} - {IDENT}

    assert [re.fullmatch(r"from mysense\.hardware\.\w+ import \w+", line) is not None for line in ours] == [True]
