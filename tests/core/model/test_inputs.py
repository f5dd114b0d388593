"""Bins of a run's inputs: those of its profile, bounded whatever a report says."""

import random

import numpy as np
import pytest

from serin_core.model.inputs import (
    EVERY,
    FEATURES,
    MAX_BINS,
    NEW_MERCHANTS,
    OTHER,
    PREDICTED,
    InputBins,
    InputCounts,
    Inputs,
)
from serin_core.model.report import Profile

EDGES = {"log_amount": (1.0, 2.5), "is_refund": (0.5,), "weekday": (), "hour": (11.5,), "channel": ()}
NUMBERS = {"log_amount": (10, 20, 70), "is_refund": (95, 5), "weekday": (100,), "hour": (40, 60), "channel": (100,)}


def profile(**changes):
    found = {
        "rows": 100,
        "categories": {"Dining": 100},
        "answers": {"Dining": 60, "Fuel": 40},
        "confidence": (100,),
        "new_merchants": 12,
        "numbers": NUMBERS,
        "edges": EDGES,
        "monthly": {},
    }
    return Profile.model_validate(found | changes)


def test_the_reference_is_that_of_the_profile_without_weekday_and_confidence():
    found = InputBins.of(profile()).reference
    assert set(found) == set(FEATURES)
    assert found["log_amount"] == {"00": 10, "01": 20, "02": 70}
    assert found[PREDICTED] == {"Dining": 60, "Fuel": 40, OTHER: 0}
    assert found[NEW_MERCHANTS] == {"known": 88, "new": 12}


def test_counts_have_the_bins_of_training():
    bins, dice = InputBins.of(profile()), random.Random(1)
    values = [dice.choice((0.0, 1.0, 1.7, 2.5, 9.0)) for _ in range(200)]
    counts = InputCounts(bins)
    for value in values:
        counts.add(Inputs((value, 0.0, 3.0, 11.0, -1.0), is_new_merchant=value > 2), label="Fuel")
    expected = np.bincount(np.searchsorted(EDGES["log_amount"], values, side="right"), minlength=3).tolist()
    assert list(counts.counted()["log_amount"].values()) == expected
    assert counts.counted()["hour"] == {"00": 200, "01": 0}
    assert counts.counted()[NEW_MERCHANTS]["new"] == sum(value > 2 for value in values)
    assert counts.counted()[PREDICTED] == {"Dining": 0, "Fuel": 200, OTHER: 0}
    assert {sum(one.values()) for one in counts.counted().values()} == {200}


def test_no_report_leads_to_more_than_so_many_series():
    many = tuple(float(at) for at in range(5000))
    bins = InputBins.of(
        profile(
            answers={f"class {at}": at for at in range(300)},
            edges=dict.fromkeys(EDGES, many),
            numbers=dict.fromkeys(NUMBERS, (1,) * 5001),
        )
    )
    assert all(len(one) <= MAX_BINS for one in bins.reference.values())
    assert bins.reference["channel"]["31"] == 5001 - 31, "the last bin has all greater values"
    assert bins.reference[PREDICTED][OTHER] == sum(range(300 - 31))
    counts = InputCounts(bins)
    counts.add(Inputs((4000.0, 0.0, 0.0, 0.0, -1.0), is_new_merchant=False), label="class 3")
    assert counts.counted()["log_amount"]["31"] == 1
    assert counts.counted()[PREDICTED][OTHER] == 1
    assert sum(map(len, counts.counted().values())) <= MAX_BINS * len(FEATURES)


@pytest.mark.parametrize(
    "changes",
    [
        {"edges": EDGES | {"hour": (11.5, 12.5)}},
        {"edges": EDGES | {"log_amount": (2.5, 1.0)}},
        {"edges": EDGES | {"log_amount": (1.0, float("nan"))}},
        {"edges": {}},
        {"new_merchants": 101},
        {"new_merchants": -1},
    ],
)
def test_a_profile_whose_parts_do_not_fit_is_not_compared(changes):
    assert InputBins.of(profile(**changes)) is None


def test_a_run_of_an_older_version_has_no_bins():
    assert InputBins.of(None) is None


def test_about_every_sixteenth_prediction_is_counted_at_no_fixed_place_of_a_batch():
    counts = InputCounts(InputBins.of(profile()), random.Random(3))
    due = [at for at in range(16_000) if counts.is_due()]
    assert len(due) == pytest.approx(16_000 / EVERY, rel=0.05)
    assert {at % 16 for at in due} == set(range(16))
