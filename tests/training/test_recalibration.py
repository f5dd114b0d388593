"""The correction of confidence that labels from service lead to."""

from datetime import UTC, datetime

import numpy as np
import pytest

from serin_core.model.correction import MAX_CHANGE, MAX_SHIFT, MAX_SLOPE, MIN_SLOPE, logit
from serin_core.model.features import Transaction
from serin_training.data.rows import Label, Row
from serin_training.recalibration import HALF_LIFE, fit_correction, has_fair_label


def labelled(rows, *, shift=0.0, seed=0):
    """Return confidences, raw probabilities and results; the logits of the confidences are too high by `-shift`."""
    chance = np.random.default_rng(seed)
    confidence = chance.uniform(0.3, 0.99, rows)
    truth = 1 / (1 + np.exp(-(np.log(confidence / (1 - confidence)) + shift)))
    return confidence, np.sqrt(confidence), chance.random(rows) < truth


def changes(correction, *, raw=None):
    """Return the changes of confidences of 0.6, 0.8 and 0.95."""
    return [correction.corrected(one, raw or one**0.5) - one for one in (0.6, 0.8, 0.95)]


def test_confidence_that_is_right_is_hardly_changed():
    confidence, raw, right = labelled(4000)
    assert changes(fit_correction(confidence, raw, right, np.zeros(4000))) == pytest.approx([0, 0, 0], abs=0.03)


def test_confidence_that_is_too_high_is_lowered():
    confidence, raw, right = labelled(4000, shift=-0.8)
    found = fit_correction(confidence, raw, right, np.zeros(4000))
    # logit(0.8) - 0.8 is that of 0.643.
    assert found.corrected(0.8, 0.8**0.5) == pytest.approx(0.643, abs=0.03)


def test_few_labels_change_less_than_many():
    sizes = (30, 300, 3000)
    found = [
        fit_correction(*labelled(rows, shift=-0.8, seed=seed), np.zeros(rows)) for rows in sizes for seed in range(8)
    ]
    means = [np.mean([changes(one)[1] for one in found[8 * at : 8 * at + 8]]) for at in range(3)]
    assert means[0] > means[1] > means[2] > -0.2
    assert means[0] < 0


def test_labels_count_less_with_age():
    confidence, _, old = labelled(2000, shift=-0.8)
    _, _, new = labelled(2000, shift=0.0, seed=1)
    # The newer half says that nothing is wrong, the older one that the confidence is too high.
    ages = np.concatenate([np.full(1000, 4 * HALF_LIFE), np.zeros(1000)])
    result = np.concatenate([old[:1000], new[:1000]])
    mixed = np.concatenate([confidence[:1000], labelled(2000, seed=1)[0][:1000]])
    aged = fit_correction(mixed, np.sqrt(mixed), result, ages)
    same = fit_correction(mixed, np.sqrt(mixed), result, np.zeros(2000))
    assert changes(same)[1] < changes(aged)[1] - 0.02


@pytest.mark.parametrize("is_right", [True, False])
def test_labels_that_all_say_the_same_reach_the_bounds_and_no_further(is_right):
    confidence, raw, _ = labelled(5000)
    found = fit_correction(confidence, raw, np.full(5000, is_right), np.zeros(5000))
    assert abs(found.shift) <= MAX_SHIFT
    assert MIN_SLOPE <= found.slope_above <= MAX_SLOPE
    assert MIN_SLOPE <= found.slope_below <= MAX_SLOPE
    assert 0 <= found.raw_weight <= 1
    moved = [logit(found.corrected(one, one**0.5)) - logit(one) for one in (0.5, 0.7, 0.9)]
    assert all(0 < (change if is_right else -change) <= MAX_CHANGE + 1e-9 for change in moved)


def rows_of(user, month, labelled, unlabelled):
    """Return the rows of a user in a month."""
    label = Label("Dining", datetime(2026, month, 1, tzinfo=UTC))
    at = datetime(2026, month, 2, tzinfo=UTC)
    return [
        Row(Transaction(txn_id="1", merchant="CAFE", user_id=user), at, label if number < labelled else None)
        for number in range(labelled + unlabelled)
    ]


@pytest.mark.parametrize(
    ("rows", "counting"),
    [
        pytest.param([("a", 1, 30, 0), ("b", 1, 1, 0)], 31, id="an audited sample counts"),
        pytest.param([("a", 1, 3, 97)], 0, id="what a user corrected now and then does not"),
        pytest.param([("a", 1, 9, 1), ("b", 1, 0, 50)], 9, id="nearly all of a user's count"),
        pytest.param([("a", 1, 9, 1), ("a", 2, 3, 40)], 9, id="of one month, whatever the next brings"),
        pytest.param([("a", 1, 1, 0), ("b", 1, 0, 50)], 0, id="the only one of a user shows nothing"),
        pytest.param([("", 1, 20, 0), ("b", 1, 0, 50)], 0, id="without a user nobody knows"),
    ],
)
def test_labels_count_where_nearly_everything_has_one(rows, counting):
    assert sum(has_fair_label([row for one in rows for row in rows_of(*one)])) == counting
