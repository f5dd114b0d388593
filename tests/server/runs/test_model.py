"""What a run in memory answers: what the functions of core answer, remembered or not."""

import math

import lightgbm
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from server.fakes import transaction

from serin_core.contract.pod_report import RunQuality
from serin_core.model.calibration import IDENTITY
from serin_core.model.encoder import Encoder, probabilities
from serin_server.runs.lightgbm_predictor import FastTrees
from serin_server.runs.model import MAX_CACHED_CHARACTERS, Texts, TreesPredictor, raw_probabilities, shares_of

CLASSES = ("Dining", "Groceries", "Travel")
WORDS = ("m:loblaws", "m:cafe", "m^_lo", "d:lunch", "d:food", "d:taxi")


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    weights = np.random.default_rng(3).normal(size=(len(WORDS), len(CLASSES))).astype(np.float32).astype(float)
    places = {word: place for place, word in enumerate(WORDS)}
    return Encoder(CLASSES, ("card",), places=places, weights=weights, bias=np.array([0.1, -0.2, 0.3]))


@pytest.fixture(scope="module")
def predictor(encoder: Encoder) -> TreesPredictor:
    chance = np.random.default_rng(0)
    rows, labels = chance.normal(size=(600, 5)), chance.integers(3, size=600)
    parameters = {"objective": "multiclass", "num_class": 3, "verbose": -1, "num_threads": 1}
    booster = lightgbm.train(parameters, lightgbm.Dataset(rows, labels), 12)
    return TreesPredictor(
        run="run_bbbbbbbb_1",
        digest="sha256:0",
        classes=CLASSES,
        quality=RunQuality(f1_macro=0.9, f1_min=0.8),
        f1={},
        _encoder=encoder,
        _texts=Texts(encoder),
        _trees=FastTrees(booster.model_to_string(), classes=3, numbers=5),
        _calibration=IDENTITY,
    )


texts = st.lists(st.sampled_from(["loblaws", "cafe", "lunch", "food", "taxi", "lo", "\u00e9t\u00e9", "x"]), max_size=4)
scores = st.lists(st.floats(min_value=-60, max_value=60), min_size=3, max_size=3)


@given(texts, texts, st.floats(min_value=-1e6, max_value=1e6))
def test_it_answers_what_core_computes_also_the_second_time(
    predictor: TreesPredictor, encoder: Encoder, merchant: list[str], description: list[str], amount: float
) -> None:
    bought = transaction(merchant=" ".join(merchant), description=" ".join(description), amount=amount)
    raw = probabilities(encoder.scores(bought), np.array(predictor.corrections(encoder.numbers(bought)))).tolist()
    first, second = (predictor.predict(bought, calibrated=False) for _ in range(2))
    assert first == second
    for ranked in first.ranked:
        assert ranked.confidence == pytest.approx(raw[CLASSES.index(ranked.label)], abs=1e-12)
    assert first.first.confidence == pytest.approx(max(raw), abs=1e-12)


@given(scores, scores)
def test_the_short_cut_to_probabilities_differs_in_the_last_digits_at_most(
    score: list[float], correction: list[float]
) -> None:
    scores = np.array(score)
    wanted = probabilities(scores, np.array(correction)).tolist()
    assert raw_probabilities(shares_of(scores), correction, lambda: scores) == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize(
    ("score", "correction"),
    [
        pytest.param([-900.0, -800.0, -850.0], [0.0, 1.0, 2.0], id="shares too small for a float"),
        pytest.param([1.0, 2.0, 3.0], [math.nan, 0.0, 0.0], id="a first number that is none"),
        pytest.param([1.0, 2.0, 3.0], [0.0, math.nan, 0.0], id="another number that is none"),
        pytest.param([1.0, 2.0, 3.0], [-900.0, 900.0, 0.0], id="corrections far apart"),
    ],
)
def test_where_floats_end_the_long_way_is_taken(score: list[float], correction: list[float]) -> None:
    scores = np.array(score)
    wanted = probabilities(scores, np.array(correction)).tolist()
    assert raw_probabilities(shares_of(scores), correction, lambda: scores) == pytest.approx(
        wanted, abs=1e-12, nan_ok=True
    )


def test_words_are_those_that_speak_for_the_class(predictor: TreesPredictor, encoder: Encoder) -> None:
    bought = transaction(merchant="loblaws cafe", description="lunch")
    for label in CLASSES:
        assert predictor.words(bought, label) == tuple(encoder.strongest_words(bought, label))


def test_a_long_description_is_answered_and_not_remembered(predictor: TreesPredictor) -> None:
    texts = predictor._texts
    before = texts._described.cache_info().currsize
    long = "lunch " * MAX_CACHED_CHARACTERS
    assert texts.shares("cafe", long) == texts.shares("cafe", "lunch " * (MAX_CACHED_CHARACTERS + 9))
    assert texts._described.cache_info().currsize == before
