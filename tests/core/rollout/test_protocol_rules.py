"""Each rule of the protocol is needed: without it, the trace of its scenario breaks an invariant.

Every scenario runs twice: with the whole protocol it ends well, with the one rule removed it must not.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
from models import scenarios_1_to_4 as first
from models import scenarios_5_to_8 as last
from models import scenarios_9_and_15 as waiting
from models import scenarios_11 as unwatched
from models import scenarios_12 as checked
from models import scenarios_13 as requested
from models import scenarios_14 as held
from models import scenarios_16 as bakes
from models import scenarios_17 as restores
from models import scenarios_18 as sent
from models import scenarios_19 as late
from models import scenarios_of_caches as caches
from models.parts import Broken, Pod, ProtocolRules, without
from models.starting import A, has_percent, new_world
from models.world import World

from serin_core.api.pause import Pause
from serin_core.api.revisions import MAX_REVISION
from serin_core.api.rollback import SkippedTrial
from serin_core.api.status import CandidateState
from serin_core.contract import names
from serin_core.contract.pod_report import PodReport
from serin_core.contract.routing import Ignored, Route, admit, percent_of, route
from serin_core.rollout import (
    bake,
    checks,
    lost_pods,
    manual_actions,
    pod_rollout,
    progress,
    promotion,
    protocol,
    restore,
    rollback,
    spec_changes,
)
from serin_core.rollout.table import TABLE, State
from serin_core.rollout.writes import AnnotatePod, PutStatus, RemovePod


def world(protocol_rules=None):
    made = new_world(protocol_rules=protocol_rules)
    if isinstance(made.protocol_rules.order, _RemovesPods):
        made.protocol_rules.order.at = made
    return made


def _children_first(writes):
    return tuple(sorted(writes, key=lambda write: isinstance(write, PutStatus)))


def _admits_other_uids(document, *, uid, seen, announced):
    found = admit(document, uid=uid, seen=seen, announced=announced)
    return None if found is Ignored.OTHER_UID else found


def _admits_lower_revisions(document, *, uid, seen, announced):
    found = admit(document, uid=uid, seen=seen, announced=announced)
    return None if found is Ignored.LOWER_REVISION else found


def _keeps_any_revision(document, *, uid, seen, announced):
    _ = announced
    return admit(document, uid=uid, seen=seen, announced=None)


def _without_pods(rule):
    return lambda context: rule(replace(context, observed=replace(context.observed, pods=())))


def _follows_any_revision(context):
    found = context.observed.routing
    known = found.document.revision if found is not None and found.document is not None else 0
    return min(max(context.status.propagation.revision, known) + 1, MAX_REVISION)


def _pushes_what_it_reads(_resource, found):
    return None if found is None else found.document


def _any_bytes(document, *, loaded, announced, unheard):
    fine = route(document, loaded=loaded, announced=announced, unheard=unheard)
    percent = percent_of(document, announced=announced, unheard=unheard)
    return replace(fine, candidate=document.candidate, percent=percent)


def _without_announcement(document, *, loaded, announced, unheard):
    _ = announced
    found: Route = route(document, loaded=loaded, announced=document.revision, unheard=unheard)
    return found


def _unwatched(document, *, loaded, announced, unheard):
    _ = unheard
    return route(document, loaded=loaded, announced=announced, unheard=0.0)


def _without_a_timeout(context, *, revision, stage):
    document = protocol.routing_document(context, revision=revision, stage=stage)
    candidate = document.candidate and document.candidate.model_copy(update={"supervision_seconds": None})
    return document.model_copy(update={"candidate": candidate})


def _loaded_nowhere_needed(context):
    return bool(context.ready_pods) and protocol.is_confirmed(context)


def _vacuously(context):
    candidate = context.status.candidate
    return candidate is not None and protocol.is_confirmed(context)


def _only_ready_pods_confirm(context):
    return all(protocol.serves_the_routing(pod, context) for pod in context.ready_pods)


def _instead(rule, other):
    """Return the table with `other` in the place of `rule`: what the rule ensures is removed."""
    table = tuple(replace(row, rule=other) if row.rule is rule else row for row in TABLE)
    assert table != TABLE
    return ProtocolRules(table=table)


def _refuses_the_run_only(context, given):
    found = pod_rollout.run_is_refused(context, given)
    same = found and found.status.changed(pod_runs=context.status.pod_runs)
    return found and replace(found, status=same)


def _waits_for_ever(context, given):
    """Wait for an absent stable run as long as it takes."""
    return pod_rollout.run_is_refused(replace(context, now=context.status.candidate.attempt_started_at), given)


def _refuses_absent_runs(context, given):
    """Take the first look of a pod into the registry as final."""
    return pod_rollout.run_is_refused(replace(context, now=context.now + protocol.ABSENT_PATIENCE), given)


def _without_the_report_check(context, given):
    found = pod_rollout.run_is_refused(context, given)
    return None if found and "F1" in found.message else found


def _once_one_pod_has_loaded(context, given):
    reports = [pod for pod in context.observed.pods if isinstance(pod.report, PodReport) and pod.report.runs]
    return pod_rollout.run_is_accepted(replace(context, observed=replace(context.observed, pods=tuple(reports))), given)


def _in_the_same_attempt(context, given):
    found = manual_actions.retry(context, given)
    attempt = context.status.candidate.attempt
    same = found and found.status.candidate.changed(attempt=attempt)
    return found and replace(found, status=found.status.changed(candidate=same))


def _never(_context, _given):
    return None


def _counts_from_the_start(context, given):
    """Count the progress deadline since the attempt began, whatever happened since."""
    clock, start = context.status.progress, context.status.candidate.attempt_started_at
    changed = clock and clock.model_copy(update={"elapsed": 0.0, "running_since": start})
    return progress.deadline_passes(replace(context, status=context.status.changed(progress=changed)), given)


def _counts_while_suspended(context, given):
    return _counts_from_the_start(context, given) if context.is_stopped else progress.deadline_passes(context, given)


def _once_confirmed(context, given):
    return rollback.candidate_crashes(context, given) if context.status.propagation.confirmed else None


def _restores_once_one_pod_has_loaded(context, given):
    candidate = context.status.candidate
    loaded = tuple(pod for pod in context.observed.pods if candidate and protocol.has_loaded(pod, candidate))
    return restore.run_is_loaded(replace(context, observed=replace(context.observed, pods=loaded)), given)


def _restores_without_confirmation(context, _given):
    return restore.run_is_loaded(context, replace(protocol.PROTOCOL, is_confirmed=lambda _context: True))


def _restores_any_files(context, given):
    found = restore.spec_names_an_earlier_run(context, given)
    anything = found and found.status.candidate.model_copy(update={"digest": None, "pinned": False})
    return found and replace(found, status=found.status.changed(candidate=anything))


def _gives_up_the_stable_run(context, given):
    """Serve the rules until an earlier run is loaded."""
    found = restore.spec_names_an_earlier_run(context, given)
    return found and replace(found, status=found.status.changed(stable=None))


def _replaces_a_trusted_run(context, given):
    rollout = context.status.rollout
    if rollout is None:
        return spec_changes.spec_names_a_new_run(context, given)
    other = rollout.model_copy(update={"skips_trial": SkippedTrial.NONE})
    return spec_changes.spec_names_a_new_run(replace(context, status=context.status.changed(candidate=other)), given)


def _promotes_at_once(context, given):
    """End the last stage without a bake."""
    found = bake.last_stage_is_proven(context, given)
    return found and replace(found, status=promotion.promote(context))


def _ends_without_counts(context, given):
    return bake.bake_ends(replace(context, status=context.status.changed(no_data_since=None)), given)


def _ends_without_confirmation(context, _given):
    return bake.bake_ends(context, replace(protocol.PROTOCOL, may_move_forward=lambda _context: True))


def _names_the_candidate_always(context, *, revision, stage):
    candidate = context.status.candidate
    running = candidate and candidate.changed(state=CandidateState.RUNNING)
    always = context.status.changed(candidate=running)
    return protocol.routing_document(replace(context, status=always), revision=revision, stage=stage)


def _counts_former_attempts(context, pod, _crash):
    return context.status.rollout.run_id in pod.runs and not pod.deleting


def _counts_terminating_pods(context, pod, crash):
    return protocol.is_counted(context, replace(pod, deleting=False), crash)


def _resumed(context):
    candidate = context.status.candidate
    return replace(context, status=context.status.changed(candidate=candidate and candidate.changed(pause=None)))


def _paused_or_not(context, given):
    return promotion.stage_is_proven(_resumed(context), given)


def _unless_paused(context, given):
    return None if context.is_stopped else rollback.gate_fails(context, given)


def _held_by_all_but(*lifted):
    """Return the rule without some of its holds."""

    def held_by(context):
        found = protocol.held_by(context)
        return None if found is not None and found.reason in lifted else found

    return without(held_by=held_by)


def _unless_held(context, given):
    return None if given.held_by(context) is not None else rollback.gate_fails(context, given)


def _still_paused(context, given):
    found = manual_actions.retry(context, given)
    still = found and found.status.candidate.changed(pause=Pause(since=context.now))
    return found and replace(found, status=found.status.changed(candidate=still))


class _RemovesPods:
    """In a rollback every pod of a kind is removed at once."""

    at: World

    def __init__(self, kind: Callable[[Pod], bool]) -> None:
        self.kind = kind

    def __call__(self, writes):
        status = self.at.status
        is_rolled_back = (
            status is not None and status.candidate and status.candidate.state is CandidateState.ROLLED_BACK
        )
        found = [pod for pod in self.at.pods.values() if self.kind(pod)] if is_rolled_back else []
        return (*writes, *(RemovePod(pod.name, pod.uid, is_forced=False) for pod in found))


def _removing(kind):
    return ProtocolRules(order=_RemovesPods(kind))


def _pods_of_lost_nodes_are_not_asked(context):
    pods = (pod for pod in context.serving_pods if not pod.node_state.is_away)
    return all(protocol.serves_the_routing(pod, context) for pod in pods)


def _forgotten_pods_are_not_asked(context):
    named = [one.value.split()[1] for one in context.status.handled_requests if one.action == lost_pods.FORGET]
    return all(protocol.serves_the_routing(pod, context) for pod in context.serving_pods if pod.uid not in named)


def _waits_for_kubelets(write):
    return not isinstance(write, RemovePod) or write.waits_for_kubelet


def _drained_without_a_ready_pod(context):
    return not context.ready_pods or protocol.is_confirmed(context)


def _promoting_at_once():
    return tuple(
        replace(row, event="Promoted", target=State.IDLE, rule=_promotes_at_once)
        if row.rule is bake.last_stage_is_proven
        else row
        for row in TABLE
    )


def _after_all_others(rule):
    return (*(row for row in TABLE if row.rule is not rule), *(row for row in TABLE if row.rule is rule))


@dataclass(frozen=True)
class Case:
    """One rule: the scenario that needs it, and the protocol without it."""

    scenario: Callable[[World], None]
    protocol_rules: ProtocolRules


def _takes_any_answer_of_the_check(entry, answer):
    return answer.name == entry.name and answer.number > entry.answers


def _once_its_checks_are_answered(context, given):
    return None if any(entry.is_open for entry in context.status.checks) else rollback.gate_fails(context, given)


CASES = {
    "1 until the run is accepted the routing names no candidate": Case(
        first.run_that_is_refused, without(document=_names_the_candidate_always)
    ),
    "1 once it is rolled back the routing names no candidate": Case(
        first.pod_that_keeps_the_routing_of_a_run_that_was_rolled_back,
        without(document=_names_the_candidate_always),
    ),
    "1 every pod has loaded the run": Case(
        first.pod_that_is_slow_to_load, _instead(pod_rollout.run_is_accepted, _once_one_pod_has_loaded)
    ),
    "1 the operator checks the report": Case(
        first.report_below_the_gate, _instead(pod_rollout.run_is_refused, _without_the_report_check)
    ),
    "2 existing pods, ready or not": Case(
        first.terminating_pod_that_goes_on, without(is_confirmed=_only_ready_pods_confirm)
    ),
    "1 the routing without candidate is confirmed before the template changes": Case(
        first.straggler_of_a_former_attempt, without(is_drained=lambda _context: True)
    ),
    "2 every pod confirms revision and hash": Case(
        first.pod_that_does_not_confirm, without(may_move_forward=lambda context: bool(context.ready_pods))
    ),
    "2 every ready pod has loaded that very run and digest": Case(
        first.pod_that_lost_the_run, without(may_move_forward=_loaded_nowhere_needed)
    ),
    "2 at least one": Case(first.no_pod_is_left, without(may_move_forward=_vacuously)),
    "3 intent into status first": Case(first.crash_between_status_and_children, ProtocolRules(order=_children_first)),
    "3 every write carries the resourceVersion read in gather": Case(
        first.leader_that_wakes_from_a_freeze, ProtocolRules(checks_versions=False)
    ),
    "3 what is written, except measurements, was read directly": Case(
        caches.pod_that_a_cache_has_not_seen, ProtocolRules(needs_direct_reads=lambda *_decision: False)
    ),
    "3 a writer never lowers the revision": Case(
        first.routing_edited_upwards_by_hand,
        without(next_revision=lambda context: context.status.propagation.revision + 1),
    ),
    "3 pods that are ahead after an edit get a higher revision": Case(
        first.routing_edited_and_put_back_by_hand, without(is_foreign_edit=_without_pods(protocol.is_foreign_edit))
    ),
    "3 pods that are ahead after a restore get a higher revision": Case(
        first.status_restored_from_an_older_backup,
        without(
            is_foreign_edit=_without_pods(protocol.is_foreign_edit), next_revision=_without_pods(protocol.next_revision)
        ),
    ),
    "3 a revision that is out of reach is not followed": Case(
        first.routing_edited_beyond_every_revision, without(next_revision=_follows_any_revision)
    ),
    "3 a routing that has lost its owner is adopted": Case(
        first.routing_without_its_owner, ProtocolRules(adopts=lambda *_seen: False)
    ),
    "3 a foreign edit starts a new stage": Case(
        first.routing_edited_in_place_by_hand, without(is_foreign_edit=lambda _context: False)
    ),
    "4 documents of another uid are ignored": Case(
        first.routing_of_a_namesake, ProtocolRules(admit=_admits_other_uids)
    ),
    "4 a lower revision is ignored": Case(
        first.old_routing_applied_after_a_rollback, ProtocolRules(admit=_admits_lower_revisions)
    ),
    "4 a revision out of reach of the announced one is not kept": Case(
        first.routing_edited_beyond_every_revision_before_a_restart, ProtocolRules(admit=_keeps_any_revision)
    ),
    "4 a percent counts only for the run and digest it names": Case(
        first.run_whose_files_changed, ProtocolRules(route=_any_bytes)
    ),
    "4 without an announcement a candidate counts as 0": Case(
        first.pod_that_starts_from_a_stale_mount, ProtocolRules(route=_without_announcement)
    ),
    "4 the revision seen is kept over restarts": Case(
        first.old_routing_applied_after_a_rollback, ProtocolRules(keeps_seen=False)
    ),
    "5 the former template is restored": Case(
        last.stable_run_that_new_pods_cannot_load, _instead(pod_rollout.run_is_refused, _refuses_the_run_only)
    ),
    "5 the former template is restored before its pods are replaced": Case(
        last.stable_run_that_new_pods_do_not_find, _instead(pod_rollout.run_is_refused, _waits_for_ever)
    ),
    "5 an absent run is read again": Case(
        last.run_that_is_copied_later_than_it_is_named, _instead(pod_rollout.run_is_refused, _refuses_absent_runs)
    ),
    "5 a retry raises the attempt": Case(
        last.run_retried_once_its_files_are_fixed, _instead(manual_actions.retry, _in_the_same_attempt)
    ),
    "6 template first, every pod replaced, then the new stage": Case(
        last.rules_edited_in_mid_stage,
        without(is_replaced=lambda context: bool(context.ready_pods)),
    ),
    "7 stragglers are annotated again": Case(
        last.kubelet_that_missed_the_announcement,
        ProtocolRules(
            keeps=lambda write: not (isinstance(write, AnnotatePod) and names.ANNOTATION_POKE in write.annotations)
        ),
    ),
    "7 in a rollback a pod with another revision is evicted": Case(
        last.pod_that_never_refreshes, ProtocolRules(keeps=lambda write: not isinstance(write, RemovePod))
    ),
    "7 silent pods are left alone": Case(last.operator_that_is_cut_off, _removing(lambda pod: pod.is_cut_off)),
    "7 one at a time, never the last ready pod": Case(
        waiting.kubelets_that_all_miss_a_rollback, _removing(lambda pod: pod.is_stuck)
    ),
    "9 pods of nodes that are away are waited for": Case(
        waiting.node_that_comes_back_after_a_rollback, without(is_confirmed=_pods_of_lost_nodes_are_not_asked)
    ),
    "9 a pod that a user declares dead is no longer waited for": Case(
        waiting.pod_that_a_user_declares_dead, _instead(lost_pods.forget_pod, _never)
    ),
    "9 it is deleted, not merely left out": Case(
        waiting.pod_that_a_user_declares_dead,
        replace(without(is_confirmed=_forgotten_pods_are_not_asked), keeps=_waits_for_kubelets),
    ),
    "9 pods of nodes that are out of service are deleted": Case(
        waiting.node_that_is_out_of_service, ProtocolRules(keeps=_waits_for_kubelets)
    ),
    "9 also where no pod is ready": Case(
        waiting.run_tried_again_while_all_nodes_are_away, without(is_drained=_drained_without_a_ready_pod)
    ),
    "7 deleted where no eviction is granted": Case(
        last.pod_that_no_eviction_removes,
        ProtocolRules(keeps=lambda write: not (isinstance(write, RemovePod) and write.is_forced)),
    ),
    "8 since this attempt began": Case(last.crashes_of_a_former_attempt, without(is_counted=_counts_former_attempts)),
    "8 of pods that are not terminating": Case(
        last.pods_that_crash_while_they_terminate, without(is_counted=_counts_terminating_pods)
    ),
    "8 waiting for no confirmation": Case(
        last.crashes_while_a_pod_does_not_confirm, _instead(rollback.candidate_crashes, _once_confirmed)
    ),
    "15 a run that pods do not load is rolled back": Case(
        waiting.run_that_pods_never_load, _instead(progress.deadline_passes, _never)
    ),
    "15 every pod that is ready is progress": Case(
        waiting.pods_that_load_one_after_another, _instead(progress.deadline_passes, _counts_from_the_start)
    ),
    "15 not while the rollout is suspended": Case(
        waiting.rollout_that_is_suspended_while_pods_wait, _instead(progress.deadline_passes, _counts_while_suspended)
    ),
    "10 a trusted run serves before the run of the spec is compared": Case(
        restores.run_that_a_user_trusts, _instead(spec_changes.spec_names_a_new_run, _replaces_a_trusted_run)
    ),
    "10 every pod confirms that it serves no candidate": Case(
        restores.trusted_run_that_a_pod_does_not_confirm,
        _instead(restore.run_is_loaded, _restores_without_confirmation),
    ),
    "17 every pod has loaded an earlier run before it serves": Case(
        restores.one_pod_that_is_slow_to_load_an_earlier_run,
        _instead(restore.run_is_loaded, _restores_once_one_pod_has_loaded),
    ),
    "17 pods load the files that were promoted": Case(
        restores.earlier_run_whose_files_changed, _instead(restore.spec_names_an_earlier_run, _restores_any_files)
    ),
    "17 the stable run serves until an earlier run is loaded": Case(
        restores.earlier_run_that_is_gone, _instead(restore.spec_names_an_earlier_run, _gives_up_the_stable_run)
    ),
    "16 the run before stays stable until the bake ends": Case(
        bakes.run_that_fails_in_its_bake,
        ProtocolRules(table=_promoting_at_once()),
    ),
    "16 a bake does not end while counts cannot be read": Case(
        bakes.bake_without_counts, _instead(bake.bake_ends, _ends_without_counts)
    ),
    "16 a bake that is over ends before another run is compared": Case(
        bakes.run_named_after_the_bake_was_over, _instead(bake.bake_ended_before_another_run_was_named, _never)
    ),
    "16 every pod has loaded the run at the end of its bake": Case(
        bakes.pod_that_lost_the_run_in_its_bake, _instead(bake.bake_ends, _ends_without_confirmation)
    ),
    "11 pods that are not asked answer without the candidate": Case(
        unwatched.operator_that_never_comes_back, ProtocolRules(route=_unwatched)
    ),
    "11 the routing names the timeout": Case(
        unwatched.operator_that_never_comes_back, without(document=_without_a_timeout)
    ),
    "11 the last request is kept over restarts": Case(
        unwatched.pods_that_restart_without_an_operator, ProtocolRules(keeps_heard=False)
    ),
    "12 a step waits for the Pass of its checks": Case(
        checked.check_that_is_not_passed_yet, without(has_passed_checks=lambda _context, _to: True)
    ),
    "12 a promotion on request waits, too": Case(
        checked.promotion_that_is_requested_while_a_check_waits, without(has_passed_checks=lambda _context, _to: True)
    ),
    "12 an answer is for one run, digest, stage and attempt": Case(
        checked.answer_that_comes_after_its_stage, without(is_answer_to=_takes_any_answer_of_the_check)
    ),
    "12 Fail rolls back": Case(checked.check_that_fails, _instead(checks.check_fails, lambda _context, _given: None)),
    "12 a check never delays a rollback": Case(
        checked.gate_that_fails_while_a_check_waits, _instead(rollback.gate_fails, _once_its_checks_are_answered)
    ),
    "8 three crashes roll the run back": Case(
        last.candidate_that_crashes_its_pods, without(is_crashing=lambda _context: False)
    ),
    "13 no step begins while paused": Case(
        requested.paused_rollout_whose_gates_pass, _instead(promotion.stage_is_proven, _paused_or_not)
    ),
    "13 a pause delays no rollback": Case(
        requested.paused_rollout_with_a_failing_gate, _instead(rollback.gate_fails, _unless_paused)
    ),
    "13 a pause ends with its rollout": Case(
        requested.paused_rollout_that_is_aborted_and_tried_again, _instead(manual_actions.retry, _still_paused)
    ),
    "13 a request that ends a pause delays no refusal": Case(
        requested.paused_rollout_that_pods_refuse_while_it_is_resumed,
        ProtocolRules(table=_after_all_others(pod_rollout.run_is_refused)),
    ),
    "14 a step that needs an approval waits": Case(
        held.step_that_nobody_has_approved, _held_by_all_but("AwaitingApproval")
    ),
    "14 a step waits for its window": Case(held.step_at_night, _held_by_all_but("OutsideWindow")),
    "14 no step during a freeze": Case(held.step_during_a_freeze, _held_by_all_but("Frozen")),
    "14 no hold delays a rollback": Case(
        held.gate_that_fails_while_a_step_waits, _instead(rollback.gate_fails, _unless_held)
    ),
    "18 the operator sends the routing to running pods": Case(
        sent.kubelets_that_stop, ProtocolRules(pushable=lambda _resource, _found: None)
    ),
    "18 a push counts as an announcement": Case(
        sent.pods_whose_annotations_do_not_arrive, ProtocolRules(announces_pushed=False)
    ),
    "18 a push must be signed by the operator": Case(
        sent.push_that_nobody_has_signed, ProtocolRules(checks_signatures=False)
    ),
    "18 a push of a lower revision is ignored": Case(
        sent.push_that_is_sent_again, ProtocolRules(admit=_admits_lower_revisions)
    ),
    "18 a push of a lower revision is ignored after a restart": Case(
        sent.push_that_is_sent_again_after_a_restart, ProtocolRules(keeps_seen=False)
    ),
    "18 what a deposed operator sends is ignored": Case(
        sent.operator_that_sends_what_it_read_long_ago, ProtocolRules(admit=_admits_lower_revisions)
    ),
    "18 a push of another uid is ignored": Case(
        sent.push_to_the_pod_of_a_namesake, ProtocolRules(admit=_admits_other_uids)
    ),
    "18 only what status has decided is sent": Case(
        sent.routing_that_a_user_edits, ProtocolRules(pushable=_pushes_what_it_reads)
    ),
    "19 verdicts are acted on only at a check with new counts": Case(
        late.stage_whose_counts_turn_bad_while_they_do_not_arrive,
        ProtocolRules(table=tuple(replace(row, acts_on_verdicts=False) for row in TABLE)),
    ),
    "19 what needs no counts does not wait for them": Case(
        late.promotion_that_is_requested_while_counts_do_not_arrive,
        ProtocolRules(table=tuple(replace(row, acts_on_verdicts=True) for row in TABLE)),
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_with_the_whole_protocol_the_scenario_ends_well(case):
    case.scenario(world())


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_without_the_rule_an_invariant_breaks(case):
    with pytest.raises(Broken):
        case.scenario(world(protocol_rules=case.protocol_rules))


@pytest.mark.parametrize(
    "scenario", [sent.key_that_is_rotated_during_a_rollout, sent.pods_of_an_older_server], ids=lambda one: one.__name__
)
def test_keys_and_servers_may_differ(scenario):
    scenario(world())


def test_a_promote_acts_once_and_only_in_the_stage_that_it_names():
    at = world()
    at.settle(until=has_percent(0))
    at.verdict = "unsure"
    at.request("promote", f"{A} 0 because")
    at.settle(rounds=20)
    if at.status.rollout.percent != 10:
        raise Broken(f"(g) one promote led to {at.status.rollout.percent:g} %")
