"""Each sentence of the protocol is there because without it an invariant breaks: here is the trace for each.

Every scenario runs twice: with the whole protocol it ends well, with the one sentence taken out it must not.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
from models.world import Broken, Sentences, World, spec, without

from serin_core.api.status import CandidateState, Crash
from serin_core.contract import names
from serin_core.contract.pod_report import PodReport, RunQuality
from serin_core.contract.routing import Ignored, Route, admit, route
from serin_core.rollout import manual_actions, pod_rollout, protocol, rollback
from serin_core.rollout.table import TABLE
from serin_core.rollout.writes import AnnotatePod, PutStatus, RemovePod

A, B, C = (f"run_{letter * 8}_1" for letter in "abc")
DIGESTS = {run: "sha256:" + run[4] * 64 for run in (A, B, C)}


def world(run=A, sentences=None, **changes):
    made = World(spec(run, **changes), sentences=sentences)
    made.registry = dict(DIGESTS)
    if isinstance(made.sentences.order, _RemovesSilentPods):
        made.sentences.order.at = made
    return made


def has_percent(percent) -> Callable[[World], bool]:
    def holds(at: World) -> bool:
        trial = at.status and at.status.rollout
        return bool(trial and trial.percent == percent and trial.stage_started_at)

    return holds


def has_phase(*phases) -> Callable[[World], bool]:
    return lambda at: at.status is not None and at.status.phase in phases and at.status.propagation.confirmed


def one_pod(at):
    return at.pods[min(at.pods)]


def straggler_of_a_former_attempt(at):
    """1: a pod that never heard of the rollback must be gone or silent before the run is tried again."""
    at.settle(until=has_percent(50))
    slow = one_pod(at)
    slow.is_stuck = True
    at.verdict = "fail"
    at.whole_pass(at.operators[0])
    at.verdict = "pass"
    at.request("retry", f"{A} mended")
    for _ in range(6):
        at.whole_pass(at.operators[0])
        at.check()
        at.tick()
    slow.is_stuck = False
    at.settle(until=has_phase("Promoted"))
    at.assert_ended()


def pod_that_does_not_confirm(at):
    """2: no clock starts, and no share rises, while one pod still serves what was before."""
    at.settle(until=has_percent(0))
    one_pod(at).is_stuck = True
    at.settle(rounds=15)
    one_pod(at).is_stuck = False
    at.settle(until=has_phase("Promoted"))
    at.assert_ended()


def pod_that_lost_the_run(at):
    """2: a ready pod that has restarted without the run holds every forward move."""
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


def nobody_is_left(at):
    """2: without any ready pod nothing is proven."""
    # This gate needs a pod's report, and would hold by itself.
    at.edit(spec(A, gates={"metrics": [{"name": "lowConfidence", "disabled": True}]}))
    at.settle(until=has_percent(10))
    at.pods.clear()
    for _ in range(6):
        at.whole_pass(at.operators[0])
        at.tick()
    at.settle(until=has_phase("Promoted"))
    at.assert_ended()


def crash_between_status_and_children(at):
    """3: what is served was decided in status first, so that a crash in between loses no rollback and no step."""
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
    """3: a foreign edit is answered by a revision above the one found, or no pod would ever listen again."""
    at.settle(until=has_percent(10))
    at.edit_routing(revision=500)
    at.kubelets()
    at.settle(until=has_phase("Promoted"))
    at.assert_ended()


def routing_edited_in_place_by_hand(at):
    """3: a foreign edit begins a new stage, so that what it caused is no evidence."""
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
        pod.announced = None if pod.announced is None else 0
        at.restart(pod)
        at.start(pod)
        at.load(pod)
    at.check()
    at.settle(rounds=10)
    at.assert_ended()


def run_whose_files_changed(at):
    """4: a share counts only for the very bytes that it was decided for."""
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


def stable_run_that_new_pods_cannot_load(at):
    """5: the former template is put back, and the run on trial is refused."""
    at.settle(until=has_phase("Promoted"))
    at.edit(spec(B))
    at.settle(rounds=2)
    at.registry[A] = "sha256:" + "d" * 64
    at.settle(rounds=30)
    assert at.status.candidate.state is CandidateState.REFUSED
    wanted = [run.run_id for run in at.status.pod_runs]
    if B in wanted:
        raise Broken("(f) the template still loads the run that was refused, and no new pod becomes ready")


def run_tried_again_once_its_files_are_mended(at):
    """5: a retry raises the attempt, so that new pods read the run anew."""
    at.registry = {}
    at.settle(until=has_phase("Refused"))
    at.registry = dict(DIGESTS)
    at.request("retry", f"{A} mended")
    at.settle(until=has_phase("Promoted"))
    at.assert_ended()
    if at.status.phase != "Promoted":
        raise Broken(f"(e) a run that was mended and tried again ended as {at.status.phase}")


def terminating_pod_that_goes_on(at):
    """2: a pod that is going still answers whoever is connected: no rollback is confirmed without it."""
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


def report_below_the_gate(at):
    """1: the operator judges the report before any request sees the run."""
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


def pod_that_keeps_routing_of_a_run_taken_back(at):
    """1: once the run is taken back the routing names no candidate."""
    at.settle(until=has_percent(50))
    at.verdict = "fail"
    at.settle(until=has_phase("RolledBack"))
    for pod in at.pods.values():
        if pod.document is not None and pod.document.candidate is not None:
            raise Broken(f"(b) {pod.name} still compares by a run that was taken back")
    at.assert_ended()


def candidate_in_routing(at):
    text = at.routing_text()
    return None if text is None else json.loads(text)["candidate"]


def operator_that_is_cut_off(at):
    """7: pods that do not answer at all are left alone: without them nobody would answer any user."""
    at.settle(until=has_percent(50))
    at.verdict = "fail"
    for pod in at.pods.values():
        pod.is_cut_off = True
    for _ in range(200):
        at.whole_pass(at.operators[0])
        at.finish_deletions()
        at.tick()
    if not any(pod.running for pod in at.pods.values()):
        raise Broken("(f) no pod is left to answer")


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
    """8: a run that is tried again is not taken back by the crashes for which it was taken back."""
    at.settle(until=has_percent(10))
    crash_often(at, one_pod(at))
    at.settle(rounds=1)
    assert at.status.candidate.state is CandidateState.ROLLED_BACK
    at.request("retry", f"{A} mended")
    for _ in range(8):
        at.whole_pass(at.operators[0])
        at.tick()
    at.settle(rounds=60)
    if at.status.phase != "Promoted":
        raise Broken(f"(e) a run that was mended and tried again ended as {at.status.phase}")


def pods_that_end_badly_when_told_to_go(at):
    """8: how a container ends that was told to end says nothing of the run."""
    at.settle(until=has_percent(10))
    going = one_pod(at)
    going.deleting = True
    going.crashes += [Crash(pod=going.uid, restart=number, at=at.now) for number in range(3)]
    at.whole_pass(at.operators[0])
    at.settle(until=has_phase("Promoted", "RolledBack"))
    if at.status.phase != "Promoted":
        raise Broken("(e) a sound run was taken back because its pods were replaced")


def crashes_while_a_pod_does_not_confirm(at):
    """8: crashes take a run back, and out of the template, whoever has confirmed anything."""
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
    """7: a straggler is poked again after ten seconds."""
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
    """7: in a rollback, a pod that goes on with another revision for a minute is evicted."""
    at.settle(until=has_percent(50))
    at.verdict = "fail"
    one_pod(at).is_stuck = True
    at.settle(rounds=200, until=has_phase("RolledBack"))
    at.assert_ended()


def candidate_that_crashes_its_pods(at):
    """8: three bad ends in ten minutes take it back, with Prometheus silent."""
    at.settle(until=has_percent(10))
    at.verdict = "silent"
    for _ in range(3):
        at.restart(one_pod(at), badly=True)
        at.settle(rounds=2)
    at.settle(rounds=20)
    if at.status.phase != "RolledBack":
        raise Broken("(e) a run that crashes its pods is still on trial")
    at.assert_ended()


def person_who_asks_once(at):
    """A request acts at most once, and only in the stage that it names."""
    at.settle(until=has_percent(0))
    at.verdict = "unsure"
    at.request("promote", f"{A} 0 because")
    at.settle(rounds=20)
    if at.status.rollout.percent != 10:
        raise Broken(f"(g) one promote led to {at.status.rollout.percent:g} %")


def _children_first(writes):
    return tuple(sorted(writes, key=lambda write: isinstance(write, PutStatus)))


def _admits_other_uids(document, *, uid, seen):
    found = admit(document, uid=uid, seen=seen)
    return None if found is Ignored.OTHER_UID else found


def _admits_lower_revisions(document, *, uid, seen):
    found = admit(document, uid=uid, seen=seen)
    return None if found is Ignored.LOWER_REVISION else found


def _any_bytes(document, *, loaded, announced):
    fine = route(document, loaded=loaded, announced=announced)
    candidate = document.candidate
    fresh = announced is not None and document.revision >= announced
    return replace(fine, candidate=candidate, percent=candidate.percent if candidate and fresh else 0.0)


def _without_announcement(document, *, loaded, announced):
    _ = announced
    found: Route = route(document, loaded=loaded, announced=document.revision)
    return found


def _loaded_nowhere_needed(context):
    return bool(context.ready_pods) and protocol.is_confirmed(context)


def _vacuously(context):
    candidate = context.status.candidate
    return candidate is not None and protocol.is_confirmed(context)


def _only_ready_pods_confirm(context):
    return all(protocol.serves_the_routing(pod, context) for pod in context.ready_pods)


def _instead(rule, other):
    """The table with `other` where `rule` was: the sentence that the rule states is taken out."""
    table = tuple(replace(row, rule=other) if row.rule is rule else row for row in TABLE)
    assert table != TABLE
    return Sentences(table=table)


def _refuses_the_run_only(context, given):
    found = pod_rollout.run_is_refused(context, given)
    same = found and found.status.model_copy(update={"pod_runs": context.status.pod_runs})
    return found and replace(found, status=same)


def _without_judging(context, given):
    found = pod_rollout.run_is_refused(context, given)
    return None if found and "F1" in found.message else found


def _once_one_pod_has_loaded(context, given):
    reports = [pod for pod in context.observed.pods if isinstance(pod.report, PodReport) and pod.report.runs]
    return pod_rollout.run_is_accepted(replace(context, observed=replace(context.observed, pods=tuple(reports))), given)


def _in_the_same_attempt(context, given):
    found = manual_actions.retry(context, given)
    attempt = context.status.candidate.attempt
    same = found and found.status.candidate.model_copy(update={"attempt": attempt})
    return found and replace(found, status=found.status.model_copy(update={"candidate": same}))


def _once_confirmed(context, given):
    return rollback.candidate_crashes(context, given) if context.status.propagation.confirmed else None


def _names_the_candidate_always(context, *, revision, stage):
    candidate = context.status.candidate
    running = candidate and candidate.model_copy(update={"state": CandidateState.RUNNING})
    always = context.status.model_copy(update={"candidate": running})
    return protocol.routing_document(replace(context, status=always), revision=revision, stage=stage)


def _counts_former_attempts(context, pod, _crash):
    return context.status.rollout.run_id in pod.runs and not pod.deleting


def _counts_pods_that_go(context, pod, crash):
    return protocol.is_counted(context, replace(pod, deleting=False), crash)


class _RemovesSilentPods:
    """Straggler or not: whoever does not confirm in a rollback goes."""

    at: World

    def __call__(self, writes):
        status = self.at.status
        is_taken_back = status is not None and status.candidate and status.candidate.state is CandidateState.ROLLED_BACK
        silent = [pod for pod in self.at.pods.values() if pod.is_cut_off] if is_taken_back else []
        return (*writes, *(RemovePod(pod.name, pod.uid, is_forced=False) for pod in silent))


def _removing_silent_pods():
    order = _RemovesSilentPods()
    return Sentences(order=order)


@dataclass(frozen=True)
class Case:
    """One sentence: the scenario that needs it, and the protocol without it."""

    scenario: Callable[[World], None]
    sentences: Sentences


CASES = {
    "1 until the run is accepted the routing names no candidate": Case(
        run_that_is_refused, without(document=_names_the_candidate_always)
    ),
    "1 once it is taken back the routing names no candidate": Case(
        pod_that_keeps_routing_of_a_run_taken_back, without(document=_names_the_candidate_always)
    ),
    "1 every pod has loaded the run": Case(
        pod_that_is_slow_to_load, _instead(pod_rollout.run_is_accepted, _once_one_pod_has_loaded)
    ),
    "1 the operator judges the report": Case(
        report_below_the_gate, _instead(pod_rollout.run_is_refused, _without_judging)
    ),
    "2 existing pods, ready or not": Case(terminating_pod_that_goes_on, without(is_confirmed=_only_ready_pods_confirm)),
    "1 the routing without candidate is confirmed before the template changes": Case(
        straggler_of_a_former_attempt, without(is_drained=lambda _look: True)
    ),
    "2 every pod confirms revision and hash": Case(
        pod_that_does_not_confirm, without(may_move_forward=lambda context: bool(context.ready_pods))
    ),
    "2 every ready pod has loaded that very run and digest": Case(
        pod_that_lost_the_run, without(may_move_forward=_loaded_nowhere_needed)
    ),
    "2 at least one": Case(nobody_is_left, without(may_move_forward=_vacuously)),
    "3 intent into status first": Case(crash_between_status_and_children, Sentences(order=_children_first)),
    "3 every write carries the resourceVersion read in gather": Case(
        leader_that_wakes_from_a_freeze, Sentences(checks_versions=False)
    ),
    "3 a writer never lowers the revision": Case(
        routing_edited_upwards_by_hand,
        without(next_revision=lambda context: context.status.propagation.revision + 1),
    ),
    "3 a foreign edit is answered by a new stage": Case(
        routing_edited_in_place_by_hand, without(is_foreign_edit=lambda _look: False)
    ),
    "4 documents of another uid are ignored": Case(routing_of_a_namesake, Sentences(admit=_admits_other_uids)),
    "4 a lower revision is ignored": Case(
        old_routing_applied_after_a_rollback, Sentences(admit=_admits_lower_revisions)
    ),
    "4 a percent counts only for the run and digest it names": Case(
        run_whose_files_changed, Sentences(route=_any_bytes)
    ),
    "4 without an announcement a candidate counts as 0": Case(
        pod_that_starts_from_a_stale_mount, Sentences(route=_without_announcement)
    ),
    "4 the revision seen is kept over restarts": Case(
        old_routing_applied_after_a_rollback, Sentences(keeps_seen=False)
    ),
    "5 the former template is put back": Case(
        stable_run_that_new_pods_cannot_load, _instead(pod_rollout.run_is_refused, _refuses_the_run_only)
    ),
    "5 a retry raises the attempt": Case(
        run_tried_again_once_its_files_are_mended, _instead(manual_actions.retry, _in_the_same_attempt)
    ),
    "6 template first, every pod replaced, then the new stage": Case(
        rules_edited_in_mid_stage,
        without(is_replaced=lambda context: bool(context.ready_pods)),
    ),
    "7 stragglers are announced to again": Case(
        kubelet_that_missed_the_announcement,
        Sentences(
            keeps=lambda write: not (isinstance(write, AnnotatePod) and names.ANNOTATION_POKE in write.annotations)
        ),
    ),
    "7 in a rollback a pod with another revision is evicted": Case(
        pod_that_never_refreshes, Sentences(keeps=lambda write: not isinstance(write, RemovePod))
    ),
    "7 silent pods are left alone": Case(operator_that_is_cut_off, _removing_silent_pods()),
    "7 deleted where no eviction is granted": Case(
        pod_that_no_eviction_removes,
        Sentences(keeps=lambda write: not (isinstance(write, RemovePod) and write.is_forced)),
    ),
    "8 since this attempt began": Case(crashes_of_a_former_attempt, without(is_counted=_counts_former_attempts)),
    "8 of pods that are not being deleted": Case(
        pods_that_end_badly_when_told_to_go, without(is_counted=_counts_pods_that_go)
    ),
    "8 waiting for no confirmation": Case(
        crashes_while_a_pod_does_not_confirm, _instead(rollback.candidate_crashes, _once_confirmed)
    ),
    "8 three crashes take the run back": Case(
        candidate_that_crashes_its_pods, without(is_crashing=lambda _look: False)
    ),
}
ALSO = (person_who_asks_once,)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_with_the_whole_protocol_the_scenario_ends_well(case):
    case.scenario(world())


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_without_the_sentence_an_invariant_breaks(case):
    with pytest.raises(Broken):
        case.scenario(world(sentences=case.sentences))


@pytest.mark.parametrize("scenario", ALSO, ids=lambda scenario: scenario.__name__)
def test_scenario_ends_well(scenario):
    scenario(world())
