"""Checks in a rollout: when they are made, what Ready and the Events show, and answers that come late or twice."""

from datetime import timedelta

import pytest
from models.parts import spec
from models.starting import has_percent
from models.world import World

from serin_core.api.check_status import CheckVerdict
from serin_core.api.status import CandidateState, Phase
from serin_core.api.status_view import condensed
from serin_core.contract.check_document import CheckRequest
from serin_core.rollout.check_questions import pause_after

A, B = "run_aaaaaaaa_1", "run_bbbbbbbb_1"
DIGESTS = {run: "sha256:" + run[4] * 64 for run in (A, B)}
SMOKE = {"name": "smoke", "endpoint": "ci"}


def world(*checks, run=A, **changes):
    made = World(spec(run, gates={"checks": list(checks or (SMOKE,))}, **changes))
    made.registry = dict(DIGESTS)
    made.receiver.is_silent = True
    return made


def asked():
    """Return a world in which the check before 10 % is asked, without an answer yet."""
    at = world()
    at.settle(until=lambda at: at.status is not None and bool(at.status.checks))
    return at


def answer(at, verdict, message="", rounds=1):
    at.receiver.verdict, at.receiver.message, at.receiver.is_silent = verdict, message, False
    at.whole_pass(at.operators[0])
    at.receiver.is_silent = True
    at.settle(rounds=rounds)


def ready(at):
    return next(one for one in at.status.conditions if one.type == "Ready")


def events(at):
    return [entry.event for entry in at.status.history]


def test_nothing_is_asked_before_gates_and_soak_are_over():
    at = world(canary={"shadowSoak": "60s", "steps": [{"percent": 100, "soak": "1s"}]})
    at.settle(until=has_percent(0))
    at.settle(rounds=100)
    assert at.status.checks == ()
    assert at.operators[0].in_flight == []
    at.settle(rounds=30)
    assert [entry.name for entry in at.status.checks] == ["smoke"]
    assert len(at.operators[0].in_flight) == 1


def test_nothing_is_asked_while_a_gate_has_no_verdict_or_the_rollout_is_stopped():
    for at, changes in ((world(), {}), (world(suspend=True), {"suspend": True})):
        at.verdict = "pass" if changes else "unsure"
        at.settle(rounds=60)
        assert at.status.checks == ()


def test_it_is_asked_once_and_the_document_says_what_for():
    at = asked()
    at.settle(rounds=20)
    (call,) = at.operators[0].in_flight
    document = CheckRequest.model_validate(call.document)
    assert (document.check, document.number, document.id) == ("smoke", 1, at.status.checks[0].id)
    assert (document.run.name, document.run.digest, document.run.attempt) == (A, DIGESTS[A], 1)
    assert (document.step.current_percent, document.step.percent) == (0, 10)
    assert document.step.stage == at.status.candidate.stage
    assert document.resource.uid == at.uid
    assert {gate.name: gate.verdict for gate in document.evidence}["agreement"] == "Pass"


def test_while_it_is_asked_ready_says_so():
    at = asked()
    at.settle(rounds=5)
    assert (ready(at).reason, ready(at).status) == ("CheckPending", "Unknown")
    assert ready(at).message == (
        "On hold in shadow: check smoke (endpoint ci) before 10 % has not answered yet. "
        "Meanwhile, a failing gate still rolls back"
    )


def test_pass_lets_the_step_begin_and_is_in_the_history():
    at = asked()
    answer(at, CheckVerdict.PASS, "312 tests", rounds=3)
    assert at.status.candidate.percent == 10
    passed = next(entry for entry in at.status.history if entry.event == "CheckPassed")
    assert passed.message == 'Check smoke (endpoint ci) passed before 10 %: "312 tests"'
    assert at.status.checks == ()


def test_fail_rolls_back_in_the_words_of_the_endpoint():
    at = asked()
    answer(at, CheckVerdict.FAIL, "3 of 312 tests failed")
    assert at.status.phase is Phase.ROLLED_BACK
    assert events(at)[-1] == "CheckFailed"
    reason = 'check smoke (endpoint ci) failed before 10 %: "3 of 312 tests failed"'
    assert at.status.candidate.reason == reason
    assert reason in ready(at).message


def test_fail_rolls_back_a_suspended_rollout_too():
    at = asked()
    at.edit(spec(A, gates={"checks": [SMOKE]}, suspend=True))
    answer(at, CheckVerdict.FAIL)
    assert at.status.phase is Phase.ROLLED_BACK


@pytest.mark.parametrize(
    ("verdict", "message", "words"),
    [
        (CheckVerdict.WAIT, "tests are running", 'answered Wait: "tests are running"'),
        (CheckVerdict.WAIT, "", "answered Wait"),
        (None, "did not answer: HTTP 503 Service Unavailable", "did not answer: HTTP 503 Service Unavailable"),
    ],
)
def test_wait_and_errors_hold_until_a_time_that_is_shown(verdict, message, words):
    at = asked()
    answer(at, verdict, message)
    entry = at.status.checks[0]
    assert (entry.answers, entry.verdict) == (1, verdict)
    assert f"before 10 % {words}; asked again at {entry.retry_at:%Y-%m-%d %H:%M:%S} UTC" in ready(at).message
    assert at.status.candidate.percent == 0
    assert at.operators[0].in_flight == []
    decision = at.whole_pass(at.operators[0])
    assert timedelta() < decision.requeue_after <= timedelta(seconds=1)
    at.settle(rounds=22)
    (call,) = at.operators[0].in_flight
    assert (call.number, call.id) == (2, entry.id)
    answer(at, CheckVerdict.PASS, rounds=3)
    assert at.status.candidate.percent == 10


def test_the_pause_between_requests_doubles_up_to_five_minutes():
    pauses = [pause_after(answers).total_seconds() for answers in (1, 2, 3, 5, 6, 7, 10_000)]
    assert pauses == [10, 20, 40, 160, 300, 300, 300]


def test_an_answer_that_comes_twice_counts_once():
    at = asked()
    answer(at, CheckVerdict.WAIT)
    at.operators[0].answers *= 3
    at.settle(rounds=3)
    assert at.status.checks[0].answers == 1


def test_an_answer_that_comes_after_a_rollback_changes_nothing():
    at = asked()
    at.request("abort", f"{A} now")
    at.settle(rounds=2)
    answer(at, CheckVerdict.PASS)
    assert at.status.candidate.state is CandidateState.ROLLED_BACK
    assert "CheckPassed" not in events(at)


def test_before_names_the_steps():
    at = world(SMOKE | {"before": [50]})
    at.settle(until=has_percent(10))
    at.settle(rounds=20)
    assert (at.status.candidate.percent, at.status.checks[0].before) == (10, 50)


def test_a_cap_that_cuts_a_step_does_not_cut_its_check():
    canary = {"percent": 30, "shadowSoak": "1s", "steps": [{"percent": 20, "soak": "1s"}, {"percent": 100}]}
    at = world(SMOKE | {"before": [25]}, canary=canary)
    at.settle(until=has_percent(20))
    at.settle(rounds=20)
    assert (at.status.candidate.percent, at.status.checks[0].before) == (20, 30)


def test_every_check_before_a_step_must_pass():
    at = world(SMOKE, {"name": "load", "endpoint": "ci"})
    at.settle(until=lambda at: at.status is not None and bool(at.status.checks))
    answer(at, CheckVerdict.PASS, rounds=10)
    assert at.status.candidate.percent == 0
    assert "check load" in ready(at).message
    assert "check smoke" not in ready(at).message
    answer(at, CheckVerdict.PASS, rounds=3)
    assert at.status.candidate.percent == 10


def test_a_check_is_asked_again_in_another_attempt_and_of_another_endpoint():
    at = asked()
    first = at.status.checks[0].id
    at.edit(spec(A, gates={"checks": [SMOKE | {"endpoint": "ci", "before": [10]}]}))
    at.settle(rounds=2)
    assert at.status.checks[0].id == first
    answer(at, CheckVerdict.FAIL)
    at.request("retry", f"{A} again")
    at.settle(rounds=60)
    assert at.status.checks[0].id != first


def test_a_check_that_is_removed_from_the_spec_holds_no_longer():
    at = asked()
    at.edit(spec(A))
    at.settle(rounds=3)
    assert at.status.candidate.percent == 10


def test_an_operator_that_restarts_asks_the_same_question_again():
    at = asked()
    (before,) = at.operators[0].in_flight
    at.restart_operator(at.operators[0])
    at.settle(rounds=1)
    (after,) = at.operators[0].in_flight
    assert (after.id, after.number) == (before.id, before.number)


def test_an_unknown_endpoint_is_named_with_the_known_ones():
    at = world(SMOKE | {"endpoint": "cii"})
    at.settle(rounds=60)
    assert at.status.candidate.percent == 0
    assert at.status.checks == ()
    assert (ready(at).reason, ready(at).status) == ("CheckEndpointUnknown", "Unknown")
    assert ready(at).message == (
        "On hold in shadow: check smoke names cii, which is no check endpoint of the operator's configuration "
        "(known: ci). The steps that it is to precede do not begin; edit spec.gates.checks or the configuration"
    )
    at.edit(spec(A, gates={"checks": [SMOKE | {"endpoint": "cii", "before": [10]}]}))
    at.settle(rounds=2)
    assert ready(at).reason == "CheckEndpointUnknown"


def test_each_change_of_what_holds_a_step_is_an_event_once():
    at = asked()
    found = []

    def passes(count=1):
        for _ in range(count):
            decision = at.whole_pass(at.operators[0])
            found.extend((one.reason, one.message) for one in decision.announcements)
            at.tick()

    for verdict, message in ((None, "did not answer: HTTP 503"), (None, "did not answer: HTTP 503")):
        at.receiver.verdict, at.receiver.message, at.receiver.is_silent = verdict, message, False
        passes(25)
    at.receiver.verdict = CheckVerdict.PASS
    passes(100)
    reasons = [reason for reason, _ in found if reason.startswith("Check")]
    assert reasons[:2] == ["CheckPending", "CheckPassed"]
    assert f"{A}: On hold in shadow: check smoke (endpoint ci) before 10 % did not answer: HTTP 503" in found[0][1]


def test_the_short_view_has_a_line_for_each_check():

    at = asked()
    assert condensed(at.status)["checks"] == ["smoke before 10 %: asked"]
    answer(at, CheckVerdict.WAIT)
    assert condensed(at.status)["checks"] == ["smoke before 10 %: Wait"]


def test_nothing_is_asked_before_the_step_is_approved_and_the_window_is_open():
    canary = {"approval": "Manual", "shadowSoak": "1s", "steps": [{"percent": 100, "soak": "1s"}]}
    at = world(canary=canary)
    at.settle(rounds=40)
    assert (ready(at).reason, at.status.checks) == ("AwaitingApproval", ())
    at.request("promote", f"{A} 0 looks good")
    at.settle(rounds=2)
    assert ready(at).reason == "CheckPending"
    answer(at, CheckVerdict.PASS, rounds=3)
    assert at.status.candidate.percent == 100
