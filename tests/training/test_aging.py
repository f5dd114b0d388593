"""The rate at which confidence is discounted, estimated from models of different ages."""

import numpy as np
import pytest

from serin_training.aging import DEFAULT_RATE, OlderModel, fit_rate

YEARS = 6.0
CLASSES = 3


def older_models(true_rate, *, seed=0, rows=60_000, years=YEARS, models=5):
    """Return models whose predictions become wrong at a known rate; each is fitted on the rows before its fold."""
    chance = np.random.default_rng(seed)
    days = np.sort(chance.uniform(0, years * 365.25, rows))
    found = []
    for number in range(models):
        start = rows * (number + 2) // (models + 2)
        after = days[start:]
        raw = chance.uniform(0.55, 0.99, len(after))
        age = (after - days[start - 1]) / 365.25
        logit = np.log(raw / (1 - raw)) / (1 + true_rate * np.log1p(age))
        found.append(
            OlderModel(
                known_to=days[start - 1],
                days=after,
                predicted=chance.integers(CLASSES, size=len(after)),
                confidence=raw,
                right=(chance.random(len(after)) < 1 / (1 + np.exp(-logit))).astype(float),
            )
        )
    return found


def test_predictions_that_stay_right_are_hardly_discounted():
    # The second model is 3.4 years old at the end, so that the default counts for 2 of 5.4 parts: 0.22. A little is
    # added because isotonic tables are slightly too sure of themselves on the rows they were not fitted on.
    assert DEFAULT_RATE * 2 / 5.4 <= fit_rate(older_models(0.0), classes=CLASSES) < DEFAULT_RATE / 2


def test_the_faster_predictions_become_wrong_the_higher_the_rate():
    stable, slow, fast = (fit_rate(older_models(truth), classes=CLASSES) for truth in (0.0, 0.4, 2.0))
    assert stable + 0.05 < slow < DEFAULT_RATE < fast


def test_short_histories_say_little():
    found = fit_rate(older_models(0.0, years=0.3), classes=CLASSES)
    assert found == pytest.approx(DEFAULT_RATE, rel=0.1)


def test_few_predictions_say_nothing():
    assert fit_rate(older_models(0.0, rows=600), classes=CLASSES) == DEFAULT_RATE


def test_a_single_model_says_nothing():
    assert fit_rate(older_models(0.0, models=1), classes=CLASSES) == DEFAULT_RATE
