"""Fixed examples of hypothesis, and which tests one process runs when several processes share the work."""

import pytest
from hypothesis import settings
from secret_search import pytest_runtest_makereport

__all__ = ["pytest_runtest_makereport"]

# The same examples on every machine; `make fuzz` tries new ones, `make fuzz PROFILE=long` 20,000 for each test.
settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("new", derandomize=False, deadline=None, print_blob=True)
settings.register_profile("long", derandomize=False, deadline=None, print_blob=True, max_examples=20_000)
settings.load_profile("same")

SHARED = (
    "backends",
    "e2e",
    "gitops",
    "counting",
    "helm",
    "registry",
    "server/registry",
    "server/stores",
    "training/registry",
)
"""Directories whose fixtures take long to set up: one process runs all of their tests. Else the unit is a file."""
FIRST = ("e2e", "training", "faults")
"""Units that take longest: started first, so that no process is left with one of them at the end."""


def unit(nodeid):
    path = nodeid.partition("::")[0].removeprefix("tests/")
    folder = path.rpartition("/")[0]
    return folder if folder in SHARED else path


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    from xdist.scheduler import LoadScopeScheduling  # noqa: PLC0415 - only where several processes share the work

    class UnitScheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return unit(nodeid)

    return UnitScheduling(config, log)


def pytest_collection_modifyitems(config, items):
    if hasattr(config, "workerinput"):
        # Stable: within a rank the order stays that of the collection.
        items.sort(key=lambda item: rank(unit(item.nodeid)))


def rank(name):
    return next((number for number, prefix in enumerate(FIRST) if name.startswith(prefix)), len(FIRST))
