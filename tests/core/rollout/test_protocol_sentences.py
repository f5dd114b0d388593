"""Each sentence of the protocol is there because without it an invariant breaks: here is the trace for each.

Every scenario runs twice: with the whole protocol it ends well, with the one sentence taken out it must not.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
from models.world import Broken, Sentences, World, spec, without

from serin_core import names
from serin_core.rollout import protocol
from serin_core.rollout.writes import AnnotatePod, PutStatus, RemovePod
from serin_core.routing import Ignored, Route, admit, route
from serin_core.status import TrialState

A, B, C = (f"run_{letter * 8}_1" for letter in "abc")
DIGESTS = {run: "sha256:" + run[4] * 64 for run in (A, B, C)}


def world(run=A, sentences=None, **changes):
    made = World(spec(run, **changes), sentences=sentences)
    made.registry = dict(DIGESTS)
    return made


def has_percent(percent) -> Callable[[World], bool]:
    def holds(at: World) -> bool:
        trial = at.status and at.status.trial
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
    assert at.status.candidate.state is TrialState.REFUSED
    wanted = [run.run_id for run in at.status.pod_runs]
    if B in wanted:
        raise Broken("(f) the template still loads the run that was refused, and no new pod becomes ready")


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
    if at.status.trial.percent != 10:
        raise Broken(f"(g) one promote led to {at.status.trial.percent:g} %")


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


def _loaded_nowhere_needed(look):
    return bool(look.ready_pods) and protocol.is_confirmed(look)


def _vacuously(look):
    candidate = look.status.candidate
    return candidate is not None and protocol.is_confirmed(look)


@dataclass(frozen=True)
class Case:
    """One sentence: the scenario that needs it, and the protocol without it."""

    scenario: Callable[[World], None]
    sentences: Sentences


CASES = {
    "1 the routing without candidate is confirmed before the template changes": Case(
        straggler_of_a_former_attempt, without(is_drained=lambda _look: True)
    ),
    "2 every pod confirms revision and hash": Case(
        pod_that_does_not_confirm, without(may_move_forward=lambda look: bool(look.ready_pods))
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
        without(next_revision=lambda look: look.status.propagation.revision + 1),
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
    "6 template first, every pod replaced, then the new stage": Case(
        rules_edited_in_mid_stage,
        without(is_replaced=lambda look: bool(look.ready_pods)),
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
    "8 three crashes take the run back": Case(
        candidate_that_crashes_its_pods, without(is_crashing=lambda _look: False)
    ),
}
ALSO = (stable_run_that_new_pods_cannot_load, person_who_asks_once)


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
