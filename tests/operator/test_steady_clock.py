"""The operator's time: no jump of a wall clock, wherever it is, shortens what a rollout has to wait for."""

import logging
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from serin_core.api.status import Candidate, CandidateState
from serin_operator.steady_clock import SteadyClock

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Machine:
    """A node with a wall clock that can jump, and an API server with another one."""

    def __init__(self, *, ahead=timedelta()):
        self.passed, self.wall_jump, self.api_jump, self.reads = timedelta(), ahead, timedelta(), 0
        self.clock = SteadyClock(self.wall, self.ticks)

    def ticks(self):
        return self.passed.total_seconds()

    def wall(self):
        self.reads += 1
        return START + self.passed + self.wall_jump

    def answer(self):
        self.clock.follow(START + self.passed + self.api_jump)

    def work(self, time, *, every=timedelta(seconds=30)):
        """Let time pass, with answers of the API server, and return the times that the operator saw."""
        seen = []
        for _ in range(int(time / every)):
            self.passed += every
            self.answer()
            seen.append(self.clock.now())
        return seen


def test_without_a_jump_it_is_the_time():
    node = Machine()
    assert node.work(2 * HOUR)[-1] == START + 2 * HOUR


@pytest.mark.parametrize("jump", [HOUR, -HOUR], ids=["forward", "back"])
def test_a_jump_of_the_nodes_clock_changes_nothing(jump):
    node = Machine()
    node.work(HOUR)
    node.wall_jump = jump
    assert node.work(HOUR)[-1] == START + 2 * HOUR
    assert node.reads == 1


@pytest.mark.parametrize("ahead", [HOUR, -HOUR], ids=["ahead", "behind"])
def test_an_operator_on_a_node_whose_clock_is_wrong_goes_on_with_the_time_of_the_api_server(ahead, caplog):
    node = Machine(ahead=ahead)
    with caplog.at_level(logging.WARNING):
        node.answer()
        assert node.clock.now() == START
        node.work(HOUR)
    (record,) = caplog.records
    assert f"3600 s {'behind' if ahead > timedelta() else 'ahead of'} this operator's" in record.getMessage()


@pytest.mark.parametrize("jump", [HOUR, -HOUR], ids=["forward", "back"])
def test_a_jump_of_the_api_servers_clock_is_followed_slowly_and_named_once(jump, caplog):
    node = Machine()
    node.work(HOUR)
    node.api_jump = jump
    with caplog.at_level(logging.WARNING):
        seen = [node.clock.now(), *node.work(5 * HOUR)]
        steps = [after - before for before, after in pairwise(seen)]
        assert min(steps) >= timedelta(seconds=27)
        assert max(steps) <= timedelta(seconds=33)
        assert timedelta(minutes=29) < abs(node.clock.now() - (START + 6 * HOUR)) < timedelta(minutes=31)
        node.work(6 * HOUR)
    assert abs(node.clock.now() - (START + 12 * HOUR + jump)) <= timedelta(seconds=2)
    assert len(caplog.records) == 1


def test_it_never_goes_back_whatever_the_api_server_says():
    node = Machine()
    node.work(HOUR)
    before = node.clock.now()
    for jump in (-HOUR, HOUR, -2 * HOUR, timedelta()):
        node.api_jump = jump
        node.answer()
        assert node.clock.now() >= before
        node.passed += timedelta(seconds=1)
        assert node.clock.now() > before
        before = node.clock.now()


def test_the_time_of_the_api_server_is_in_the_headers_of_its_answers():
    node = Machine(ahead=HOUR)
    node.clock.follow_date("Sun, 01 Mar 2026 12:00:00 GMT")
    assert node.clock.now() == START + timedelta(seconds=0.5)
    for header in ("", "yesterday", "Sun, 01 Mar 2026 12:00:00 GMT"):
        node.clock.follow_date(header)
    assert node.clock.now() == START + timedelta(seconds=0.5)


@pytest.mark.parametrize("where", ["wall_jump", "api_jump"])
def test_a_jump_makes_a_soak_at_most_a_tenth_shorter(where):
    node = Machine()
    node.answer()
    candidate = Candidate(
        run_id="run_aaaaaaaa_1", state=CandidateState.RUNNING, attempt_started_at=START, soaking_since=node.clock.now()
    )
    node.work(10 * HOUR)
    setattr(node, where, 10 * HOUR)
    while candidate.soak.at(node.clock.now()) < 24 * HOUR:
        node.work(timedelta(minutes=1))
    assert node.passed >= (24 * HOUR if where == "wall_jump" else 22 * HOUR)


def test_whole_seconds_of_an_answer_that_was_under_way_are_no_difference():
    node = Machine()
    node.work(timedelta(minutes=1))
    node.api_jump = timedelta(seconds=-1.5)
    assert node.work(HOUR)[-1] == START + HOUR + timedelta(minutes=1)
