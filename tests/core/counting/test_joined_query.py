"""One query for many stages: each gets what a query of its own would return, and no query is too large."""

import re
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from serin_core.api.gate_names import GateName
from serin_core.api.gate_status import Checkpoint
from serin_core.contract import names
from serin_core.counting.joined_query import (
    MAX_LENGTH,
    MAX_SERIES,
    MAX_STAGES,
    joined_query,
    packed,
    shared_out,
    stage_query,
)
from serin_core.counting.server_counters import count_stage
from serin_core.counting.stage_query import DELAY, FRESH, GONE, NOW, Series, StageQuery

PRESENT = datetime(2026, 1, 1, 12, 0, 7, tzinfo=UTC)


def asked(uid="a", **changes):
    whole = {
        "uid": uid,
        "run_id": "run_aaaaaaaa_1",
        "stage": 7,
        "percent": 10.0,
        "gates": tuple(GateName),
        "started_at": PRESENT - timedelta(hours=1),
        "checkpoint": None,
        "interval": timedelta(seconds=30),
    }
    return StageQuery(**whole | changes)


UIDS = st.sampled_from(("a", "b", "c", "d"))
RUNS = st.sampled_from(("run_1", "run_2"))
STAGES = st.integers(1, 3)
STAGE_LABELS = st.builds(
    lambda uid, run, stage: {names.SERIES_UID: uid, names.SERIES_RUN: run, names.SERIES_STAGE: str(stage)},
    UIDS,
    RUNS,
    STAGES,
)
METRICS = st.sampled_from((names.REQUESTS, names.FAILURES, names.USERS_COMPARE))
OF_STAGE = st.builds(
    lambda stage, more, value: Series({**stage, **more}, float(value)),
    STAGE_LABELS,
    st.one_of(
        st.builds(
            lambda name, process: {"__name__": name, names.SERIES_PROCESS: process, names.SERIES_ARM: "canary"},
            METRICS,
            st.sampled_from(("p1", "p2")),
        ),
        st.just({FRESH: "true"}),
        st.builds(lambda name: {GONE: name, names.SERIES_PROCESS: "p1"}, METRICS),
    ),
    st.integers(0, 9),
)
CHECKS = st.builds(
    lambda uid, stage: Series(
        {label: label for label in names.CHECKED_LABELS}
        | {"__name__": names.LABEL_CHECK, names.SERIES_UID: uid, names.SERIES_PROCESS: "p1", names.SERIES_STAGE: stage},
        1.0,
    ),
    UIDS,
    st.sampled_from((names.SERIES_STAGE, "production")),
)
STORES = st.lists(st.one_of(OF_STAGE, CHECKS), max_size=60)
ASKED = st.lists(
    st.builds(lambda uid, run, stage: asked(uid, run_id=run, stage=stage), UIDS, RUNS, STAGES),
    min_size=1,
    max_size=4,
    unique_by=lambda one: one.uid,
)


def returned(store, stages):
    """What a query for these stages returns: of stages of others by uid, run and number of any of them."""
    uids, numbers = {one.uid for one in stages}, {str(one.stage) for one in stages}
    runs = {one.run_id for one in stages}
    found = [
        one
        for one in store
        if one.labels[names.SERIES_UID] in uids
        and (
            one.name == names.LABEL_CHECK
            or (
                one.labels[names.SERIES_STAGE] in numbers
                and (len(runs) > 1 or one.labels[names.SERIES_RUN] == stages[0].run_id)
            )
        )
    ]
    return [*found, Series({NOW: "true"}, PRESENT.timestamp())]


def as_set(series):
    return sorted((sorted(one.labels.items()), one.value) for one in series)


@given(STORES, ASKED)
def test_a_joined_result_shared_out_is_what_each_stage_alone_would_get(store, stages):
    found = shared_out(returned(store, stages), stages)
    assert found.keys() == {one.uid for one in stages}
    for one in stages:
        alone = returned(store, [one])
        assert as_set(found[one.uid]) == as_set(alone)
        assert count_stage(found[one.uid], one, PRESENT) == count_stage([*alone[-1:], *alone[:-1]], one, PRESENT)


def test_a_series_of_a_resource_that_looks_like_the_time_of_the_query_reaches_no_other():
    crafted = Series({names.SERIES_UID: "b", NOW: "true"}, 5.0)
    time = Series({NOW: "true"}, 9.0)
    found = shared_out([crafted, time], [asked("a"), asked("b")])
    assert found == {"a": [time], "b": [time]}


def test_a_query_for_one_stage_names_it_without_patterns():
    found = stage_query(asked("u"), PRESENT)
    assert 'serin_uid="u",serin_run="run_aaaaaaaa_1",serin_stage="7"' in found
    assert found == joined_query([asked("u")], PRESENT)


def test_values_in_a_pattern_are_literal():
    found = joined_query([asked("a.b"), asked("c")], PRESENT)
    assert 'serin_uid=~"a[.]b|c"' in found


def test_stages_with_another_window_or_other_metrics_are_parts_of_their_own():
    """A longer window would count processes again that have been added up."""
    kept = Checkpoint(at=PRESENT - timedelta(minutes=1))
    stages = [asked("a"), asked("b"), asked("c", checkpoint=kept), asked("d", percent=0.0, gates=(GateName.ERRORS,))]
    found = joined_query(stages, PRESENT)
    assert 'serin_uid=~"a|b"' in found
    assert 'serin_uid="c"' in found
    assert 'serin_uid="d"' in found
    assert 'serin_label_check{serin_uid=~"a|b|c|d"}' in found
    assert found.count("vector(time())") == 1


@given(
    st.lists(
        st.builds(
            lambda number, seconds, percent: asked(
                f"{number:08d}-0000-4000-8000-000000000000",
                started_at=PRESENT - timedelta(seconds=seconds),
                percent=percent,
            ),
            st.integers(0, 90),
            st.integers(0, 600),
            st.sampled_from((0.0, 10.0)),
        ),
        max_size=200,
    ),
    st.integers(1, MAX_STAGES),
    st.sampled_from((1, 200, MAX_SERIES, MAX_SERIES + 1)),
)
def test_no_query_is_larger_than_its_bounds_and_no_stage_is_left_out(stages, most, series):
    groups = packed(stages, expected=lambda _uid: series, most=most)
    assert sorted(map(id, (one for group in groups for one in group))) == sorted(map(id, stages))
    for group in groups:
        assert len({one.uid for one in group}) == len(group) <= most
        assert len(group) == 1 or len(group) * series <= MAX_SERIES
        assert len(group) == 1 or len(joined_query(group, PRESENT)) <= MAX_LENGTH


def test_two_hundred_stages_need_few_queries():
    stages = [asked(f"{number:08d}-0000-4000-8000-000000000000") for number in range(200)]
    assert len(packed(stages, expected=lambda _uid: 60)) <= 7


@given(st.integers(0, 900), st.integers(60, 900), st.sampled_from((5, 30, 300)))
def test_a_window_begins_at_a_whole_minute_unless_that_would_read_what_was_added_up(age, before, interval):
    at = PRESENT - timedelta(seconds=age)
    kept = Checkpoint(at=at, since=at - timedelta(seconds=before))
    one = asked(checkpoint=kept, interval=timedelta(seconds=interval))
    since = one.reaches_back_to
    assert since <= at - timedelta(minutes=3)
    assert since.second == 0 or since < kept.since + DELAY + timedelta(minutes=1)
    assert since >= min(kept.since + DELAY, at - timedelta(minutes=3))


def test_windows_of_stages_that_were_kept_at_different_seconds_are_the_same():
    kept = [Checkpoint(at=PRESENT - timedelta(seconds=one), since=PRESENT - timedelta(minutes=10)) for one in range(7)]
    queries = {stage_query(asked(checkpoint=one), PRESENT) for one in kept}
    assert len(queries) == 1
    assert re.search(r"\[187s\]", queries.pop())
