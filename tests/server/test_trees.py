"""Trees through the C API give what LightGBM's own class gives, bit for bit."""

import lightgbm
import numpy as np
import pytest

from serin_server.trees import FastTrees, TreesError


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
    assert [trees.corrections(row.tolist()).tolist() for row in rows] == wanted.tolist()


@pytest.mark.parametrize(
    ("classes", "numbers", "complaint"),
    [(4, 5, "trees of 3 classes over 5 numbers; wanted are 4 over 5"), (3, 6, "over 6")],
)
def test_trees_of_another_shape_are_refused(booster, classes, numbers, complaint):
    with pytest.raises(TreesError, match=complaint):
        FastTrees(booster.model_to_string(), classes=classes, numbers=numbers)


@pytest.mark.parametrize("text", ["", "no trees", "tree\nversion=v4\nnum_class=1\n"])
def test_what_holds_no_trees_is_refused_in_one_line(text):
    with pytest.raises(TreesError) as caught:
        FastTrees(text, classes=3, numbers=5)
    assert "\n" not in str(caught.value)
