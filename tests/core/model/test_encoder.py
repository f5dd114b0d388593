"""From a transaction to scores, and the encoder's two files."""

from io import BytesIO
from math import exp, log, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serin_core.model.encoder import Encoder, EncoderError, blocks, probabilities, starting_point
from serin_core.model.features import Transaction

WORDS = ("m:pizza", "m^piz", "d:diesel")
ENCODER = Encoder(
    classes=("Dining", "Fuel"),
    channels=("online", "pos"),
    places={word: place for place, word in enumerate(WORDS)},
    weights=np.array([[2.0, -1.0], [0.5, 0.0], [-1.5, 3.0]]),
    bias=np.array([-1.0, -2.0]),
)


def transaction(merchant="", description="", user_id=None):
    return Transaction(txn_id="1", merchant=merchant, description=description, user_id=user_id)


def test_a_score_adds_the_weights_of_known_words_divided_by_the_root_of_all_words_of_their_block():
    asked = transaction("PIZZA ROMA", "winter diesel")
    words, pieces, described = (len(block) for block in blocks(asked))
    assert (words, described) == (3, 2)
    dining, fuel = ENCODER.scores(asked).tolist()
    assert dining == pytest.approx(-1.0 + 2.0 / sqrt(3) + 0.5 / sqrt(pieces) - 1.5 * 0.5 / sqrt(2))
    assert fuel == pytest.approx(-2.0 - 1.0 / sqrt(3) + 3.0 * 0.5 / sqrt(2))


def test_an_unknown_merchant_gets_the_bias_alone():
    assert ENCODER.scores(transaction("ZZZ")).tolist() == [-1.0, -2.0]


def test_a_user_never_reaches_a_score():
    scores = [ENCODER.scores(transaction("PIZZA", user_id=user)).tolist() for user in ("u1", "u2", None)]
    assert scores[0] == scores[1] == scores[2]


def test_probabilities_are_the_softmax_of_log_sigmoid_and_corrections():
    dining, fuel = log(1 / (1 + exp(1.0))) + 0.25, log(1 / (1 + exp(2.0)))
    expected = exp(dining) / (exp(dining) + exp(fuel))
    found = probabilities(np.array([-1.0, -2.0]), np.array([0.25, 0.0])).tolist()
    assert found == pytest.approx([expected, 1 - expected])


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=5))
def test_probabilities_are_numbers_for_any_score(scores):
    found = probabilities(np.array(scores), np.zeros(len(scores)))
    assert found.sum() == pytest.approx(1.0)
    assert np.isfinite(starting_point(np.array(scores))).all()


def test_the_strongest_words_for_a_class_are_those_with_the_highest_weights():
    asked = transaction("PIZZA ROMA", "diesel")
    assert ENCODER.strongest_words(asked, "Fuel") == ["diesel"]
    assert ENCODER.strongest_words(asked, "Dining") == ["pizza"]


def test_an_encoder_written_and_read_is_the_same():
    again = Encoder.from_files(*ENCODER.to_files())
    assert again.places == ENCODER.places
    assert (again.classes, again.channels) == (ENCODER.classes, ENCODER.channels)
    assert again.weights.tolist() == ENCODER.weights.tolist()
    assert again.bias.tolist() == ENCODER.bias.tolist()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": ["A", "A"]}, "classes must be a list of unique strings"),
        ({"words": ["m:x"]}, "weights have the shape"),
        ({"bias": [1.0]}, "bias have the shape"),
        ({"bias": [1.0, float("nan")]}, "bias must be finite"),
        ({"bias": "none"}, "bias must be a list of numbers"),
        ({"more": 1}, "expected exactly the keys"),
    ],
)
def test_an_invalid_encoder_file_is_an_error(change, message):
    found, weights = ENCODER.to_files()
    with pytest.raises(EncoderError, match=message):
        Encoder.from_files(found | change, weights)


def saved(values, **options):
    target = BytesIO()
    np.save(target, values, **options)
    return target.getvalue()


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (b"", "not a .npy file"),
        (b"{}", "not a .npy file"),
        (saved(np.zeros((3, 2), dtype=np.float32))[:-1], "not a .npy file"),
        (saved(np.array([{}], dtype=object), allow_pickle=True), "not a .npy file"),
        (saved(np.zeros((3, 2))), "must be float32"),
        (saved(np.full((3, 2), np.inf, dtype=np.float32)), "weights must be finite"),
    ],
)
def test_an_invalid_weights_file_is_an_error_and_no_pickle_is_opened(weights, message):
    with pytest.raises(EncoderError, match=message):
        Encoder.from_files(ENCODER.to_files()[0], weights)
