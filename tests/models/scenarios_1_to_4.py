"""Scenarios that need rules 1 to 4 of docs/contracts.md: new runs, confirmation, writes, pods."""

import json

from models.parts import Broken, spec
from models.starting import DIGESTS, A, has_percent, has_phase, one_pod

from serin_core.api.revisions import MAX_REVISION
from serin_core.contract import names
from serin_core.contract.pod_report import RunQuality


def straggler_of_a_former_attempt(at):
    """1: a pod that never read the rollback must be gone or silent before the run is tried again."""
    at.settle(until=has_percent(50))
    slow = one_pod(at)
    slow.is_stuck = True
    at.verdict = "fail"
    at.whole_pass(at.operators[0])
    at.verdict = "pass"
    at.request("retry", f"{A} fixed")
    for _ in range(6):
        at.whole_pass(at.operators[0])
        at.check()
        at.tick()
    slow.is_stuck = False
    at.settle(until=has_phase("Promoted"))
    at.assert_ended()


def report_below_the_gate(at):
    """1: the operator checks the report before the run serves any request."""
    at.quality = RunQuality(f1_macro=0.5, f1_min=0.1)
    for _ in range(20):
        at.settle(rounds=1)
        if candidate_in_routing(at) is not None:
            raise Broken("(a) the routing names a run that the acceptance gate refuses")
    assert at.status.phase == "Refused"


def pod_that_is_slow_to_load(at):
    """1: every pod has loaded the run before the routing names it."""
    at.settle(rounds=3)
    for _ in range(12):
        at.whole_pass(at.operators[0])
        at.roll()
        for pod in at.pods.values():
            at.refresh(pod)
            at.start(pod)
            at.read(pod)
        at.load(one_pod(at))
        if candidate_in_routing(at) is not None and not all(pod.loaded for pod in at.pods.values()):
            raise Broken("(d) shadow began while a pod had not loaded the run")
    at.settle(until=has_phase("Promoted"))
    at.assert_ended()


def run_that_is_refused(at):
    """1: until the run is accepted the routing names no candidate."""
    at.edit(spec(A, digest=DIGESTS[A]))
    report_below_the_gate(at)


def pod_that_keeps_the_routing_of_a_run_that_was_rolled_back(at):
    """1: once the run is rolled back the routing names no candidate."""
    at.settle(until=has_percent(50))
    at.verdict = "fail"
    at.settle(until=has_phase("RolledBack"))
    for pod in at.pods.values():
        if pod.document is not None and pod.document.candidate is not None:
            raise Broken(f"(b) {pod.name} still compares with a run that was rolled back")
    at.assert_ended()


def candidate_in_routing(at):
    text = at.routing_text()
    return None if text is None else json.loads(text)["candidate"]


def pod_that_does_not_confirm(at):
    """2: no stage starts, and no percent advances, while one pod still serves the former routing."""
    at.settle(until=has_percent(0))
    one_pod(at).is_stuck = True
    at.settle(rounds=15)
    one_pod(at).is_stuck = False
    at.settle(until=has_phase("Promoted"))
    at.assert_ended()


def terminating_pod_that_goes_on(at):
    """2: a terminating pod still serves its connections: no rollback is confirmed without it."""
    at.settle(until=has_percent(50))
    at.verdict = "fail"
    going = one_pod(at)
    going.is_stuck = going.deleting = True
    for _ in range(6):
        at.whole_pass(at.operators[0])
        for pod in at.pods.values():
            at.refresh(pod)
            at.read(pod)
        at.check()
    at.settle(until=has_phase("RolledBack"))
    at.assert_ended()


def pod_that_lost_the_run(at):
    """2: a ready pod that has restarted without the run holds every move forward."""
    at.settle(until=has_percent(10))
    pod = one_pod(at)
    del at.registry[A]
    at.restart(pod)
    at.start(pod)
    at.load(pod)
    at.settle(rounds=12)
    at.registry[A] = DIGESTS[A]
    at.restart(pod)
    at.settle(until=has_phase("Promoted", "RolledBack"))


def no_pod_is_left(at):
    """2: without any ready pod nothing is proven."""
    # This gate needs the report of a pod, and would hold the stage by itself.
    at.edit(spec(A, gates={"lowConfidence": {"mode": "Off"}}))
    at.settle(until=has_percent(10))
    at.pods.clear()
    for _ in range(6):
        at.whole_pass(at.operators[0])
        at.tick()
    at.settle(until=has_phase("Promoted"))
    at.assert_ended()


def crash_between_status_and_children(at):
    """3: what is served was decided in status first, so that a crash in between loses neither rollback nor step."""
    at.settle(until=has_percent(0))
    at.tick(5)
    operator = at.operators[0]
    at.gather(operator)
    at.decide(operator)
    at.write(operator)
    at.crash(operator)
    at.kubelets()
    at.settle(until=has_phase("Promoted"))
    at.assert_ended()


def leader_that_wakes_from_a_freeze(at):
    """3: its writes carry what it had read before it froze; they conflict."""
    at.settle(until=has_percent(10))
    at.tick(5)
    frozen, awake = at.operators
    at.gather(frozen)
    at.decide(frozen)
    at.verdict = "fail"
    for _ in range(8):
        at.whole_pass(awake)
        at.kubelets()
        at.tick()
    while frozen.pending:
        at.write(frozen)
        at.kubelets()
    at.settle(rounds=20)
    at.assert_ended()


def routing_edited_upwards_by_hand(at):
    """3: a foreign edit is reverted with a revision above the one found, or no pod would ever accept another."""
    at.settle(until=has_percent(10))
    at.edit_routing(revision=500)
    at.kubelets()
    at.settle(until=has_phase("Promoted"))
    at.assert_ended()


def routing_edited_and_put_back_by_hand(at):
    """3: an edit that no operator has seen leaves pods above the decided revision, which they would ignore for ever."""
    at.settle(until=has_percent(10))
    decided = at.children[at.routing_key]["data"][names.ROUTING_KEY]
    at.edit_routing(revision=500)
    at.kubelets()
    at.put_old_routing(decided)
    at.settle(until=has_phase("Promoted"))
    at.assert_ended()


def status_restored_from_an_older_backup(at):
    """3: pods that were further follow the restored stage, and a rollback in it."""
    at.settle(until=has_percent(10))
    saved = at.backup()
    at.settle(until=has_phase("Promoted"))
    at.restore(saved)
    at.verdict = "fail"
    at.settle(until=has_phase("RolledBack"))
    at.assert_ended()


def routing_edited_beyond_every_revision(at):
    """3: a revision that no operator can have reached is not followed, or none would be left above it."""
    for share, revision in ((0, 10**19), (10, MAX_REVISION)):
        at.settle(until=has_percent(share))
        at.edit_routing(revision=revision)
        at.kubelets()
    at.settle(until=has_phase("Promoted"))
    at.assert_ended()
    if at.status.propagation.revision > 100:
        raise Broken("(e) the operator has followed a revision that was written by hand, and few are left above it")


def routing_edited_beyond_every_revision_before_a_restart(at):
    """4: a pod does not keep a revision that is out of reach of the announced one, also not over a restart."""
    at.settle(until=has_percent(50))
    at.edit_routing(revision=MAX_REVISION)
    at.kubelets()
    assert one_pod(at).seen == MAX_REVISION
    at.restart(one_pod(at))
    at.settle(until=has_phase("Promoted"))
    at.assert_ended()


def routing_without_its_owner(at):
    """3: a routing that has lost its owner holds no rollback."""
    at.settle(until=has_percent(50))
    at.strip_routing()
    at.verdict = "fail"
    at.settle(until=has_phase("RolledBack"))
    at.settle(rounds=5)
    at.assert_ended()
    assert at.children[at.routing_key]["metadata"]["ownerReferences"][0]["uid"] == at.uid


def routing_edited_in_place_by_hand(at):
    """3: a foreign edit starts a new stage, so that what it caused is no evidence."""
    at.settle(until=has_percent(10))
    text = at.routing_text()
    at.edit_routing(candidate=json.loads(text)["candidate"] | {"thresholds": {"default": 0.1, "perClass": {}}})
    at.hand_made.clear()
    at.kubelets()
    assert at.routing_text() != text
    at.settle(until=has_phase("Promoted"))
    at.assert_ended()


def routing_of_a_namesake(at):
    """4: a pod ignores the routing of a deleted object of the same name, whatever its revision."""
    at.settle(until=has_percent(50))
    old = at.routing_text()
    at.recreate()
    at.collect_garbage()
    for _ in range(4):
        at.whole_pass(at.operators[0])
        at.roll()
    for pod in at.pods.values():
        at.start(pod, mount=old)
        at.load(pod)
    at.check()
    at.settle(until=has_phase("Promoted"))
    at.assert_ended()


def old_routing_applied_after_a_rollback(at):
    """4: a lower revision than one already seen is ignored, also by a process that has restarted."""
    at.settle(until=has_percent(50))
    old = at.routing_text()
    at.verdict = "fail"
    at.settle(until=has_phase("RolledBack"))
    at.put_old_routing(old)
    for pod in at.pods.values():
        at.refresh(pod)
        pod.annotated = None if pod.annotated is None else 0
        at.restart(pod)
        at.start(pod)
        at.load(pod)
    at.check()
    at.settle(rounds=10)
    at.assert_ended()


def run_whose_files_changed(at):
    """4: a percent counts only for the exact files that it was decided for."""
    at.settle(until=has_percent(50))
    pod = one_pod(at)
    at.registry[A] = "sha256:" + "e" * 64
    at.restart(pod)
    at.start(pod)
    at.load(pod)
    at.check()
    at.settle(until=has_phase("Refused"))
    at.assert_ended()


def pod_that_starts_from_a_stale_mount(at):
    """4: without an announcement on its own pod, or below it, a candidate counts as 0."""
    at.settle(until=has_percent(50))
    old = at.routing_text()
    at.verdict = "fail"
    at.settle(until=has_phase("RolledBack"))
    at.pods[min(at.pods)].deleting = True
    at.finish_deletions()
    at.roll()
    new = at.pods[max(at.pods, key=lambda name: int(name.split("-")[1]))]
    at.start(new, mount=old)
    at.load(new)
    at.check()
    at.settle(rounds=10)
    at.assert_ended()
