"""Which process runs which test, where there are several.

A plugin of pytest. xdist's own marks for groups do nothing with pytest 9.2, without a word.
"""

from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

TOGETHER = ("tests/test_init.py", "tests/test_package.py", "tests/test_readme.py", "tests/test_thirdparty.py")
"""Files whose tests share something that takes long to make: each is left to one process, and these come first."""


class Scheduling(LoadScopeScheduling):
    """Each test by itself to whoever is free, and some files whole."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return file if file in TOGETHER else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling:
    """Asked by xdist when it begins."""
    return Scheduling(config, log)
