"""Pruning removes what its lists name, and refuses a list that is out of date."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def prune():
    spec = importlib.util.spec_from_file_location("prune", ROOT / "images" / "prune.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def site(tmp_path):
    record = tmp_path / "shop-1.dist-info" / "RECORD"
    files = ("shop/__init__.py", "shop/unused.py", "shop/tests/test_shop.py")
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x = 1\n")
    record.parent.mkdir()
    record.write_text("".join(f"{name},sha256=x,6\n" for name in files))
    return tmp_path


def test_files_and_folders_are_removed_also_from_the_record(prune, site):
    assert prune.prune(site, ["?**/tests", "shop/unused.py"]) == 12
    assert [path.name for path in (site / "shop").iterdir()] == ["__init__.py"]
    assert (site / "shop-1.dist-info" / "RECORD").read_text() == "shop/__init__.py,sha256=x,6\n"


def test_a_line_that_matches_nothing_is_an_error_unless_it_may(prune, site):
    assert prune.prune(site, ["?**/*.pyx"]) == 0
    with pytest.raises(prune.OutdatedError, match=r"shop/gone\.py matches nothing"):
        prune.prune(site, ["shop/gone.py"])


def test_comments_and_empty_lines_are_no_globs(prune):
    assert prune.globs("# why\n\nshop/unused.py  # and why\n") == ["shop/unused.py"]
