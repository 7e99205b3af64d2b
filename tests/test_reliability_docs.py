"""Each command that docs/reliability.md names does something."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SAID = re.findall(r"`((?:python -m|pytest) [^`]+)`", (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8"))


@pytest.mark.parametrize("command", dict.fromkeys(SAID))
def test_what_the_page_says_can_be_typed(command):
    words = shlex.split(command)
    if words[0] == "pytest":  # at least one test is chosen
        words = ["-m", *words, "--collect-only", "-q", "-p", "no:cacheprovider"]
    else:
        words = [*words[1:], "--help"]
    done = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, timeout=90)

    assert done.returncode == 0, done.stdout + done.stderr


def test_every_trial_is_on_the_page():
    named = {word for command in SAID for word in command.split() if word.startswith("torture.")}
    there = {f"torture.{path.stem}" for path in (ROOT / "torture").glob("[a-z]*.py")}

    assert there - named == {"torture.fuzz"}  # which is told on the page about security
