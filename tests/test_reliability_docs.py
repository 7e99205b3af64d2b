"""Each command that docs/reliability.md names does something."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

COLLECT = """
import pytest, sys
for words in {chosen!r}:
    if code := pytest.main([*words, "--collect-only", "-q", "-p", "no:cacheprovider"]):
        sys.exit(f"{{words}}: {{code!r}}")
"""
"""One process for all: it is the start that costs."""
ROOT = Path(__file__).parent.parent
SAID = re.findall(r"`((?:python -m|pytest) [^`]+)`", (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8"))


def typed(*words):
    done = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("command", [command for command in dict.fromkeys(SAID) if command.startswith("python")])
def test_programs_that_the_page_names_can_be_started(command):
    typed(*shlex.split(command)[1:], "--help")


def test_each_choice_of_tests_that_the_page_names_chooses_some():
    chosen = [shlex.split(command)[1:] for command in dict.fromkeys(SAID) if command.startswith("pytest")]

    typed("-c", COLLECT.format(chosen=chosen))


def test_every_trial_is_on_the_page():
    named = {word for command in SAID for word in command.split() if word.startswith("torture.")}
    there = {f"torture.{path.stem}" for path in (ROOT / "torture").glob("[a-z]*.py")}

    assert there - named == {"torture.fuzz"}  # which is told on the page about security
