"""A custom gate with control on a real Prometheus: both groups are counted exactly, over the same time."""

import time
from datetime import UTC, datetime

import pytest
from counting.looking import Rollout, every
from counting.test_own_counters import HOUR, MINUTE, ORDERS, Shop, gained, look

from serin_core.counting.custom_counters import counters_of
from serin_core.counting.reading import Unreadable
from serin_core.evidence.counts import Verdict
from serin_core.gates.evaluation import Stage, judge_stage
from serin_core.gates.result import PreviousCheck


def selectors(uid, group):
    series = f'{ORDERS}{{shop="{uid}",group="{group}"'
    return {"good": f'{series},code="200"}}', "total": f"{series}}}"}


@pytest.fixture
def now():
    return time.time() - 12


@pytest.fixture
def rollout(prometheus, uid, now):
    gate = {"name": "orders"} | selectors(uid, "canary") | {"control": selectors(uid, "control")}
    began = datetime.fromtimestamp(now - HOUR - 15, UTC)
    return Rollout(prometheus.url, uid, began=began, gates={"custom": [gate]})


def both(rollout, reading):
    return [reading.of_custom(counters.key) for counters in counters_of(rollout.resource.spec.gates.custom[0])]


def judged(rollout, reading, previous=None):
    stage = Stage(rollout.percent, rollout.began, 0.2)
    found = judge_stage(rollout.resource.spec, stage, reading, PreviousCheck(previous or {}), now=datetime.now(UTC))
    return next(one for one in found if one.gate.name == "orders")


def test_both_groups_are_counted_since_the_stage_began_and_compared(prometheus, rollout, now):
    times = every(30, since=now - 2 * HOUR, until=now - MINUTE)
    canary = Shop(prometheus, rollout, group="canary", since=5000.0).sells(times, good=6.0, bad=4.0)
    times = every(30, since=now - 2 * HOUR, until=now - MINUTE)
    control = Shop(prometheus, rollout, group="control", since=90_000.0).sells(times, good=95.0, bad=5.0)
    look(rollout, prometheus)
    reading = rollout.look(keep=True)
    assert both(rollout, reading) == [gained(canary), gained(control)]
    found = judged(rollout, reading)
    assert found.gate.verdict is Verdict.FAIL
    # What is kept is enough for the next check, and adds nothing twice.
    later = every(15, since=now - 45, until=now)
    canary.restarts().sells(later, good=6.0, bad=4.0)
    reading = rollout.look()
    assert both(rollout, reading) == [gained(canary), gained(control)]
    assert judged(rollout, reading, {"orders": found.memory}).gate.total == gained(canary).total


def test_a_control_group_that_is_scraped_no_more_holds(prometheus, rollout, now):
    Shop(prometheus, rollout, group="canary").sells(every(30, since=now - HOUR, until=now))
    Shop(prometheus, rollout, group="control").sells(every(30, since=now - HOUR, until=now - 20 * MINUTE))
    look(rollout, prometheus)
    reading = rollout.look()
    canary, control = both(rollout, reading)
    assert canary.total
    assert control == Unreadable("Stale", "orders (control): the newest sample of its series is too old")
    assert (judged(rollout, reading).gate.verdict, judged(rollout, reading).gate.reason) == (
        Verdict.INCONCLUSIVE,
        "Stale",
    )
