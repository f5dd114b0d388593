"""The share of users and of requests that a candidate really served."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from models.starting import has_percent, new_world

from serin_core.api.actual_share import ActualShare
from serin_core.api.gate_names import GateName
from serin_core.api.gate_status import Checkpoint, ProcessCounts
from serin_core.api.resource import Resource
from serin_core.api.status_view import condensed
from serin_core.contract import names
from serin_core.contract.actual_share import METRICS, REQUESTS, USERS
from serin_core.counting.actual_share import actual_share
from serin_core.counting.joined_query import stage_query
from serin_core.counting.server_counters import StageCounts, count_stage
from serin_core.counting.stage_query import FRESH, Series, StageQuery
from serin_core.rollout import recording

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SCRAPED = Series({FRESH: "true"}, 1)


def series(name, value, *, process="p1", arm="control", **labels):
    return Series({"__name__": name, names.SERIES_PROCESS: process, names.SERIES_ARM: arm, **labels}, value)


def process(name, *, shown, hidden, canary_users, control_users):
    """Series of one process; a tenth of what is not shown is in the canary."""
    return [
        series(names.PREDICTIONS, shown, process=name, arm="canary", accepted="True"),
        series(names.PREDICTIONS, hidden / 10, process=name, arm="canary", accepted="False"),
        series(names.PREDICTIONS, 0, process=name, accepted="True"),
        series(names.PREDICTIONS, 9 * hidden / 10, process=name, accepted="False"),
        series(names.USERS_COMPARE, canary_users, process=name, arm="canary", agree="True"),
        series(names.USERS_COMPARE, 0, process=name, arm="canary", agree="False"),
        series(names.USERS_COMPARE, 0, process=name, agree="True"),
        series(names.USERS_COMPARE, control_users, process=name, agree="False"),
    ]


def asked(*, percent=10.0, gates=(), checkpoint=None):
    return StageQuery("u", "run", 7, percent, gates, NOW - timedelta(hours=1), checkpoint, timedelta(seconds=30))


def share(found, **changes):
    return actual_share(count_stage([*found, SCRAPED], asked(**changes), NOW), wanted=10.0)


ONE = process("p1", shown=8, hidden=90, canary_users=3, control_users=17)
TWO = process("p2", shown=12, hidden=90, canary_users=1, control_users=19)


def test_it_is_what_all_processes_served():
    found = share(ONE + TWO)
    assert found == ActualShare(wanted=10, users=10.0, counted_users=40, requests=10.0, counted_requests=200)
    assert found.describe() == "10.0 % of 40 users, 10.0 % of 200 requests (wanted: 10 % of users)"


def test_a_process_that_ended_still_counts():
    kept = Checkpoint(
        at=NOW,
        counts={
            USERS: {"p0": ProcessCounts(good=6, total=10)},
            REQUESTS: {"p0": ProcessCounts(good=30, total=100)},
        },
    )
    found = share(ONE, checkpoint=kept)
    assert (found.users, found.counted_users) == (30.0, 30)
    assert (found.requests, found.counted_requests) == (19.19, 198)


def test_without_users_there_is_a_share_of_requests():
    found = share([one for one in ONE if one.name == names.PREDICTIONS])
    assert (found.users, found.requests) == (None, 8.16)
    assert found.describe() == "8.2 % of 98 requests (wanted: 10 % of users)"


@pytest.mark.parametrize(
    "found",
    [
        pytest.param([], id="no series"),
        pytest.param(process("p", shown=0, hidden=0, canary_users=0, control_users=0), id="no traffic"),
    ],
)
def test_without_counts_there_is_none(found):
    assert share(found) is None


def test_in_shadow_it_is_not_read():
    assert share(ONE, percent=0.0) is None
    assert names.PREDICTIONS not in stage_query(asked(percent=0.0), NOW)
    assert all(metric in stage_query(asked(), NOW) for metric in METRICS)


@pytest.fixture
def at():
    made = new_world()
    made.settle(until=has_percent(10))
    made.verdict = "unsure"
    plain = made._reading

    def reading(resource):
        found = plain(resource)
        if not isinstance(found, StageCounts) or resource.status.rollout.percent == 0:
            return found
        shares = {key: {"p": ProcessCounts(good=90, total=100)} for key in (USERS, REQUESTS)}
        return replace(found, by_key={**found.by_key, **shares})

    made._reading = reading
    return made


def test_it_is_shown_and_judged_by_no_gate(at):
    at.settle(rounds=3)
    text = "90.0 % of 100 users, 90.0 % of 100 requests (wanted: 10 % of users)"
    assert condensed(at.status)["actualShare"] == text
    assert {gate.name for gate in at.status.gates} <= {gate.value for gate in GateName}
    at.verdict = "pass"
    at.settle(until=has_percent(50))
    assert at.status.rollout.percent == 50


def test_the_next_stage_begins_without_it(at):
    at.settle(rounds=3)
    at.verdict = "pass"
    at.settle(until=lambda world: world.status.rollout and world.status.rollout.percent == 50)
    assert at.status.actual_share is None


def test_it_is_part_of_the_record_of_the_trial(at):
    at.settle(rounds=3)
    resource = Resource("default", "categories", at.uid, 1, "1", at.spec, at.status)
    begun = recording.begin(resource, at.status, by="kubectl", now=at.now)
    record = recording.extend(begun, recording.Noted.of(at.now, at.status, None, is_counted=True))
    assert record.shares[-1][1:] == (10.0, 90.0, 90.0)
