"""The documentation says what is there: no more, no less, and no link leads nowhere."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from mysense import options, registry, settings

ROOT = Path(__file__).parent.parent
DOCS = sorted({*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")})
LINK = re.compile(r"\]\(([^)#\s]*)(#[^)\s]*)?\)")
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def prose(path):
    """A document without its blocks of code."""
    return FENCE.sub("", path.read_text(encoding="utf-8"))


def anchors(path):
    """The anchors that a heading gets on the usual sites."""
    headings = re.findall(r"^#+ (.*)$", prose(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def named(path):
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", DOCS, ids=named)
def test_links_lead_somewhere(path):
    for target, anchor in LINK.findall(prose(path)):
        if "://" in target or target.startswith("mailto:"):
            continue
        there = (path.parent / target).resolve() if target else path

        assert there.exists(), f"{target} is not there"
        assert there.is_relative_to(ROOT)
        if anchor and there.suffix == ".md":
            assert anchor[1:] in anchors(there), f"{target} has no heading {anchor}"


def test_every_document_is_in_the_index():
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    listed = {(ROOT / "docs" / target).resolve() for target, _ in LINK.findall(index)}

    assert set((ROOT / "docs").rglob("*.md")) - listed == {ROOT / "docs" / "README.md"}


def test_no_file_holds_both_sides_of_a_merge():
    marks = ("<" * 7 + " ", ">" * 7 + " ")
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    for name in listed.splitlines() or ["README.md", "MANIFEST.in", "CHANGELOG.md"]:
        if (ROOT / name).is_file():
            lines = (ROOT / name).read_text(errors="replace").splitlines()
            assert not any(line.startswith(marks) for line in lines), name


def test_generated_files_are_up_to_date():
    done = subprocess.run(
        [sys.executable, "scripts/generate.py", "--check"], cwd=ROOT, capture_output=True, text=True, timeout=60
    )

    assert done.returncode == 0, done.stderr


def documented(section):
    """What docs/config.md says under one heading."""
    text = (ROOT / "docs" / "config.md").read_text(encoding="utf-8")
    found = re.search(rf"^#+ .*{re.escape(section)}.*?$(.*?)(?=^#+ |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"docs/config.md has no heading for {section}"
    return found[1]


@pytest.mark.parametrize("section", settings.CORE)
def test_every_option_of_the_core_is_documented(section):
    text = documented(f"[{section}]")

    assert [name for name in options.declared(settings.CORE[section]) if f"`{name}`" not in text] == []


PLUGINS = [
    (kind, name)
    for kind, (package, _) in registry.KINDS.items()
    for name in registry.names(kind)
    if name in registry.builtin(package)
]


@pytest.mark.parametrize(("kind", "name"), PLUGINS)
def test_every_option_of_every_plugin_is_documented(kind, name):
    text = documented(f"{kind}:{name}")

    assert [option for option in options.declared(registry.find(kind, name)) if f"`{option}`" not in text] == []


@pytest.mark.parametrize("path", DOCS, ids=named)
def test_the_words_are_those_of_the_glossary(path):
    old = re.findall(r"\b(?:\w+Manager|Helper|Utils|dead.letter queue|heap|black.?list|white.?list)\b", prose(path))

    assert old == []


def test_the_list_of_layers_is_the_one_that_is_tested():
    from tests.test_layers import LAYERS

    table = "\n".join(line.strip() for line in LAYERS.strip().splitlines())

    assert f"```\n{table}\n```" in (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def test_the_changelog_has_the_version_on_top_or_what_is_unreleased():
    from mysense import __version__

    first = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)[0]

    assert first == "Unreleased" or first.startswith(__version__)
