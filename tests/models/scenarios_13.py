"""Scenarios that need rule 13 of docs/contracts.md: manual requests and pauses."""

from models.starting import A, has_percent, has_phase

from serin_core.api.status import CandidateState


def paused_rollout_whose_gates_pass(at):
    """13: no step begins while a user has paused the rollout."""
    at.settle(until=has_percent(10))
    at.request("pause", f"{A} look first")
    at.settle(rounds=20)
    at.request("resume", f"{A} fine")
    at.settle(until=has_phase("Promoted"))
    at.assert_ended()


def paused_rollout_with_a_failing_gate(at):
    """13: a pause delays no rollback."""
    at.settle(until=has_percent(10))
    at.verdict = "unsure"
    at.request("pause", f"{A} look first")
    at.settle(rounds=3)
    at.verdict = "fail"
    at.settle(rounds=3)
    at.assert_ended()


def paused_rollout_that_is_aborted_and_tried_again(at):
    """13: a pause ends with its rollout."""
    at.settle(until=has_percent(10))
    at.verdict = "unsure"
    at.request("pause", f"{A} look first")
    at.settle(rounds=3)
    at.request("abort", f"{A} enough")
    at.settle(rounds=5)
    at.verdict = "pass"
    at.request("retry", f"{A} fixed")
    at.settle(until=has_phase("Promoted"))
    at.assert_ended()


def paused_rollout_that_pods_refuse_while_it_is_resumed(at):
    """13: neither a pause nor its end delays the refusal of a run that pods find to be another one."""
    at.edit(at.spec.model_copy(update={"digest": f"sha256:{'f' * 64}"}))
    operator = at.operators[0]
    while at.status is None or at.status.rollout.state is not CandidateState.LOADING:
        at.whole_pass(operator)
        at.kubelets()
        at.tick()
    at.request("pause", f"{A} look first")
    at.whole_pass(operator)
    for _ in range(5):
        at.kubelets()
        at.tick()
    at.request("resume", f"{A} fine")
    at.whole_pass(operator)
    at.settle(rounds=5)
    at.assert_ended()
