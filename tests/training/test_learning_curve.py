"""What more labels would give: the learning curve, its continuation, and what is too little to say."""

import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from typer.testing import CliRunner

from serin_training.commands.main import app
from serin_training.learning_curve import MIN_LABELS, continuations, curve_of, learning_curve, parts_of
from serin_training.scoring import MIN_ROWS
from serin_training.training import TrainingConfig, expect, train

CONFIG = TrainingConfig(run_id="run_00000001", now=datetime(2026, 1, 1, tzinfo=UTC))


def predictions(right, wrong):
    """Return labels of 100 rows of A and 100 of B: of each, `right` are right and the others are swapped."""
    return ["A"] * right + ["B"] * wrong + ["B"] * right + ["A"] * wrong


def curve(*rights, rows=100):
    models = [[predictions(right, rows - right)] for right in rights]
    return curve_of(["A"] * 400 + ["B"] * 400, ["A"] * rows + ["B"] * rows, models, seed=0)


def test_quarters_and_halves_have_each_row_once():
    quarters, halves, (whole,) = parts_of(1003, seed=1)
    for parts in (quarters, halves, [whole]):
        assert sorted(np.concatenate(parts).tolist()) == list(range(1003))
    assert [len(quarters), len(halves)] == [4, 2]


def test_the_scores_are_those_of_the_models():
    found = curve(60, 70, 80)
    assert [(point.labels, point.accuracy) for point in found.points] == [
        (200, pytest.approx(0.6)),
        (400, pytest.approx(0.7)),
        (800, pytest.approx(0.8)),
    ]
    assert found.classes["A"].f1 == pytest.approx((0.6, 0.7, 0.8))
    assert (found.classes["A"].labels, found.classes["A"].rows) == (400, 100)


def test_a_rising_curve_promises_more_and_a_flat_one_nothing():
    rising, flat = curve(60, 70, 80).doubled, curve(80, 80, 80).doubled
    assert 0.82 < rising.score < 0.92
    assert rising.low < rising.score < rising.high
    assert flat.score == pytest.approx(0.8)


def test_a_falling_curve_promises_no_less_than_there_is():
    assert curve(90, 85, 80).doubled.score == pytest.approx(0.8)


def test_more_evaluation_rows_make_the_interval_narrower():
    wide, narrow = (curve(*(round(rows * share) for share in (0.6, 0.7, 0.8)), rows=rows) for rows in (40, 4000))
    assert narrow.doubled.high - narrow.doubled.low < wide.doubled.high - wide.doubled.low


def test_a_class_with_few_evaluation_rows_promises_nothing():
    found = curve(14, 18, 22, rows=MIN_ROWS - 1)
    assert [one.doubled for one in found.classes.values()] == [None, None]


@pytest.mark.parametrize("errors", [(0.0, 0.0, 0.0), (0.5, 0.5, 0.0), (0.0, 0.0, 0.5), (1.0, 1.0, 1.0)])
def test_continuations_stay_errors(errors):
    found = continuations(np.array(errors))
    assert ((found >= 0) & (found <= errors[-1])).all()


def test_too_few_and_very_many_labels_have_no_curve():
    def predict(_places):
        raise AssertionError("nothing is trained")

    assert learning_curve(["A"] * (MIN_LABELS - 1), ["A"], predict, seed=0) is None
    assert learning_curve(["A"] * 100_000, ["A"], predict, seed=0) is None


def test_the_real_curve_is_the_same_for_the_same_seed(few_rows):
    one, other = (expect(few_rows[:600], CONFIG) for _ in range(2))
    assert one == other
    assert [point.labels for point in one.points] == [120, 240, 480]


def test_rows_without_any_word_that_enough_users_used_are_learned_by_the_rest(few_rows):
    rows = [replace(row, transaction=replace(row.transaction, merchant="", description="")) for row in few_rows[:600]]
    report = train(rows, CONFIG).report
    most_frequent = Counter(row.category for row in rows).most_common(1)[0][0]
    assert report.learning_curve.classes[most_frequent].f1[-1] > 0
    assert not report.passed_acceptance_gate


def test_rows_that_are_too_few_to_train_on_say_what_to_expect_and_are_refused(few, tmp_path):
    given = ["train", "--data", str(few), "--limit", "300", "--registry", str(tmp_path / "registry")]
    text, data = (CliRunner().invoke(app, [*given, "-o", output]) for output in ("text", "json"))
    assert text.exit_code == data.exit_code == 2
    assert "with 240 more labels" in text.stdout
    assert "too few rows to say" in text.stdout
    assert "300 labelled rows are too few to train on; at least 500 are required" in text.stderr
    assert json.loads(data.stdout)["learning_curve"]["points"][-1]["labels"] == 240
    assert not (tmp_path / "registry").exists()


def test_rows_that_are_far_too_few_have_no_expectation(few_rows):
    assert expect(few_rows[:50], CONFIG) is None
