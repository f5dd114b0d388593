"""Fixed examples of hypothesis, and which tests one process runs when several processes share the work."""

from pathlib import Path

import pytest
from hypothesis import settings

# The same examples on every machine; `make fuzz` tries new ones.
settings.register_profile("same", derandomize=True)
settings.register_profile("new", derandomize=False, print_blob=True)
settings.load_profile("same")

TESTS = Path(__file__).parent
SHARED = ("counting", "server/registry", "server/stores", "training/registry")
"""Directories whose fixtures take long to set up. One process runs all of their tests; else a file is the unit."""
FIRST = ("cluster", "training")
"""Groups that take longest: begun first, so that no process is left with one of them at the end."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    if not config.getoption("loadgroup", default=False):
        return
    for item in items:
        item.add_marker(pytest.mark.xdist_group(group(item)))
    # Stable: within a rank the order stays that of the collection.
    items.sort(key=rank)


def group(item):
    path = item.path.relative_to(TESTS)
    if path.parts[0] == "e2e" and item.get_closest_marker("cluster"):
        return "cluster"
    folder = path.parent.as_posix()
    return folder if folder in SHARED else path.as_posix()


def rank(item):
    [mark] = item.iter_markers("xdist_group")
    return next((number for number, name in enumerate(FIRST) if mark.args[0].startswith(name)), len(FIRST))
