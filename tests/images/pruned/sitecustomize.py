"""Refuse imports of what an image leaves out: SERIN_PRUNED is the image, and this folder is in PYTHONPATH.

Python imports this module at its start, in processes that a test starts as well.
"""

import os
import sys
from importlib.machinery import PathFinder
from pathlib import Path, PurePath

LISTS = Path(__file__).parents[3] / "images" / "prune"


def _patterns(image):
    lines = [line.partition("#")[0].strip() for name in ("all", image) for line in (LISTS / f"{name}.txt").open()]
    return [line.removeprefix("?") for line in lines if line]


def _is_removed(path, patterns):
    """Return whether a pattern matches a path in site-packages, or one of its folders."""
    for one in [path, *path.parents]:
        for pattern in patterns:
            if (one if pattern.startswith("**/") else "/" / one).match(
                pattern[3:] if pattern.startswith("**/") else f"/{pattern}"
            ):
                return True
    return False


class Pruned:
    def __init__(self, image):
        self._patterns = _patterns(image)

    def find_spec(self, name, path=None, target=None):
        found = PathFinder.find_spec(name, path, target)
        if found is None:
            return None
        where = found.origin or next(iter(found.submodule_search_locations), "")
        _, is_installed, inside = str(where).partition("/site-packages/")
        if is_installed and _is_removed(PurePath(inside), self._patterns):
            raise ModuleNotFoundError(f"{name} is not in the image", name=name)
        return found


if image := os.environ.get("SERIN_PRUNED"):
    sys.meta_path.insert(0, Pruned(image))
