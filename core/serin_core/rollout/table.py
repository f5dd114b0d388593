"""The transition table of a trial: in which state, by which event, to which state. The table is data.

Each row names the rule that says whether its event has happened in a `Context`, and what the status becomes. Rows are
tried in order and the first that holds is taken, one a pass, so their order is the order of precedence. The diagram in
docs/protocol.md is made from this table. Whatever a rule needs to know of the cluster it asks through `Protocol`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from serin_core.api.status import Status
from serin_core.rollout import manual_actions, pod_rollout, promotion, rollback, spec_changes
from serin_core.rollout.protocol import Context, Protocol
from serin_core.rollout.transition import Transition

Rule = Callable[[Context, Protocol], Transition | None]


class State(StrEnum):
    """The states of the table: those of a trial, and none at all."""

    IDLE = "Idle"
    DRAINING = "Draining"
    LOADING = "Loading"
    RUNNING = "Running"
    ROLLED_BACK = "RolledBack"
    REFUSED = "Refused"


ANY = tuple(State)
ON_TRIAL = (State.DRAINING, State.LOADING, State.RUNNING)
OVER = (State.ROLLED_BACK, State.REFUSED)


def state_of(status: Status) -> State:
    """Answer where a status stands in the table."""
    return State.IDLE if status.candidate is None else State(status.candidate.state.value)


@dataclass(frozen=True, slots=True)
class Row:
    """One arrow: from any of `sources`, when `rule` holds, to `target` (None: wherever it was)."""

    event: str
    sources: tuple[State, ...]
    target: State | None
    rule: Rule


class ImpossibleTransitionError(RuntimeError):
    """A rule led to a state that the table does not allow: a mistake in the program."""


TABLE: tuple[Row, ...] = (
    # A person's abort wins over all.
    Row("Aborted", ON_TRIAL, State.ROLLED_BACK, manual_actions.abort_of_the_candidate),
    Row("Aborted", ON_TRIAL, None, manual_actions.abort_of_the_stable_run_during_a_trial),
    Row("Aborted", (State.IDLE, *OVER), State.ROLLED_BACK, manual_actions.abort_of_the_stable_run),
    # Then whatever takes a run back, or keeps it from being seen.
    Row("Crashed", ON_TRIAL, State.ROLLED_BACK, rollback.candidate_crashes),
    Row("Braked", (State.IDLE, *OVER), State.ROLLED_BACK, rollback.emergency_stop_requested),
    Row("Failed", (State.RUNNING,), State.ROLLED_BACK, rollback.gate_fails),
    Row("Undecided", (State.RUNNING,), State.ROLLED_BACK, rollback.stage_stays_undecided),
    Row("Unwatched", (State.RUNNING,), State.ROLLED_BACK, rollback.stage_has_no_data),
    Row("Refused", (State.RUNNING,), State.REFUSED, pod_rollout.pods_disagree_on_the_digest),
    # Then what the spec has come to name.
    Row("Refused", ANY, State.REFUSED, spec_changes.stable_run_has_another_digest),
    Row("Settled", (*ON_TRIAL, *OVER), State.IDLE, spec_changes.spec_names_the_stable_run),
    Row("Restored", ANY, State.IDLE, spec_changes.spec_names_the_previous_run),
    Row("Withheld", ANY, State.ROLLED_BACK, spec_changes.spec_names_a_rejected_run),
    Row("Begun", ANY, State.DRAINING, spec_changes.spec_names_a_new_run),
    Row("Retried", OVER, State.DRAINING, manual_actions.retry),
    Row("Lowered", (State.RUNNING,), State.RUNNING, spec_changes.cap_is_below_the_share),
    Row("Retuned", (State.RUNNING, State.IDLE), None, spec_changes.thresholds_changed),
    Row("Rejudged", (State.RUNNING,), State.RUNNING, spec_changes.gates_changed),
    # Then what the pods have come to.
    Row("Replacing", (State.RUNNING,), State.RUNNING, pod_rollout.template_changed),
    Row("Replaced", (State.RUNNING,), State.RUNNING, pod_rollout.pods_are_replaced),
    Row("Drained", (State.DRAINING,), State.LOADING, pod_rollout.pods_are_drained),
    Row("Refused", (State.LOADING,), State.REFUSED, pod_rollout.run_is_refused),
    Row("Accepted", (State.LOADING,), State.RUNNING, pod_rollout.run_is_accepted),
    # And last, whatever moves forward.
    Row("Started", (State.RUNNING,), State.RUNNING, promotion.stage_is_confirmed),
    Row("Raised", (State.RUNNING,), State.RUNNING, manual_actions.promote_one_step),
    Row("Promoted", (State.RUNNING,), State.IDLE, manual_actions.promote_the_last_step),
    Row("Raised", (State.RUNNING,), State.RUNNING, promotion.stage_is_proven),
    Row("Promoted", (State.RUNNING,), State.IDLE, promotion.last_stage_is_proven),
    Row("AtCap", (State.RUNNING,), State.RUNNING, promotion.cap_is_proven),
)


def take_first(context: Context, protocol: Protocol, table: Iterable[Row] = TABLE) -> tuple[Row, Transition] | None:
    """Answer the first row that holds, and its move; None where nothing moves.

    Raises ImpossibleTransitionError where a rule leads elsewhere than its row says.
    """
    state = state_of(context.status)
    for row in table:
        transition = row.rule(context, protocol) if state in row.sources else None
        if transition is None:
            continue
        after = state_of(transition.status)
        if after is not (row.target or state):
            raise ImpossibleTransitionError(f"{row.event} led from {state} to {after}, not to {row.target or state}")
        return row, transition
    return None


def diagram(table: Iterable[Row] = TABLE) -> str:
    """Draw the table as a Mermaid state diagram, the same for the same table."""
    arrows: dict[tuple[State, State], list[str]] = {}
    for row in table:
        for source in row.sources:
            events = arrows.setdefault((source, row.target or source), [])
            if row.event not in events:
                events.append(row.event)
    lines = ["stateDiagram-v2", "    [*] --> Idle"]
    lines += [f"    {source} --> {target}: {', '.join(events)}" for (source, target), events in arrows.items()]
    return "\n".join(lines) + "\n"
