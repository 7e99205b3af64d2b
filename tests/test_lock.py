"""The lock for a Pi's image names all that a kit installs, in versions that fit, each with hashes."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
ABOUT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = ABOUT["optional-dependencies"]
TEXT = (ROOT / "contrib" / "requirements-pi.txt").read_text(encoding="utf-8")
ENTRIES = {
    canonicalize_name(Requirement(line.partition("\\")[0]).name): Requirement(line.partition("\\")[0].strip())
    for line in re.findall(r"^[a-z].*(?:\n    .*)*", TEXT, re.MULTILINE)
}


def wanted(names):
    """What an extra of ours installs, ours resolved."""
    for name in names:
        requirement = Requirement(name)
        if requirement.name == "mysense":
            for extra in sorted(requirement.extras):
                yield from wanted(EXTRAS[extra])
        else:
            yield requirement


@pytest.mark.parametrize("requirement", [*wanted(ABOUT["dependencies"]), *wanted(EXTRAS["kit"])], ids=str)
def test_the_lock_has_every_dependency_in_a_version_that_fits(requirement):
    locked = ENTRIES[canonicalize_name(requirement.name)]
    [version] = [each.version for each in locked.specifier]

    assert requirement.specifier.contains(version), "run scripts/lock"


def test_every_package_in_the_lock_has_one_version_and_its_hashes():
    for entry in re.findall(r"^[a-z].*(?:\n    .*)*", TEXT, re.MULTILINE):
        first, *hashes = entry.split(" \\\n    ")

        assert re.fullmatch(r"[a-z0-9.-]+==[\w.]+( ; .+)?", first)
        assert hashes
        assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", each) for each in hashes), first
