"""Trees through the C API give what LightGBM's own class gives, bit for bit."""

import gc
import math
import re
import subprocess
import sys
import weakref

import lightgbm
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from serin_core.model.lightgbm_text import TreesError
from serin_server.runs.lightgbm_predictor import FastTrees


@pytest.fixture(scope="module")
def booster():
    chance = np.random.default_rng(0)
    rows, labels = chance.normal(size=(600, 5)), chance.integers(3, size=600)
    parameters = {"objective": "multiclass", "num_class": 3, "verbose": -1, "num_threads": 1}
    return lightgbm.train(parameters, lightgbm.Dataset(rows, labels), 12)


def test_every_answer_is_the_same_bit_for_bit(booster):
    trees = FastTrees(booster.model_to_string(), classes=3, numbers=5)
    rows = np.random.default_rng(1).normal(size=(50, 5))
    rows[3, 2] = np.nan
    wanted = booster.predict(rows, raw_score=True)
    assert [list(trees.corrections(row.tolist())) for row in rows] == wanted.tolist()


def test_rows_beside_a_split_are_told_apart_and_rows_between_two_are_answered_alike(booster):
    text = booster.model_to_string()
    trees = FastTrees(text, classes=3, numbers=5)
    lines = [re.search(f"^{name}=(.*)$", text, re.MULTILINE) for name in ("split_feature", "threshold")]
    features, thresholds = (found[1].split() for found in lines if found)
    splits = sorted(float(at) for feature, at in zip(features, thresholds, strict=True) if feature == "0")
    assert splits
    near = [number for at in splits for number in (math.nextafter(at, -math.inf), at, math.nextafter(at, math.inf))]
    for first in (*near, -0.0, 0.0, math.nan, math.inf, -math.inf, 1e300, *near):
        row = [first, 0.1, -0.3, 0.5, 1.0]
        assert list(trees.corrections(row)) == booster.predict(np.array([row]), raw_score=True)[0].tolist()


@example([-2.97190711941581e-27, -2.97190711941581e-27, -1.3542319536209106, -0.4876788854598999, 0.0])
@given(st.lists(st.floats(width=32, min_value=-3, max_value=3), min_size=5, max_size=5))
def test_what_is_remembered_is_what_the_trees_answer(booster, row):
    trees = FastTrees(booster.model_to_string(), classes=3, numbers=5)
    wanted = booster.predict(np.array([row]), raw_score=True)[0].tolist()
    assert [list(trees.corrections(row)) for _ in range(2)] == [wanted, wanted]


def test_trees_that_are_let_go_of_are_gone_at_once(booster):
    trees = FastTrees(booster.model_to_string(), classes=3, numbers=5)
    trees.corrections([0.0] * 5)
    gone = weakref.ref(trees._cached.__wrapped__)
    gc.disable()
    try:
        del trees
        assert gone() is None
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("classes", "numbers", "complaint"),
    [(4, 5, "trees of 3 classes and 5 features; expected 4 classes and 5 features"), (3, 6, "and 6 features")],
)
def test_trees_of_another_shape_are_refused(booster, classes, numbers, complaint):
    with pytest.raises(TreesError, match=complaint):
        FastTrees(booster.model_to_string(), classes=classes, numbers=numbers)


@pytest.mark.parametrize("text", ["", "no trees", "tree\nversion=v4\nnum_class=1\n"])
def test_what_holds_no_trees_is_refused_in_one_line(text):
    with pytest.raises(TreesError) as caught:
        FastTrees(text, classes=3, numbers=5)
    assert "\n" not in str(caught.value)


def test_the_trees_are_opened_without_the_packages_that_only_training_needs() -> None:
    program = (
        "import sys, serin_server.main\n"
        "from serin_core.model.lightgbm_text import TreesError\n"
        "from serin_server.runs.lightgbm_predictor import FastTrees\n"
        "try:\n    FastTrees('no trees', classes=2, numbers=1)\nexcept TreesError:\n    pass\n"
        "print(sorted({'lightgbm', 'pandas', 'scipy', 'sklearn'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"
