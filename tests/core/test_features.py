"""From a transaction to numbers."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serin_core.features import (
    Encoder,
    EncoderError,
    Transaction,
    description_tokens,
    merchant_key,
    merchant_tokens,
    normalise,
)

ENCODER = Encoder(
    classes=("Dining", "Fuel"),
    channels=("online", "pos"),
    by_token={"m:pizza": [2.0, -1.0], "d:diesel": [-1.5, 3.0]},
    by_key={"pizza roma": [1.0, 0.0]},
)


@pytest.mark.parametrize(
    ("printed", "key"),
    [
        ("SQ *PIZZA ROMA #0012 TORONTO", "pizza roma"),
        ("Pizza Roma 12", "pizza roma"),
        ("PAYPAL *CLOUDWARE", "cloudware"),
        ("Café d'Été", "café d'été"),
        ("TST* THE GOOD KITCHEN AND BAR", "the good kitchen"),
        ("7-ELEVEN 345", "eleven"),
        ("1234", ""),
        ("", ""),
    ],
)
def test_a_merchant_key_is_the_shop_without_processor_store_number_and_place(printed, key):
    assert merchant_key(printed) == normalise(key)


@given(st.text())
def test_normalising_twice_changes_nothing_more(text):
    assert normalise(normalise(text)) == normalise(text)


@given(st.text(), st.text())
def test_tokens_of_a_merchant_and_a_description_are_told_apart_and_stand_once(merchant, description):
    transaction = Transaction(txn_id="1", merchant=merchant, description=description)
    by_merchant, by_description = merchant_tokens(transaction), description_tokens(transaction)
    assert {token[0] for token in by_merchant} <= {"m"}
    assert {token[0] for token in by_description} <= {"d"}
    assert len({*by_merchant, *by_description}) == len(by_merchant) + len(by_description)


def test_a_vector_adds_the_log_odds_of_known_words_and_says_how_many_were_known():
    transaction = Transaction(
        txn_id="1",
        merchant="PIZZA ROMA #7",
        description="diesel?",
        amount=-1.0,
        channel="pos",
        timestamp=datetime.fromisoformat("2026-03-03T14:30:00+00:00"),
    )
    vector = dict(zip(ENCODER.names, ENCODER.vector(transaction), strict=True))
    assert (vector["merchant Dining"], vector["merchant Fuel"]) == (2.0, -1.0)
    assert (vector["description Dining"], vector["description Fuel"]) == (-1.5, 3.0)
    assert (vector["key Dining"], vector["is_key_known"]) == (1.0, 1.0)
    assert (vector["is_refund"], vector["weekday"], vector["hour"], vector["channel"]) == (1.0, 1.0, 14.0, 1.0)
    assert (vector["known_merchant_words"], vector["known_description_words"]) == (1.0, 1.0)


def test_a_user_never_reaches_the_numbers():
    one = Transaction(txn_id="1", merchant="PIZZA", user_id="u1")
    other = Transaction(txn_id="2", merchant="PIZZA", user_id="u2")
    assert ENCODER.vector(one) == ENCODER.vector(other)


def test_what_is_unknown_adds_nothing():
    vector = dict(zip(ENCODER.names, ENCODER.vector(Transaction(txn_id="1", merchant="ZZZ")), strict=True))
    assert {value for name, value in vector.items() if name.endswith(("Dining", "Fuel"))} == {0.0}
    assert (vector["weekday"], vector["hour"], vector["channel"]) == (-1.0, -1.0, -1.0)


def test_the_strongest_words_for_a_class_are_those_with_the_highest_odds():
    transaction = Transaction(txn_id="1", merchant="PIZZA ROMA", description="diesel")
    assert ENCODER.strongest_words(transaction, "Fuel") == ["diesel"]
    assert ENCODER.strongest_words(transaction, "Dining") == ["pizza"]


def test_an_encoder_written_and_read_is_the_same():
    assert Encoder.from_json(ENCODER.to_json()) == ENCODER


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"classes": ["A", "A"]}, "classes must be a list of different texts"),
        ({"tokens": {"m:x": [1.0]}}, "must hold 2 finite numbers"),
        ({"keys": {"x": [1.0, float("nan")]}}, "must hold 2 finite numbers"),
        ({"more": 1}, "expected exactly the keys"),
    ],
)
def test_an_encoder_file_that_does_not_fit_is_refused(change, complaint):
    with pytest.raises(EncoderError, match=complaint):
        Encoder.from_json(ENCODER.to_json() | change)
