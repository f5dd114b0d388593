"""The transition table of a rollout: in which state, by which event, to which state. The table is data.

Each row has a rule that returns what the status becomes if its event has happened in a `Context`. Rows are tried in
order and the first that holds is taken, one a pass, so their order is their precedence. The diagram in
docs/contracts.md is made from this table. Rules ask `Protocol` whatever they need to know about the cluster.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from serin_core.api.status import Status
from serin_core.rollout import (
    bake,
    checks,
    emergency_stop,
    foreign_edits,
    lost_pods,
    manual_actions,
    pauses,
    pod_rollout,
    progress,
    promotion,
    restore,
    rollback,
    spec_changes,
    supervision,
)
from serin_core.rollout.protocol import Context, Protocol
from serin_core.rollout.transition import Transition

Rule = Callable[[Context, Protocol], Transition | None]


class State(StrEnum):
    """States of the table: those of a candidate, and Idle without one."""

    IDLE = "Idle"
    DRAINING = "Draining"
    LOADING = "Loading"
    RUNNING = "Running"
    ROLLED_BACK = "RolledBack"
    REFUSED = "Refused"
    STOPPED = "Stopped"


ANY = tuple(State)
UNDER_WAY = (State.DRAINING, State.LOADING, State.RUNNING)
OVER = (State.ROLLED_BACK, State.REFUSED)
ENDED = (*OVER, State.STOPPED)


def state_of(status: Status) -> State:
    """Return the state of a status in the table."""
    return State.IDLE if status.candidate is None else State(status.candidate.state.value)


@dataclass(frozen=True, slots=True)
class Row:
    """One arrow: from any of `sources`, if `rule` returns a transition, to `target` (None: the same state)."""

    event: str
    sources: tuple[State, ...]
    target: State | None
    rule: Rule
    acts_on_verdicts: bool = False
    """Whether it needs gates that were judged at this very check: counts of an earlier one may be outdated."""


class ImpossibleTransitionError(RuntimeError):
    """A rule led to a state that its row does not allow: a bug."""


TABLE: tuple[Row, ...] = (
    # Requests that take a run out of service come first.
    Row("RolloutAborted", UNDER_WAY, State.ROLLED_BACK, manual_actions.abort),
    Row("Undone", (*UNDER_WAY, State.STOPPED), None, manual_actions.undo),
    Row("Undone", (State.IDLE, *OVER), State.ROLLED_BACK, manual_actions.undo),
    # Rollbacks, and refusals of a run that pods already serve.
    Row("CandidateCrashed", UNDER_WAY, State.ROLLED_BACK, rollback.candidate_crashes),
    Row("EmergencyStop", (State.IDLE, *OVER), State.STOPPED, emergency_stop.requested),
    Row("EmergencyStop", (State.RUNNING,), State.STOPPED, emergency_stop.requested_in_the_bake),
    Row("GateFailed", (State.RUNNING,), State.ROLLED_BACK, rollback.gate_fails, acts_on_verdicts=True),
    Row("CheckFailed", (State.RUNNING,), State.ROLLED_BACK, checks.check_fails),
    Row("StageTimedOut", (State.RUNNING,), State.ROLLED_BACK, rollback.stage_stays_undecided, acts_on_verdicts=True),
    Row("NoDataTimedOut", (State.RUNNING,), State.ROLLED_BACK, rollback.stage_has_no_data, acts_on_verdicts=True),
    Row("RunRefused", (State.RUNNING,), State.REFUSED, pod_rollout.pods_disagree_on_the_digest),
    Row("ProgressDeadlineExceeded", (State.LOADING,), State.ROLLED_BACK, progress.deadline_passes),
    # Which run the spec names, once a bake that is over has ended.
    Row("Promoted", (State.RUNNING,), State.IDLE, bake.bake_ended_before_another_run_was_named, acts_on_verdicts=True),
    Row("RunRefused", ANY, State.REFUSED, spec_changes.stable_run_has_another_digest),
    Row("EmergencyStopEnded", (State.STOPPED,), State.IDLE, emergency_stop.ended),
    Row("EmergencyStopEnded", (State.STOPPED,), State.RUNNING, emergency_stop.ended_in_the_bake),
    Row("RolloutCancelled", (*UNDER_WAY, *ENDED), State.IDLE, spec_changes.spec_names_the_stable_run),
    Row("PreviousRunRestored", ANY, State.IDLE, spec_changes.spec_names_the_previous_run),
    Row("RunRejected", ANY, State.ROLLED_BACK, spec_changes.spec_names_a_rejected_run),
    Row("TrustRequested", ANY, State.DRAINING, restore.trust),
    Row("RestoreStarted", ANY, State.DRAINING, restore.spec_names_an_earlier_run),
    Row("RolloutStarted", ANY, State.DRAINING, spec_changes.spec_names_a_new_run),
    Row("RolloutRetried", OVER, State.DRAINING, manual_actions.retry),
    # What restarts a stage or changes how it is judged.
    Row("PercentLowered", (State.RUNNING,), State.RUNNING, spec_changes.cap_is_below_the_share),
    Row("RoutingReverted", ANY, None, foreign_edits.routing_was_changed),
    Row("ThresholdsChanged", (State.RUNNING, State.IDLE), None, spec_changes.thresholds_changed),
    Row("GatesChanged", (State.RUNNING,), State.RUNNING, spec_changes.gates_changed),
    Row("HoldbackChanged", (State.RUNNING,), State.RUNNING, bake.holdback_changed),
    Row("CapChanged", UNDER_WAY, None, spec_changes.cap_changed),
    # Before requests that end a hold: otherwise a paused rollout would be refused a pass later than another one.
    Row("RunRefused", (State.LOADING,), State.REFUSED, pod_rollout.run_is_refused),
    Row("PromotionRequested", UNDER_WAY, None, manual_actions.promote_full),
    Row("Paused", UNDER_WAY, None, pauses.pause),
    Row("Resumed", UNDER_WAY, None, pauses.resume),
    Row("SupervisionLapsed", ANY, None, supervision.pods_had_fallen_back),
    # What the pods have reached.
    Row("PodForgotten", ANY, None, lost_pods.forget_pod),
    Row("PodsReplacing", (State.RUNNING,), State.RUNNING, pod_rollout.template_changed),
    Row("PodsReplaced", (State.RUNNING,), State.RUNNING, pod_rollout.pods_are_replaced),
    Row("PodsLoading", (State.DRAINING,), State.LOADING, pod_rollout.pods_are_drained),
    Row("RunRestored", (State.LOADING,), State.IDLE, restore.run_is_loaded),
    Row("AcceptancePassed", (State.LOADING,), State.RUNNING, pod_rollout.run_is_accepted),
    # Moves forward come last.
    Row("StageStarted", (State.RUNNING,), State.RUNNING, promotion.stage_is_confirmed),
    Row("CheckPassed", (State.RUNNING,), State.RUNNING, checks.check_passes),
    Row("StepAdvanced", (State.RUNNING,), State.RUNNING, manual_actions.promote_one_step),
    Row("BakeStarted", (State.RUNNING,), State.RUNNING, manual_actions.promote_into_the_bake),
    Row("Promoted", (State.RUNNING,), State.IDLE, manual_actions.promote_the_last_step),
    Row("StepAdvanced", (State.RUNNING,), State.RUNNING, promotion.stage_is_proven, acts_on_verdicts=True),
    Row("BakeStarted", (State.RUNNING,), State.RUNNING, bake.last_stage_is_proven, acts_on_verdicts=True),
    Row("Promoted", (State.RUNNING,), State.IDLE, promotion.last_stage_is_proven, acts_on_verdicts=True),
    Row("Promoted", (State.RUNNING,), State.IDLE, bake.bake_ends, acts_on_verdicts=True),
    Row("AtCap", (State.RUNNING,), State.RUNNING, promotion.cap_is_proven, acts_on_verdicts=True),
)


def take_first(context: Context, protocol: Protocol, table: Iterable[Row] = TABLE) -> tuple[Row, Transition] | None:
    """Return the first row that holds and its transition; None if none holds.

    Raises ImpossibleTransitionError if the rule leads to another state than its row says.
    """
    state = state_of(context.status)
    for row in table:
        is_possible = state in row.sources and (context.is_judged or not row.acts_on_verdicts)
        transition = row.rule(context, protocol) if is_possible else None
        if transition is None:
            continue
        after = state_of(transition.status)
        if after is not (row.target or state):
            raise ImpossibleTransitionError(f"{row.event} led from {state} to {after}, not to {row.target or state}")
        return row, transition
    return None


def diagram(table: Iterable[Row] = TABLE) -> str:
    """Return the table as a Mermaid state diagram, the same for the same table."""
    arrows: dict[tuple[State, State], list[str]] = {}
    for row in table:
        for source in row.sources:
            events = arrows.setdefault((source, row.target or source), [])
            if row.event not in events:
                events.append(row.event)
    lines = ["stateDiagram-v2", "    [*] --> Idle"]
    lines += [f"    {source} --> {target}: {', '.join(events)}" for (source, target), events in arrows.items()]
    return "\n".join(lines) + "\n"
