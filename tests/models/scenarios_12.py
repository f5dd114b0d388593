"""Scenarios that need rule 12 of docs/contracts.md: checks."""

from models.parts import Broken, spec
from models.starting import A, has_percent, has_phase

from serin_core.api.check_status import CheckVerdict
from serin_core.api.status import CandidateState

CHECKED = {"gates": {"checks": [{"name": "smoke", "endpoint": "ci"}]}}


def _asked(at):
    return at.status is not None and bool(at.status.checks)


def check_that_is_not_passed_yet(at):
    """12: a step waits for the Pass of each check before it, and for nothing less."""
    at.edit(spec(A, **CHECKED))
    at.receiver.verdict = CheckVerdict.WAIT
    at.settle(rounds=100)
    if at.status.rollout.percent > 0:
        raise Broken("(h) a step began although its check answers Wait")
    at.receiver.verdict = CheckVerdict.PASS
    at.tick(300)
    at.settle(rounds=200, until=has_phase("Promoted"))
    at.assert_ended()


def answer_that_comes_after_its_stage(at):
    """12: an answer counts only for the question that it answers."""
    at.edit(spec(A, **CHECKED))
    at.receiver.is_silent = True
    at.settle(rounds=100, until=_asked)
    late = list(at.operators[0].in_flight)
    at.edit(spec(A, thresholds={"default": 0.8}, **CHECKED))
    at.settle(rounds=100, until=lambda at: at.status.rollout.thresholds.default == 0.8 and _asked(at))
    at.receiver.is_silent = False
    at.receiver.verdict = CheckVerdict.PASS
    at.operators[0].in_flight = late
    at.receiver.answer(at.operators[0], at.now)
    at.receiver.is_silent = True
    at.settle(rounds=20)
    assert at.status.rollout.percent == 0
    at.receiver.is_silent = False
    at.operators[0].in_flight = []
    at.settle(rounds=200, until=has_phase("Promoted"))
    at.assert_ended()


def check_that_fails(at):
    """12: Fail rolls the run back."""
    at.edit(spec(A, **CHECKED))
    at.receiver.verdict = CheckVerdict.FAIL
    at.settle(rounds=40)
    if at.status.candidate is None or at.status.candidate.state is not CandidateState.ROLLED_BACK:
        raise Broken("(h) a run whose check failed is not rolled back")
    at.assert_ended()


def gate_that_fails_while_a_check_waits(at):
    """12: a check holds a step, and never a rollback."""
    pool = {"name": "pool", "query": "max(used)", "atMost": 0.9, "for": "0s"}
    checks = [{"name": "smoke", "endpoint": "ci", "before": [50]}]
    at.edit(spec(A, gates={"checks": checks, "queries": [pool]}))
    at.query_results = {"pool": 0.5}
    at.settle(until=has_percent(10))
    at.receiver.is_silent = True
    at.settle(rounds=40, until=_asked)
    at.query_results = {"pool": 0.95}
    at.settle(rounds=2)
    if at.status.candidate.state is not CandidateState.ROLLED_BACK:
        raise Broken("(i) a rollback waits for a check")
    at.assert_ended()


def promotion_that_is_requested_while_a_check_waits(at):
    """12: a request to promote, of one step or of all, skips no check."""
    at.edit(spec(A, **CHECKED))
    at.verdict = "unsure"
    at.receiver.verdict = CheckVerdict.WAIT
    at.settle(until=has_percent(0))
    at.request("promote", f"{A} 0 because")
    at.settle(rounds=20)
    at.request("promote-full", f"{A} because")
    at.settle(rounds=20)
    assert at.status.rollout.percent == 0
    at.receiver.verdict = CheckVerdict.PASS
    at.tick(300)
    at.settle(rounds=100, until=has_phase("Promoted"))
    if at.status.phase != "Promoted":
        raise Broken(f"(e) a requested promotion ended as {at.status.phase}")
