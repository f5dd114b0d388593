"""Confidence discounted by the age of a run."""

from datetime import UTC, datetime, timedelta, timezone
from math import isnan, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serin_core.model.aging import CERTAIN, NO_AGING, YEAR, Aging
from serin_core.model.calibration import Calibration, Table
from serin_core.model.values import unix_time

KNOWN_TO = 1_700_000_000.0
AGING = Aging(rate=0.6, known_to=KNOWN_TO)

confidences = st.floats(min_value=0, max_value=1)
ages = st.floats(min_value=-5 * YEAR, max_value=100 * YEAR)


@pytest.mark.parametrize(
    ("confidence", "years", "expected"),
    [
        # The logit, log(p / (1 - p)), divided by 1 + 0.6 log(1 + years), computed by hand.
        (0.95, 1, 0.8889),
        (0.95, 4, 0.817),
        (1.0, 1, 0.9924),
        (0.6, 1, 0.5711),
    ],
)
def test_confidence_falls_with_age(confidence, years, expected):
    assert AGING.discounted(confidence, KNOWN_TO + years * YEAR) == pytest.approx(expected, abs=5e-4)


@given(confidences, ages)
def test_it_is_never_raised_and_never_falls_below_even_odds(confidence, age):
    found = AGING.discounted(confidence, KNOWN_TO + age)
    assert min(confidence, 0.5) <= found <= confidence


@given(confidences, confidences, ages)
def test_the_order_of_confidences_stays(one, other, age):
    low, high = sorted((one, other))
    assert AGING.discounted(low, KNOWN_TO + age) <= AGING.discounted(high, KNOWN_TO + age)


@given(confidences, ages, ages)
def test_the_older_the_lower(confidence, one, other):
    early, late = sorted((one, other))
    assert AGING.discounted(confidence, KNOWN_TO + late) <= AGING.discounted(confidence, KNOWN_TO + early)


@pytest.mark.parametrize("age", [-YEAR, 0.0])
def test_what_the_run_has_learned_from_is_not_discounted(age):
    assert AGING.discounted(1.0, KNOWN_TO + age) == 1.0


def test_a_rate_of_zero_changes_nothing():
    assert NO_AGING.discounted(0.97, KNOWN_TO) == 0.97


def test_a_confidence_that_is_not_a_number_stays_so():
    assert isnan(AGING.discounted(nan, KNOWN_TO + YEAR))


def test_a_table_is_applied_first_and_other_classes_stay_below():
    calibration = Calibration({"A": Table(raw=[0.0, 1.0], right=[0.9, CERTAIN])}, AGING)
    at = KNOWN_TO + 2 * YEAR
    ranked = calibration.rank(("B", "A"), [0.49, 0.51], at=at)
    expected = AGING.discounted(0.9 + (CERTAIN - 0.9) * 0.51, at)
    assert ranked == [("A", pytest.approx(expected)), ("B", 0.49)]
    assert ranked[0][1] < 0.9


def test_without_a_time_confidence_is_that_of_a_new_run():
    calibration = Calibration({}, AGING)
    assert calibration.rank(("A", "B"), [0.9, 0.1]) == [("A", 0.9), ("B", 0.1)]


@pytest.mark.parametrize(
    "time",
    [
        datetime(2023, 11, 14, 22, 13, 20),  # noqa: DTZ001 - taken as UTC
        datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC),
        datetime(2023, 11, 15, 0, 13, 20, tzinfo=timezone(timedelta(hours=2))),
    ],
)
def test_a_time_without_an_offset_is_in_utc(time):
    assert unix_time(time) == KNOWN_TO


@pytest.mark.parametrize(
    "time",
    [
        datetime.min.replace(tzinfo=timezone(timedelta(hours=14))),
        datetime.max.replace(tzinfo=timezone(timedelta(hours=-12))),
    ],
)
def test_the_first_and_the_last_time_are_no_error(time):
    assert abs(unix_time(time)) > 6e10
