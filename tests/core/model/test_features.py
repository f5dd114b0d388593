"""From a transaction to words and numbers."""

from datetime import datetime
from math import log1p

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serin_core.model.features import (
    NUMBERS,
    Transaction,
    description_words,
    merchant_key,
    merchant_pieces,
    merchant_words,
    normalise,
    numbers,
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


def test_words_of_a_merchant_are_its_words_numbers_and_pairs():
    assert merchant_words("SQ *Pizza Roma #7112") == ["m:pizza", "m:roma", "m:7112", "m:pizza roma", "m:roma 7112"]


def test_character_n_grams_of_a_merchant_go_across_its_words():
    assert merchant_pieces("Ab c") == ["m^_ab", "m^ab_", "m^b_c", "m^_c_", "m^_ab_", "m^ab_c", "m^b_c_"]


def test_words_of_a_description_are_its_words_and_numbers_of_two_signs_and_more():
    assert description_words("Unit 4: DIESEL, 95 diesel") == ["d:unit", "d:diesel", "d:95"]


@given(st.text(), st.text())
def test_words_of_the_blocks_are_distinct_and_unique(merchant, description):
    blocks = merchant_words(merchant), merchant_pieces(merchant), description_words(description)
    assert [{word[:2] for word in block} <= {start} for block, start in zip(blocks, ("m:", "m^", "d:"), strict=True)]
    assert all(len(set(block)) == len(block) for block in blocks)


def test_numbers_are_those_of_amount_time_and_channel():
    found = numbers(
        Transaction(
            txn_id="1",
            merchant="",
            amount=-9.0,
            channel="pos",
            timestamp=datetime.fromisoformat("2026-03-03T14:30:00+00:00"),
        ),
        ("online", "pos"),
    )
    assert dict(zip(NUMBERS, found, strict=True)) == {
        "log_amount": log1p(9.0),
        "is_refund": 1.0,
        "weekday": 1.0,
        "hour": 14.0,
        "channel": 1.0,
    }


def test_what_is_unknown_is_minus_one():
    assert numbers(Transaction(txn_id="1", merchant="", channel="carrier pigeon"), ("pos",))[2:] == [-1.0, -1.0, -1.0]
