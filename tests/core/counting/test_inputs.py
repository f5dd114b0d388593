"""The query for inputs and its result; tests/counting has the same with a real Prometheus."""

from datetime import timedelta

from serin_core.counting.inputs import inputs_query, inputs_seen
from serin_core.counting.stage_query import Series

RUN = "run_aaaaaaaa_1"


def part(side, value, **labels):
    return Series({"serin_side": side} | labels, value)


def test_one_query_reads_a_week_of_counts_the_reference_and_whether_there_was_a_day_of_them():
    query = inputs_query("u1", RUN)
    assert 'increase(serin_inputs_total{serin_uid="u1",serin_run="run_aaaaaaaa_1"}[168h])' in query
    assert "[1h] offset 24h" in query
    assert "serin_run_input_rows" in query
    assert "[14m]" in inputs_query("u1", RUN, window=timedelta(minutes=14))


def test_a_result_is_counts_by_feature_and_bin():
    found = inputs_seen(
        RUN,
        [
            part("current", 7.5, serin_feature="hour", serin_bin="01"),
            part("reference", 20.0, serin_feature="hour", serin_bin="01"),
            part("reference", 30.0, serin_feature="hour", serin_bin="00"),
            part("settled", 61.0),
        ],
    )
    assert found.current == {"hour": {"01": 7.5}}
    assert found.reference == {"hour": {"01": 20.0, "00": 30.0}}
    assert found.is_settled


def test_without_any_series_nothing_is_known():
    found = inputs_seen(RUN, [])
    assert (found.current, found.reference, found.is_settled) == ({}, {}, False)
