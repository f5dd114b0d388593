"""Results of an instant query: which are one number, and the sentence for any other."""

import pytest

from serin_core.counting.number import number_of
from serin_core.counting.reading import Unreadable


def series(value, **labels):
    return {"metric": labels, "value": [1.0, value]}


@pytest.mark.parametrize(
    ("kind", "result", "number"),
    [
        ("scalar", [1.0, "0.5"], 0.5),
        ("vector", [series("0.5")], 0.5),
        ("vector", [series("-2e3", pod="a")], -2000.0),
    ],
)
def test_one_number(kind, result, number):
    assert number_of(kind, result) == number


@pytest.mark.parametrize(
    ("kind", "result", "reason", "sentence"),
    [
        ("vector", [], "NoData", "the query returned no data: nothing matches it now"),
        ("vector", [series("1"), series("2", a="b")], "NotOneNumber", "several series; wrap it in max() or sum()"),
        ("vector", [series("NaN")], "NotOneNumber", "returned NaN, probably divided by 0"),
        ("scalar", [1.0, "+Inf"], "NotOneNumber", "returned +Inf, probably divided by 0"),
        ("string", [1.0, "a"], "NotOneNumber", "the query returned a string; write an expression"),
        ("matrix", [], "NotOneNumber", "the query returned a range of samples; wrap it in"),
        ("vector", [{"metric": {}, "histogram": [1.0, {}]}], "NotOneNumber", "wrap it in histogram_quantile()"),
        ("vector", [series("many")], "QueryError", "something that is not a number"),
        ("vector", {}, "QueryError", "did not return the result of a query"),
        ("scalar", [1.0], "QueryError", "did not return the result of a query"),
        ("", None, "QueryError", "did not return the result of a query"),
    ],
)
def test_anything_else_is_held_with_a_sentence_that_says_what_to_do(kind, result, reason, sentence):
    found = number_of(kind, result)
    assert isinstance(found, Unreadable)
    assert found.reason == reason
    assert sentence in found.message
