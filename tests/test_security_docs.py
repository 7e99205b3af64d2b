"""The page about security names tests that there are, and says what the code says."""

import ast
import re
from pathlib import Path

import pytest

from mysense import shown
from mysense.channels.influxlisten import conversation, rates
from mysense.telegram import PRIVATE
from tests.fuzz.damage import PATIENCE

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
NAMED = re.findall(r"`(test_\w+\.py)::(\w+)`", PAGE)


def test_the_page_names_tests():
    assert len(NAMED) > 30
    assert len(re.findall(r"`test_", PAGE)) == len(NAMED)


@pytest.mark.parametrize(("file", "name"), sorted(set(NAMED)))
def test_each_test_that_the_page_names_is_there(file, name):
    tree = ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8"))

    assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_every_threat_has_a_test_or_says_that_nothing_stops_it():
    for line in PAGE.splitlines():
        if line.startswith("| ") and not line.startswith("| could"):
            *_, stops, tests, _ = line.split(" | ") if line.count(" | ") > 2 else [*line.split(" | "), ""]
            assert "`test_" in tests or "nothing stops" in stops or "yes, it can" in stops, line


def test_what_the_page_says_of_numbers_is_so():
    assert f"each wrong one counts as {rates.GUESS:g} requests" in PAGE
    assert f"at least {conversation.SLOWEST:,} bytes a second" in PAGE
    assert f"keeps the processor for {PATIENCE:g} seconds" in PAGE
    assert shown.SHORTEST == 4
    assert "fewer than four signs" in PAGE


def test_the_page_names_every_private_item():
    [sentence] = re.findall(r"\* (`street`.*?) leave a node", PAGE, re.DOTALL)

    assert set(re.findall(r"`(\w+)`", sentence)) == PRIVATE
