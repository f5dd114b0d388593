"""Confidence corrected by labels from service."""

from math import exp, isnan, log, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serin_core.model.aging import CERTAIN, YEAR, Aging
from serin_core.model.calibration import Calibration
from serin_core.model.correction import (
    LEAST,
    MAX_CHANGE,
    MAX_SHIFT,
    MAX_SLOPE,
    MIN_SLOPE,
    Correction,
    logit,
)

NONE = Correction(0.0, 1.0, 1.0, 0.0)
shares = st.floats(min_value=0, max_value=1)
slopes = st.floats(min_value=MIN_SLOPE, max_value=MAX_SLOPE)
corrections = st.builds(Correction, st.floats(min_value=-MAX_SHIFT, max_value=MAX_SHIFT), slopes, slopes, shares)


@pytest.mark.parametrize(
    ("correction", "expected"),
    [
        # Of a confidence of 0.9 and a raw probability of 0.7: logits log(9) and log(7 / 3).
        (NONE, 0.9),
        (Correction(-1.0, 1.0, 1.0, 0.0), 1 / (1 + exp(1.0) / 9)),
        (Correction(0.0, 0.5, 1.0, 0.0), 0.75),
        (Correction(0.0, 1.0, 0.5, 0.0), 0.9),
        (Correction(0.0, 1.0, 1.0, 0.5), 1 / (1 + exp(-(log(9) + log(7 / 3)) / 2))),
        (Correction(0.0, 1.0, 1.0, 1.0), 0.7),
    ],
)
def test_each_number_does_what_it_is_for(correction, expected):
    assert correction.corrected(0.9, 0.7) == pytest.approx(expected)


def test_the_slope_below_even_odds_is_another():
    assert Correction(0.0, 1.0, 0.5, 0.0).corrected(0.1, 0.1) == pytest.approx(0.25)


@given(corrections, shares, shares)
def test_whatever_the_correction_a_confidence_moves_by_a_bounded_amount(correction, confidence, probability):
    found = correction.corrected(confidence, probability)
    assert 0 < found <= CERTAIN
    assert abs(log(found / (1 - found)) - logit(confidence)) <= MAX_CHANGE + 1e-9


@given(corrections, shares, shares, shares, shares)
def test_the_order_of_predictions_of_a_class_stays(correction, one, other, raw, other_raw):
    # Within a class, calibration gives the higher confidence to the higher raw probability.
    (low, high), (low_raw, high_raw) = sorted((one, other)), sorted((raw, other_raw))
    assert correction.corrected(low, low_raw) <= correction.corrected(high, high_raw) + 1e-12


def test_a_share_of_zero_is_as_uncertain_as_one_of_one():
    assert NONE.corrected(0.0, 0.3) == pytest.approx(LEAST)
    assert NONE.corrected(1.0, 0.3) == pytest.approx(CERTAIN)


@pytest.mark.parametrize("pair", [(nan, 0.5), (0.5, nan)])
def test_what_is_not_a_number_stays_so(pair):
    assert isnan(NONE.corrected(*pair))


def test_it_is_applied_after_the_discount_and_not_to_a_run_without_a_time():
    aging = Aging(rate=0.6, known_to=0.0)
    calibration = Calibration({}, aging, Correction(-0.5, 1.0, 1.0, 0.0))
    discounted = aging.discounted(0.95, YEAR)
    assert calibration.confidence("A", 0.95, at=YEAR) == pytest.approx(
        1 / (1 + exp(0.5) * (1 - discounted) / discounted)
    )
    assert calibration.confidence("A", 0.95) == 0.95
