"""Rule 11, the operator's part: pods are asked in time; a lapse is recorded once and does not count for the soak."""

from datetime import timedelta

import pytest
from models.scenarios_11 import at_ten_percent, watched
from models.starting import A, B, has_phase, new_world
from pydantic import ValidationError

from serin_core.api.spec import Canary
from serin_core.api.status_view import condensed
from serin_core.contract.documents import CandidateRun, RoutingDocument
from serin_core.rollout.scheduling import RESYNC


@pytest.fixture
def at():
    made = new_world()
    at_ten_percent(made)
    made.settle(rounds=4)
    return made


def lapses(at):
    return [entry for entry in at.status.history if entry.event == "SupervisionLapsed"]


def lapse(at, seconds):
    """No operator asks for a minute, and `seconds` more."""
    operator = at.operators[0]
    at.whole_pass(operator)
    at.tick(60 + seconds)
    return at.whole_pass(operator)


def test_a_lapse_is_told_once_with_pods_and_time(at):
    decision = lapse(at, 1800)
    (event,) = [one for one in decision.announcements if one.reason == "SupervisionLapsed"]
    assert event.is_warning
    assert event.message == (
        f"{B}: 2 pods answered without the candidate for up to 30m: no operator had asked for 1m; "
        "they serve the candidate again; this time does not count for the soak"
    )
    at.settle(rounds=4)
    assert len(lapses(at)) == 1
    ready = next(one for one in at.status.conditions if one.type == "Ready")
    assert ready.reason == "RolloutProgressing"
    assert "2 pods answered without the candidate for up to 30m" in ready.message
    shown = condensed(at.status)["supervision"]
    assert (shown["pods"], shown["seconds"], set(shown)) == (2, 1800.0, {"pods", "seconds", "until"})


def test_a_second_lapse_is_told_by_its_own_time(at):
    lapse(at, 1800)
    lapse(at, 60)
    assert [entry.message[:60] for entry in lapses(at)] == [
        "2 pods answered without the candidate for up to 30m: no oper",
        "2 pods answered without the candidate for up to 1m: no opera",
    ]


def test_the_soak_is_longer_by_the_lapse(at):
    before = at.status.candidate
    lapse(at, 1800)
    after = at.status.candidate
    assert after.soaking_since - before.soaking_since == timedelta(seconds=1800)
    assert after.stage_started_at == before.stage_started_at


def test_a_stopped_soak_stays_stopped(at):
    at.edit(watched(B, suspend=True))
    at.settle(rounds=2)
    lapse(at, 1800)
    assert at.status.candidate.soaking_since is None
    assert not lapses(at)[0].message.endswith("soak")


def test_a_restart_of_the_operator_is_no_lapse(at):
    lapse(at, -1)
    assert lapses(at) == []
    assert "supervision" not in condensed(at.status)


def test_a_pass_that_was_lost_tells_it_later(at):
    at.tick(120)
    at.gather(at.operators[1])
    at.decide(at.operators[1])
    at.crash(at.operators[1])
    at.settle(rounds=3)
    assert len(lapses(at)) == 1


def test_a_failing_gate_rolls_back_first(at):
    at.tick(1860)
    at.verdict = "fail"
    at.whole_pass(at.operators[0])
    assert at.status.history[-1].event == "GateFailed"
    at.settle(rounds=4)
    assert lapses(at)[-1].message.endswith("no operator had asked for 1m")


def test_a_pod_that_is_gone_or_counts_from_0_again_is_forgotten(at):
    lapse(at, 1800)
    first, second = sorted(at.pods)
    del at.pods[first]
    at.pods[second].lapsed = 0.0  # its node was restarted
    at.settle(rounds=1)
    assert at.status.supervision.known == {at.pods[second].uid: 0.0}
    lapse(at, 60)
    assert at.status.supervision.known[at.pods[second].uid] == 60


@pytest.mark.parametrize(("timeout", "interval", "wanted"), [("1m", "1h", 15.0), ("1m", "5s", 5.0), ("0s", "5m", 300)])
def test_pods_are_asked_four_times_within_the_timeout(timeout, interval, wanted):
    at = new_world()
    at_ten_percent(at)
    canary = {"supervisionTimeout": timeout, "shadowSoak": "1s", "steps": [{"percent": 10, "soak": "1s"}]}
    edited = watched(B).model_dump(mode="json", exclude_none=True) | {
        "canary": canary,
        "analysis": {"interval": interval},
    }
    at.edit(type(at.spec).model_validate(edited))
    at.settle(rounds=5)
    assert at.whole_pass(at.operators[0]).requeue_after.total_seconds() == wanted


def test_without_a_candidate_nothing_is_asked_more_often():
    at = new_world(A)
    at.settle(until=has_phase("Promoted"))
    assert at.whole_pass(at.operators[0]).requeue_after == RESYNC


@pytest.mark.parametrize("timeout", ["0s", "1m", "8760h"])
def test_timeouts_that_are_valid(timeout):
    assert Canary.model_validate({"supervisionTimeout": timeout}).supervision_timeout >= timedelta()


@pytest.mark.parametrize("timeout", ["59s", "1ms"])
def test_a_timeout_that_every_restart_of_the_operator_exceeds_is_refused(timeout):
    with pytest.raises(ValidationError, match="at least 1m, or 0s to switch it off"):
        Canary.model_validate({"supervisionTimeout": timeout})


def test_a_document_without_a_timeout_is_the_one_of_before():
    candidate = CandidateRun(run=A, digest="sha256:" + "a" * 64, percent=10)
    document = RoutingDocument(uid="u", revision=1, stage=1, salt="s", candidate=candidate)
    assert "supervision" not in document.text()
    timed = document.model_copy(update={"candidate": candidate.model_copy(update={"supervision_seconds": 60.0})})
    assert '"supervisionSeconds":60.0' in timed.text()
    assert RoutingDocument.parse(timed.text()).hash() == timed.hash() != document.hash()
