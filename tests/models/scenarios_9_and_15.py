"""Scenarios that need rules 9 and 15 of docs/contracts.md: lost pods, and the progress deadline."""

from models.parts import Broken, spec
from models.starting import A, B, has_percent, has_phase, one_pod

from serin_core.rollout.observation import NodeState

DEADLINE = 600
WITH_DEADLINE = {"progressDeadline": f"{DEADLINE}s", "onProgressDeadline": "Rollback"}


def waiting_for_room(at, **changes):
    """A is promoted, B is to be loaded, and no node has capacity for its pods."""
    at.settle(until=has_phase("Promoted"))
    at.is_full = True
    at.edit(spec(B, **WITH_DEADLINE, **changes))
    at.settle(rounds=10)
    assert at.status.candidate.state == "Loading"


def run_that_pods_never_load(at):
    """15: a run that pods do not load in time is rolled back, and its template with it."""
    waiting_for_room(at)
    at.tick(DEADLINE)
    at.settle(rounds=20)
    if at.status.phase != "RolledBack":
        raise Broken(f"(e) a run that no pod can load is still {at.status.phase}")
    if B in [run.run_id for run in at.status.pod_runs]:
        raise Broken("(f) the template still loads the run that no pod can load")
    at.is_full = False
    at.settle(rounds=20)
    at.assert_ended()


def pods_that_load_one_after_another(at):
    """15: a rollout whose pods are slow, each of them within the deadline, makes progress."""
    waiting_for_room(at)
    for _ in range(2):
        at.tick(DEADLINE * 0.7)
        pending = [pod for pod in at.pods.values() if not pod.running and not pod.deleting]
        at.is_full = False
        for pod in pending[:1]:
            at.refresh(pod)
            at.start(pod)
            at.load(pod)
            at.read(pod)
        at.is_full = True
        at.settle(rounds=6)
    at.is_full = False
    at.settle(rounds=200)
    if at.status.phase != "Promoted":
        raise Broken(f"(e) a run that pods loaded one after another ended as {at.status.phase}")
    at.assert_ended()


def rollout_that_is_suspended_while_pods_wait(at):
    """15: the clock is stopped while a user has stopped the rollout."""
    waiting_for_room(at, suspend=True)
    at.tick(DEADLINE * 2)
    at.settle(rounds=5)
    at.edit(spec(B, **WITH_DEADLINE))
    at.settle(rounds=5)
    at.is_full = False
    at.settle(rounds=200)
    if at.status.phase != "Promoted":
        raise Broken(f"(e) a rollout that was suspended while its pods waited ended as {at.status.phase}")
    at.assert_ended()


def rolled_back_while_a_node_is_cut_off(at):
    """Roll A back at 50 % while one pod, which goes on, is on a node that is cut off; return this pod."""
    at.settle(until=has_percent(50))
    lost = one_pod(at)
    at.lose_node(lost, is_dead=False)
    at.verdict = "fail"
    at.settle(rounds=5)
    at.evict_from_lost_node(lost)
    at.settle(rounds=100)
    return lost


def node_that_comes_back_after_a_rollback(at):
    """9: a pod is waited for as long as its node may come back."""
    lost = rolled_back_while_a_node_is_cut_off(at)
    at.return_node(lost)
    at.check()
    at.settle(rounds=10)
    at.assert_ended()


def run_tried_again_while_all_nodes_are_away(at):
    """9: no pod is ready, but those of lost nodes may go on with the former attempt: they are waited for."""
    at.settle(until=has_percent(50))
    lost = list(at.pods.values())
    for pod in lost:
        at.lose_node(pod, is_dead=False)
    at.verdict = "fail"
    at.settle(rounds=5)
    at.verdict = "pass"
    at.request("retry", f"{A} fixed")
    at.settle(rounds=40)
    for pod in lost:
        at.return_node(pod)
    at.check()
    at.settle(until=has_phase("Promoted"))
    at.assert_ended()


def kubelets_that_all_miss_a_rollback(at):
    """7: all pods go on with a withdrawn run; they are removed, but users are served all the time."""
    at.settle(until=has_percent(50))
    for pod in at.pods.values():
        pod.is_stuck = True
    at.verdict = "fail"
    for _ in range(400):
        at.settle(rounds=1)
        if not any(pod.is_ready(at.now) and not pod.deleting for pod in at.pods.values()):
            raise Broken("(f) no pod is ready: all stragglers were removed at once")
    at.assert_ended()


def pod_that_a_user_declares_dead(at):
    """9: a pod whose node never comes back is deleted on request, and what waited for it goes on."""
    lost = rolled_back_while_a_node_is_cut_off(at)
    assert not at.status.propagation.confirmed
    at.request("forget-pod", f"{lost.name} {lost.uid} scrapped")
    at.settle(rounds=10)
    if not at.status.propagation.confirmed:
        raise Broken("(e) a rollback waits for a pod that was declared dead")
    at.return_node(lost)
    at.check()
    at.assert_ended()


def node_that_is_out_of_service(at):
    """9: the pods of a node with the taint out-of-service are gone."""
    lost = rolled_back_while_a_node_is_cut_off(at)
    lost.node_state = NodeState.OUT_OF_SERVICE
    at.settle(rounds=10)
    if not at.status.propagation.confirmed:
        raise Broken("(e) a rollback waits for a pod of a node that was declared out of service")
    at.assert_ended()
