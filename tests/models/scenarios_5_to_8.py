"""Scenarios that need rules 5 to 8 of docs/contracts.md: loading, templates, stragglers, crashes."""

from models.parts import STABLE_PATIENCE, Broken, spec
from models.starting import DIGESTS, A, B, has_percent, has_phase, one_pod

from serin_core.api.status import CandidateState, Crash
from serin_core.rollout.protocol import ABSENT_PATIENCE


def stable_run_that_new_pods_cannot_load(at):
    """5: the former template is restored, and the candidate is refused."""
    at.settle(until=has_phase("Promoted"))
    at.edit(spec(B))
    at.settle(rounds=2)
    at.registry[A] = "sha256:" + "d" * 64
    at.settle(rounds=30)
    assert at.status.candidate.state is CandidateState.REFUSED
    wanted = [run.run_id for run in at.status.pod_runs]
    if B in wanted:
        raise Broken("(f) the template still loads the refused run, and no new pod becomes ready")


def stable_run_that_new_pods_do_not_find(at):
    """5: absent is not refused, but the former template is back before pods without the stable run become ready."""
    at.settle(until=has_phase("Promoted"))
    former = set(at.pods)
    at.edit(spec(B))
    at.settle(rounds=2)
    del at.registry[A]
    at.settle(rounds=20)
    assert at.status.candidate.state is CandidateState.LOADING
    at.tick(ABSENT_PATIENCE.total_seconds())
    at.settle(rounds=30)
    at.tick(STABLE_PATIENCE.total_seconds())
    at.settle(rounds=30)
    serving = [pod for pod in at.pods.values() if pod.is_ready(at.now)]
    if not former & set(at.pods) or not all(pod.serves_stable for pod in serving):
        raise Broken("(f) pods that serve the rules replaced those that serve the stable run")
    at.registry[A] = DIGESTS[A]
    at.settle(rounds=30)
    at.assert_ended()


def run_that_is_copied_later_than_it_is_named(at):
    """5: an absent run is read again, and its rollout goes on once it is there."""
    del at.registry[A]
    at.settle(rounds=60)
    at.registry[A] = DIGESTS[A]
    at.settle(until=has_phase("Promoted"))
    at.assert_ended()
    if at.status.phase != "Promoted":
        raise Broken(f"(e) a run that was copied late ended as {at.status.phase}")


def run_retried_once_its_files_are_fixed(at):
    """5: a retry raises the attempt, so that new pods read the run again."""
    at.edit(spec(A, digest=DIGESTS[A]))
    at.registry[A] = "sha256:" + "d" * 64
    at.settle(until=has_phase("Refused"))
    at.registry = dict(DIGESTS)
    at.request("retry", f"{A} fixed")
    at.settle(until=has_phase("Promoted"))
    at.assert_ended()
    if at.status.phase != "Promoted":
        raise Broken(f"(e) a run that was fixed and tried again ended as {at.status.phase}")


def rules_edited_in_mid_stage(at):
    """6: the template comes first, every pod is replaced, then the new stage counts."""
    at.settle(until=has_percent(10))
    at.verdict = "unsure"
    at.rules = "other"
    at.settle(rounds=12)
    at.verdict = "pass"
    at.settle(until=has_phase("Promoted"))
    at.assert_ended()


def kubelet_that_missed_the_announcement(at):
    """7: a straggler is annotated again after ten seconds."""
    at.settle(until=has_percent(50))
    at.verdict = "fail"
    slow = one_pod(at)
    at.whole_pass(at.operators[0])
    for pod in at.pods.values():
        if pod is not slow:
            at.refresh(pod)
            at.read(pod)
    version = slow.version
    for _ in range(40):
        at.whole_pass(at.operators[0])
        at.tick()
        if slow.version != version:
            at.refresh(slow)
            at.read(slow)
            version = slow.version
        at.check()
    at.assert_ended()


def pod_that_never_refreshes(at):
    """7: in a rollback, a pod that serves another revision for a minute is evicted."""
    at.settle(until=has_percent(50))
    at.verdict = "fail"
    one_pod(at).is_stuck = True
    at.settle(rounds=200, until=has_phase("RolledBack"))
    at.assert_ended()


def operator_that_is_cut_off(at):
    """7: pods that do not answer at all are left alone: without them no user would be served."""
    at.settle(until=has_percent(50))
    at.verdict = "fail"
    for pod in at.pods.values():
        pod.is_cut_off = True
    for _ in range(200):
        at.whole_pass(at.operators[0])
        at.finish_deletions()
        at.tick()
    if not any(pod.running for pod in at.pods.values()):
        raise Broken("(f) no pod is left to serve users")


def pod_that_no_eviction_removes(at):
    """7: where the PodDisruptionBudget refuses for a minute, the pod is deleted."""
    at.is_guarded = True
    at.settle(until=has_percent(50))
    at.verdict = "fail"
    one_pod(at).is_stuck = True
    at.settle(rounds=300, until=has_phase("RolledBack"))
    at.assert_ended()


def crash_often(at, pod):
    for _ in range(3):
        at.restart(pod, badly=True)
        at.start(pod)
        at.load(pod)


def crashes_of_a_former_attempt(at):
    """8: a run that is tried again is not rolled back by the crashes of its former attempt."""
    at.settle(until=has_percent(10))
    crash_often(at, one_pod(at))
    at.settle(rounds=1)
    assert at.status.candidate.state is CandidateState.ROLLED_BACK
    at.request("retry", f"{A} fixed")
    for _ in range(8):
        at.whole_pass(at.operators[0])
        at.tick()
    at.settle(rounds=60)
    if at.status.phase != "Promoted":
        raise Broken(f"(e) a run that was fixed and tried again ended as {at.status.phase}")


def pods_that_crash_while_they_terminate(at):
    """8: how a container ends that was told to terminate is no evidence about the run."""
    at.settle(until=has_percent(10))
    going = one_pod(at)
    going.deleting = True
    going.crashes += [Crash(pod=going.uid, restart=number, at=at.now) for number in range(3)]
    at.whole_pass(at.operators[0])
    at.settle(until=has_phase("Promoted", "RolledBack"))
    if at.status.phase != "Promoted":
        raise Broken("(e) a sound run was rolled back because its pods were replaced")


def crashes_while_a_pod_does_not_confirm(at):
    """8: crashes roll a run back, and remove it from the template, without any confirmation."""
    at.settle(until=has_percent(50))
    at.verdict = "silent"
    stuck = one_pod(at)
    stuck.is_stuck = stuck.is_cut_off = True
    at.edit(spec(A, thresholds={"default": 0.8}))
    at.settle(rounds=4)
    crash_often(at, at.pods[max(at.pods)])
    at.settle(rounds=4)
    if at.status.candidate.state is not CandidateState.ROLLED_BACK or A in [run.run_id for run in at.status.pod_runs]:
        raise Broken("(e) a run that crashes its pods is still loaded")


def candidate_that_crashes_its_pods(at):
    """8: three crashes in ten minutes roll it back, with Prometheus silent."""
    at.settle(until=has_percent(10))
    at.verdict = "silent"
    for _ in range(3):
        at.restart(one_pod(at), badly=True)
        at.settle(rounds=2)
    at.settle(rounds=20)
    if at.status.phase != "RolledBack":
        raise Broken("(e) a run that crashes its pods is still being rolled out")
    at.assert_ended()
