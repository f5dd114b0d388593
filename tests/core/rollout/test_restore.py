"""Runs that serve without a trial: promoted before, or declared as trusted by a user."""

import pytest
from models.parts import spec
from models.scenarios_17 import D, serves, three_promoted
from models.starting import DIGESTS, A, B, C, has_percent, has_phase, new_world

from serin_core.api.status import CandidateState
from serin_core.api.status_view import condensed


def restorable():
    at = new_world()
    three_promoted(at)
    return at


def answer(at):
    return at.status.handled_requests[-1].answer


def events(at):
    return [entry.event for entry in at.status.history]


def percents(at, run):
    entries = [entry for entry in at.status.history if entry.run_id == run]
    return [entry.percent for entry in entries if entry.event in ("StageStarted", "StepAdvanced")]


def test_an_earlier_run_serves_all_users_without_shadow_and_steps():
    at = restorable()
    at.edit(spec(A))
    at.settle(until=serves(A))
    assert events(at)[-3:] == ["RestoreStarted", "PodsLoading", "RunRestored"]
    assert percents(at, A) == []
    assert at.status.history[-1].message == f"{A} serves all users: it was promoted before, and every pod has loaded it"
    assert [run.run_id for run in at.status.earlier] == [C, B]
    assert at.status.stable.digest == DIGESTS[A]


def test_the_message_says_what_happens_meanwhile():
    at = restorable()
    at.edit(spec(A))
    at.settle(rounds=1)
    assert at.status.history[-1].message == (
        f"{A} was promoted before: it serves all users without shadow and steps, once every pod has loaded it; "
        f"until then {C} serves all users"
    )


def test_the_previous_run_is_still_loaded_and_serves_at_once():
    at = restorable()
    at.edit(spec(B))
    at.settle(rounds=1)
    assert at.status.stable.run_id == B
    assert events(at)[-1] == "PreviousRunRestored"
    assert [run.run_id for run in at.status.earlier] == [C, A]


def test_the_window_bounds_what_can_be_restored():
    at = restorable()
    at.edit(spec(C, rollback={"window": 1}))
    at.settle(rounds=2)
    assert [run.run_id for run in at.status.earlier] == [B]
    at.edit(spec(A, rollback={"window": 1}))
    at.settle(until=has_percent(0))
    assert "RestoreStarted" not in events(at)


def test_a_run_that_was_rolled_back_is_never_among_them():
    at = restorable()
    at.request("undo", f"{C} bad")
    at.settle(rounds=10)
    assert at.status.stable.run_id == B
    assert [run.run_id for run in at.status.earlier] == [A]
    at.edit(spec(B))
    at.settle(until=serves(B))
    at.edit(spec(C))
    at.settle(rounds=10)
    assert (at.status.stable.run_id, at.status.phase) == (B, "RolledBack")


def test_an_earlier_run_with_another_digest_is_rolled_out_as_any_other():
    at = restorable()
    at.edit(spec(A, digest="sha256:" + "f" * 64))
    at.settle(rounds=3)
    assert "RestoreStarted" not in events(at)
    assert at.status.candidate.skips_trial == ""


def test_a_run_that_the_registry_no_longer_has_is_refused_in_one_sentence_and_the_stable_run_serves():
    at = restorable()
    del at.registry[A]
    at.edit(spec(A))
    at.settle(rounds=10)
    at.tick(300)
    at.settle(rounds=20)
    assert (at.status.stable.run_id, at.status.candidate.state) == (C, CandidateState.REFUSED)
    ready = at.status.conditions[0]
    assert ready.message.startswith(f"{A} is not in the registry /registry, after 4m of waiting for it. ")
    assert A in [run.run_id for run in at.status.earlier]


def test_it_can_be_retried_once_it_is_back():
    at = restorable()
    del at.registry[A]
    at.edit(spec(A))
    at.settle(rounds=10)
    at.tick(300)
    at.settle(rounds=20)
    at.registry = dict(DIGESTS)
    at.request("retry", f"{A} copied")
    at.settle(until=serves(A))
    assert events(at)[-1] == "RunRestored"


def test_the_rollout_that_runs_meanwhile_ends():
    at = restorable()
    at.registry[D] = "sha256:" + "d" * 64
    at.edit(spec(D))
    at.settle(until=has_percent(10))
    at.edit(spec(A))
    at.settle(until=serves(A))
    restored = next(entry for entry in at.status.history if entry.event == "RestoreStarted")
    assert restored.message.endswith(f"until then {C} serves all users, and the rollout of {D} ends")


def test_the_thresholds_of_the_spec_hold():
    at = restorable()
    at.edit(spec(A, thresholds={"default": 0.9}))
    at.settle(until=serves(A))
    assert at.status.stable.thresholds.default == 0.9
    assert at.status.earlier[0].thresholds.default == 0.7


def test_suspend_does_not_delay_it():
    at = restorable()
    at.edit(spec(A, suspend=True))
    at.settle(until=serves(A), rounds=30)
    assert at.status.stable.run_id == A


def test_with_a_cap_of_0_no_user_is_served_by_it():
    at = restorable()
    canary = {"percent": 0, "shadowSoak": "1s"}
    at.edit(spec(A, canary=canary))
    at.settle(rounds=40)
    assert (at.status.stable.run_id, at.status.candidate.percent, at.status.candidate.skips_trial) == (C, 0, "")


def test_the_view_names_what_can_be_restored():
    shown = condensed(restorable().status)["earlier"]
    assert [one["runID"] for one in shown] == [B, A]
    assert all(set(one) == {"runID", "digest", "since"} for one in shown)


def restored_from_a_backup():
    """The spec of a cluster in which B was stable and A on its way; no status."""
    at = new_world()
    at.settle(rounds=3)
    return at


def test_a_trusted_run_serves_without_a_trial_and_the_run_of_the_spec_is_compared_with_it():
    at = restored_from_a_backup()
    at.request("trust", f"{B} {DIGESTS[B]} 2026-01-02T03:04:05Z by=jane restored from Velero")
    at.settle(until=lambda at: at.status.stable is not None)
    assert answer(at) == (
        f"Done: {B} is trusted: it serves all users without shadow and steps, once every pod has loaded it; "
        f"then the rollout of {A} starts against it"
    )
    assert at.status.handled_requests[-1].reason == "restored from Velero"
    assert (at.status.stable.run_id, at.status.stable.digest) == (B, DIGESTS[B])
    assert f"{B} serves all users: it is trusted by a user" in at.status.history[-1].message
    at.settle(rounds=1)
    assert at.status.history[-1].message == f"Rollout of {A} started; compared with {B}"


def test_the_run_of_the_spec_can_be_trusted_in_mid_rollout():
    at = restored_from_a_backup()
    at.settle(until=has_percent(0))
    at.request("trust", f"{A} yes")
    at.settle(until=has_phase("Promoted"))
    assert percents(at, A) == [0.0]
    assert at.status.stable.digest == DIGESTS[A]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("", "no run is not the name of a run"),
        ("latest now", "latest is not the name of a run"),
        (f"{B} sha256:1 now", "sha256:1 is not a digest; write sha256: and 64 hexadecimal digits"),
    ],
)
def test_a_malformed_trust_is_ignored_in_one_sentence(value, reason):
    at = restored_from_a_backup()
    at.request("trust", value)
    at.settle(rounds=2)
    assert answer(at) == f"Ignored: {reason}"


def test_a_run_is_trusted_only_where_none_is_stable():
    at = restorable()
    for run, reason in (
        (A, f"{C} is the stable run; a run is declared as trusted only where there is none"),
        (C, f"{C} is the stable run already"),
    ):
        at.request("trust", f"{run} {reason[:3]}")
        at.settle(rounds=2)
        assert answer(at) == f"Ignored: {reason}"


def test_a_run_that_was_rolled_back_is_not_trusted():
    at = restored_from_a_backup()
    at.settle(until=has_percent(10))
    at.request("abort", f"{A} bad")
    at.settle(until=has_phase("RolledBack"))
    at.request("trust", f"{A} after all")
    at.settle(rounds=2)
    assert answer(at) == f"Ignored: {A} was rolled back (aborted on request: bad)"


def test_a_trust_that_a_new_object_carries_is_ignored():
    at = new_world()
    at.request("trust", f"{B} from a backup")
    at.settle(rounds=2)
    assert answer(at) == "Ignored: new object, ask again"
    assert at.status.candidate.run_id == A


def test_a_trusted_run_that_no_pod_finds_is_refused_and_the_run_of_the_spec_starts():
    at = restored_from_a_backup()
    del at.registry[B]
    at.request("trust", f"{B} restored")
    at.settle(rounds=10)
    at.tick(300)
    at.settle(rounds=4)
    refused = next(entry for entry in at.status.history if entry.event == "RunRefused")
    assert refused.run_id == B
    assert at.status.candidate.run_id == A


def test_trusted_files_are_those_of_the_digest():
    at = restored_from_a_backup()
    at.request("trust", f"{B} {DIGESTS[C]} restored")
    at.settle(rounds=20)
    refused = next(entry for entry in at.status.history if entry.event == "RunRefused")
    assert refused.run_id == B
    assert at.status.stable is None


def test_a_run_with_a_report_below_the_gate_is_served_if_a_user_trusts_it():
    at = restored_from_a_backup()
    at.edit(spec(A, gates={"acceptance": {"f1Macro": 0.99}}))
    at.request("trust", f"{A} served for a year")
    at.settle(until=serves(A))
    assert at.status.stable.run_id == A


def test_a_request_to_restore_is_answered_and_recorded_with_who_and_why():
    at = restorable()
    at.edit(spec(A))
    at.request("restore", f"{A} 2026-01-02T03:04:05Z by=jane better at groceries")
    at.settle(until=serves(A))
    assert answer(at).startswith(f"Done: {A} was promoted before: it serves all users without shadow and steps")
    entry = next(entry for entry in at.status.history if entry.event == "RestoreStarted")
    assert entry.message.endswith("(requested by jane: better at groceries)")
    assert entry.by == f"restore {A} 2026-01-02T03:04:05Z by=jane better at groceries"


def test_a_request_to_restore_the_previous_run_is_answered_at_once():
    at = restorable()
    at.edit(spec(B))
    at.request("restore", f"{B} now")
    at.settle(rounds=1)
    assert answer(at) == f"Done: {B} serves all users again: spec.runID is the previous run, which is still loaded"


@pytest.mark.parametrize(
    ("edited", "run", "reason"),
    [
        (spec(C), A, f"spec.runID is {C}; set it to the run to restore"),
        (spec(C), C, f"{C} is the stable run already"),
        (spec(C), D, f"{D} cannot be restored; {B}, {A} can"),
        (spec(A, digest=DIGESTS[B]), A, f"spec.digest is {DIGESTS[B]}, but {A} was promoted as {DIGESTS[A]}"),
    ],
)
def test_a_request_to_restore_what_cannot_be_restored_is_ignored_in_one_sentence(edited, run, reason):
    at = restorable()
    at.edit(edited)
    at.request("restore", f"{run} now")
    at.settle(rounds=1)
    assert answer(at) == f"Ignored: {reason}"


def test_a_status_that_is_restored_with_the_object_needs_no_trust():
    at = restorable()
    status = at.status
    at.recreate()
    at.collect_garbage()
    at.status, at.rules = status, "restored"
    at.promoted = {(at.uid, C): DIGESTS[C]}
    at.settle(until=serves(C), rounds=20)
    at.settle(rounds=10)
    assert (at.status.stable.run_id, at.status.phase) == (C, "Promoted")
    assert all(pod.document.stable.run == C for pod in at.pods.values())
