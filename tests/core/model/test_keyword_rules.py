"""Rules: keywords by class."""

import pytest

from serin_core.model.features import Transaction
from serin_core.model.keyword_rules import Rules, RulesError

RULES = Rules.parse({"classes": {"Groceries": ["Loblaws", "No Frills", "costco"], "Fuel": ["costco gas"]}})


def answer(merchant, description=""):
    match = RULES.match(Transaction(txn_id="1", merchant=merchant, description=description))
    return None if match is None else (match.label, match.keyword)


def test_a_keyword_matches_whatever_case_punctuation_and_numbers():
    assert answer("LOBLAWS #1029") == ("Groceries", "loblaws")
    assert answer("no-frills 3322") == ("Groceries", "no frills")


def test_a_keyword_in_the_description_matches_too():
    assert answer("TERMINAL 12", "loblaws, bread") == ("Groceries", "loblaws")


def test_the_longest_keyword_wins():
    assert answer("COSTCO GAS W123") == ("Fuel", "costco gas")


def test_short_brands_keep_their_digits():
    rules = Rules.parse({"classes": {"Fuel": ["Q8"], "Phone": ["O2", "A1"], "Shops": ["3M", "7-Eleven", "BP"]}})
    printed = {
        "Q8 #12 BERLIN": "Fuel",
        "o2 shop": "Phone",
        "A1 TELEKOM": "Phone",
        "3M Co": "Shops",
        "7-ELEVEN 345": "Shops",
        "BP 99": "Shops",
    }
    assert {merchant: rules.match(Transaction("1", merchant)).label for merchant in printed} == printed
    assert [rules.match(Transaction("1", merchant)) for merchant in ("Q Bar", "A Cafe", "Q 8", "O 2")] == [None] * 4


def test_a_store_number_at_the_end_of_a_word_is_ignored():
    assert answer("LOBLAWS1029") == ("Groceries", "loblaws")


def test_a_part_of_a_word_is_no_match():
    assert answer("COSTCOMPANY") is None


def test_rules_written_and_read_are_the_same():
    assert Rules.parse(RULES.to_mapping()) == RULES


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (None, "expected one key, classes"),
        ({"classes": {}, "x": 1}, "expected one key, classes"),
        ({"classes": {"A": "word"}}, "A must hold a list of keywords, not str"),
        ({"classes": {"A": []}}, "A has no keyword"),
        ({"classes": {"A": ["123"]}}, "'123' is not a keyword"),
        ({"classes": {"A": ["Q 8"]}}, "without its number 'Q 8' is 'q', which matches too much"),
        ({"classes": {1: ["word"]}}, "a class must be a name"),
        ({"classes": {"A": ["Word"], "B": ["word!"]}}, "'word' is listed under A and under B"),
    ],
)
def test_invalid_rules_are_an_error_with_a_correct_example(found, message):
    with pytest.raises(RulesError, match=message):
        Rules.parse(found)
