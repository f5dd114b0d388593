"""Query gates over real sockets, and queries that do not return in time."""

import asyncio
import json

import pytest
from prometheus_over_http import ask, prometheus

from serin_core.api.queries import Query
from serin_core.counting.reading import Unreadable
from serin_operator.query_reader import read_queries


def read_number(url):
    return ask(url, lambda api: api.read_number("default", "max(up)"))


def answer(kind, result, **more):
    return json.dumps({"status": "success", "data": {"resultType": kind, "result": result}} | more)


@pytest.mark.parametrize(
    ("kind", "result"),
    [("scalar", [1.0, "0.5"]), ("vector", [{"metric": {"pod": "a"}, "value": [1.0, "0.5"]}])],
)
def test_a_number(kind, result):
    with prometheus(200, answer(kind, result)) as url:
        assert read_number(url) == 0.5


SERIES = [{"metric": {"pod": pod}, "value": [1.0, "0.5"]} for pod in "ab"]


@pytest.mark.parametrize(
    ("status", "body", "sentence"),
    [
        (200, answer("vector", SERIES), "the query returned several series; wrap it in max() or sum()"),
        (
            200,
            answer("vector", SERIES, warnings=["results truncated due to limit"]),
            "the query returned several series; wrap it in max() or sum()",
        ),
        (200, answer("string", [1.0, "a"]), "the query returned a string; write an expression that returns a number"),
        (200, answer("vector", [{"metric": {}, "value": [1.0, "NaN"]}]), "the query returned NaN"),
        (
            400,
            json.dumps({"status": "error", "errorType": "bad_data", "error": "1:5: parse error: unexpected <by>"}),
            "Prometheus refused the query (400): 1:5: parse error: unexpected <by>",
        ),
        (200, "<html>", "Prometheus returned something that is not JSON"),
        (503, "", "HTTP 503"),
    ],
)
def test_what_is_not_a_number_is_held_with_one_sentence(status, body, sentence):
    with prometheus(status, body) as url:
        found = read_number(url)
    assert isinstance(found, Unreadable)
    assert sentence in found.message
    assert "\n" not in found.message


class Slow:
    """Returns 1 for the query `fast`, and nothing for any other."""

    async def read_number(self, endpoint, query):
        if query == "fast":
            return 1.0
        await asyncio.Event().wait()
        raise AssertionError


def test_a_query_that_does_not_return_in_time_delays_a_pass_by_no_more_than_that():
    queries = [Query(name=name, query=name, at_most=1) for name in ("fast", "slow", "slower")]
    found = asyncio.run(read_queries(Slow(), "default", queries, deadline=0.05))
    assert found["fast"] == 1.0
    assert found["slow"] == found["slower"]
    assert "did not return its result" in found["slow"].message


def test_without_queries_nothing_is_sent():
    assert asyncio.run(read_queries(Slow(), "default", ())) == {}
