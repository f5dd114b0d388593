"""Calibration, applied: the same as scikit-learn's isotonic regression with clipping."""

from math import nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression

from serin_core.model.calibration import IDENTITY, Calibration, CalibrationError, Table


def test_a_table_equals_scikit_learn():
    rng = np.random.default_rng(5)
    raw = rng.random(300)
    right = rng.random(300) < raw**2
    fitted = IsotonicRegression(out_of_bounds="clip").fit(raw, right)
    table = Table(raw=fitted.X_thresholds_.tolist(), right=fitted.y_thresholds_.tolist())
    asked = np.concatenate([np.linspace(-0.1, 1.1, 997), raw])
    assert np.allclose([table.apply(one) for one in asked], fitted.predict(asked), rtol=0, atol=1e-12)


@given(st.floats(min_value=0, max_value=1), st.floats(min_value=0, max_value=1))
def test_a_table_keeps_the_order_of_probabilities(one, other):
    table = Table(raw=[0.2, 0.5, 0.9], right=[0.1, 0.1, 0.8])
    low, high = sorted((one, other))
    assert table.apply(low) <= table.apply(high)


def test_the_prediction_is_the_largest_raw_probability_with_the_confidence_of_its_own_table():
    calibration = Calibration({"A": Table(raw=[0.0, 1.0], right=[0.0, 0.5])})
    ranked = calibration.rank(("B", "A"), [0.4, 0.6])
    assert ranked == [("A", 0.3), ("B", 0.3)]


def test_without_tables_confidence_is_the_raw_probability():
    assert IDENTITY.rank(("A", "B", "C"), [0.2, 0.5, 0.3]) == [("B", 0.5), ("C", 0.3), ("A", 0.2)]


def test_a_probability_that_is_not_a_number_comes_first_and_reaches_no_threshold():
    label, confidence = IDENTITY.rank(("A", "B"), [0.9, nan])[0]
    assert label == "B"
    assert confidence != confidence  # noqa: PLR0124 - NaN


@pytest.mark.parametrize(
    ("raw", "right", "message"),
    [
        ([], [], "at least one"),
        ([0.1, 0.2], [0.5], "as many values as points"),
        ([0.2, 0.1], [0.1, 0.2], "strictly increasing"),
        ([0.1, 0.2], [0.3, 0.2], "must not decrease"),
        ([0.1, float("inf")], [0.1, 0.2], "finite"),
        ("x", [0.1], "malformed"),
    ],
)
def test_an_invalid_table_is_an_error(raw, right, message):
    with pytest.raises(CalibrationError, match=message):
        Calibration.from_json({"A": {"raw": raw, "right": right}})


def test_a_calibration_written_and_read_is_the_same():
    calibration = Calibration({"A": Table(raw=[0.1, 0.4], right=[0.0, 1.0])})
    assert Calibration.from_json(calibration.to_json()) == calibration
