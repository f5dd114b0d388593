"""Handled requests are forgotten, the oldest first, and none is ever carried out twice."""

import hypothesis.strategies as st
import pytest
from hypothesis import Phase, given, settings
from models.starting import A, has_percent, new_world

from serin_core.contract.names import REQUEST_PREFIX
from serin_core.contract.request_values import MAX_VALUE, kept_value
from serin_core.rollout import forgotten_requests
from serin_core.rollout.requests import MAX_REQUESTS

DATED = [f"{A} 2026-01-{day:02}T00:00:00Z" for day in (1, 2, 5)]
"""Requests dated before and after the time of the model."""
VALUES = [*DATED, f"{A} now", f"{A} again", f"{A} 2026-99-99T00:00:00Z", A, ""]
ACTIONS = ("pause", "resume")


@pytest.fixture
def few(monkeypatch):
    """Keep only a few handled requests."""
    monkeypatch.setattr(forgotten_requests, "MAX_HANDLED", 2)
    monkeypatch.setattr(forgotten_requests, "MAX_DATED_AHEAD", 3)


def in_canary():
    at = new_world()
    at.settle(until=has_percent(10))
    at.verdict = "unsure"
    return at


def works(at, executed):
    """One pass; `executed` counts the requests that have acted."""
    known = at.status.history[-1].at
    at.whole_pass(at.operators[0])
    for entry in at.status.history:
        if entry.at > known and entry.by != "operator":
            executed[entry.by] = executed.get(entry.by, 0) + 1
    at.tick()


requests = st.tuples(st.sampled_from(ACTIONS), st.sampled_from([*VALUES, *range(5)]))
steps = st.one_of(requests, requests, requests, st.sampled_from([*ACTIONS, "an hour later"]))


@settings(max_examples=15, phases=[Phase.explicit, Phase.generate])
@given(st.lists(steps, min_size=25, max_size=50))
def test_no_value_acts_twice_however_many_others_come_in_between(drawn):
    """Requests are made, withdrawn and made again, as by Git or a backup; the model's own invariant (g) holds too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forgotten_requests, "MAX_HANDLED", 2)
        patch.setattr(forgotten_requests, "MAX_DATED_AHEAD", 3)
        at, executed = in_canary(), {}
        for step in drawn:
            match step:
                case (action, int(number)):
                    at.request(action, f"{A} {at.now:%Y-%m-%dT%H:%M:%SZ} number {number}")
                case (action, value):
                    at.request(action, value)
                case "an hour later":
                    at.tick(3600)
                case action:
                    at.annotations.pop(f"{REQUEST_PREFIX}{action}", None)
            works(at, executed)
            works(at, executed)
            assert len(at.status.handled_requests) <= 2 + 3 + len(ACTIONS)
        assert max(executed.values(), default=1) == 1


def make(at, *values, action="pause"):
    """Make requests one after the other, and return the answers to the last one of each."""
    answers = []
    for value in values:
        at.request(action, value)
        works(at, {})
        answers.append(next(one.answer for one in at.status.handled_requests if one.value == value))
    return answers


def test_a_request_that_is_still_on_the_object_is_not_forgotten(few):
    at = in_canary()
    make(at, f"{A} first")
    for number in range(20):
        make(at, f"{A} {number}", action="explode")
    values = [one.value for one in at.status.handled_requests]
    assert f"{A} first" in values
    assert len(values) == 2 + 2


def test_what_may_have_been_forgotten_is_ignored_with_a_sentence_and_a_new_request_acts(few):
    at = in_canary()
    make(at, f"{A} first")
    make(at, *(f"{A} {number}" for number in range(4)))
    undated, old = make(at, f"{A} first", f"{A} 2025-12-31T00:00:00Z")
    assert undated.startswith("Ignored: it has no time (2026-01-02T03:04:05Z), so that it may be one that was handled")
    assert old.startswith("Ignored: it is not newer than 2026-01-01T")
    at.tick(60)
    (resumed,) = make(at, f"{A} {at.now:%Y-%m-%dT%H:%M:%SZ}", action="resume")
    assert resumed.startswith("Done")


def test_a_request_dated_ahead_does_not_block_others_when_it_is_withdrawn(few):
    at = in_canary()
    make(at, f"{A} 2030-01-01T00:00:00Z")
    for number in range(8):
        at.tick(60)
        make(at, f"{A} {at.now:%Y-%m-%dT%H:%M:%SZ} {number}", action="explode")
    at.tick(60)
    (answer,) = make(at, f"{A} {at.now:%Y-%m-%dT%H:%M:%SZ}", action="resume")
    assert answer.startswith("Done")
    assert f"{A} 2030-01-01T00:00:00Z" in [one.value for one in at.status.handled_requests]


def test_a_flood_of_invented_actions_is_bounded_and_does_not_write_in_every_pass():
    at = in_canary()
    for number in range(300):
        at.request(f"zzz-{number}", A)
    for _ in range(3):
        works(at, {})
    assert len(at.status.handled_requests) <= MAX_REQUESTS
    before = at.status
    works(at, {})
    assert at.status.handled_requests == before.handled_requests
    at.request("pause", f"{A} now")
    works(at, {})
    assert at.status.candidate.pause is not None


def test_a_long_value_is_cut_and_still_acts_once():
    at, executed = in_canary(), {}
    long = f"{A} {'why ' * 20_000}"
    for value in (long, f"{long}!", long):
        at.request("pause", value)
        works(at, executed)
        works(at, executed)
        at.request("resume", f"{A} {len(executed)} {value}")
        works(at, executed)
    assert max(executed.values()) == 1
    assert len(executed) == 4
    assert all(len(one.value) <= MAX_VALUE for one in at.status.handled_requests)
    assert kept_value(long) != kept_value(f"{long}!")
    assert kept_value("short") == "short"
