"""Conditions and phase: what `kubectl get`, `kubectl wait` and Argo CD read. docs/conditions.md lists them all."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from serin_core.api.base import shortened
from serin_core.api.status import CandidateState, Condition, Phase, Status, ready_of
from serin_core.kubernetes.diff import Difference
from serin_core.rollout import class_names, destinations, drift, lost_pods, scale
from serin_core.rollout.canary_steps import is_at_cap
from serin_core.rollout.observation import Override
from serin_core.rollout.protocol import Context
from serin_core.rollout.ready_reason import ready_reason
from serin_core.rollout.ready_state import ReadyReason, Truth, stalled

OVERRIDDEN: Final = "ChildOverridden"
"""Type of the condition that names what admission changes in children; the rollout goes on."""
REDUCED: Final = "StatusReduced"
"""Type of the condition that the API server refused the whole status as too large; the rollout goes on."""
UNREACHABLE: Final = "PodsUnreachable"
"""Type of the condition that names pods which cannot confirm a routing."""
MAX_MESSAGE: Final = 4000
"""Characters of a message of a condition."""
_FIELDS = 5
"""Fields of one child that the condition names."""
BEHIND: Final = "PodsBehind"
"""Type of the condition that names pods which respond, but have not taken over the routing."""
Value = tuple[str, Truth, str, str]
"""Type, status, reason and message of a condition."""


def conditions(context: Context) -> tuple[Condition, ...]:
    """Return all conditions of a resource."""
    pods, wanted = context.observed.pods, scale.wanted_replicas(context)
    ready = sum(pod.ready for pod in pods)
    serves: tuple[Truth, str] = ("True", "PodsReady") if ready else ("False", "NoPodReady")
    values = [*_of(ready_reason(context)), ("Available", *serves, f"{ready} of {wanted} pods are ready")]
    if context.status.rollout is not None and not context.spec.shadow:
        message = "spec.shadow is false, but a candidate is always compared in shadow"
        values.append(("ShadowForced", "True", "RolloutRunning", message))
    if unreachable := lost_pods.describe_unreachable(context):
        values.append((UNREACHABLE, "True", "NoResponse", unreachable))
    if behind := lost_pods.describe_behind(context):
        values.append((BEHIND, "True", "FormerRouting", behind))
    if context.observed.status_refusal:
        values.append((REDUCED, "True", "TooLarge", _reduced(context.observed.status_refusal)))
    if unknown := class_names.describe_unknown(context):
        values.append((class_names.UNKNOWN_CLASSES, "True", "NotInRun", unknown))
    if context.observed.overrides:
        values.append((OVERRIDDEN, "True", "ChangedByAdmission", _overrides(context.observed.overrides)))
    if context.status.drift is not None:
        values.append((drift.DRIFTED, context.status.drift.drifted, *drift.describe_drift(context.status.drift)))
    if (failing := destinations.problem(context.spec, context.observed.destinations)) is not None:
        values.append((destinations.FAILING, "True", *failing))
    return build(values, context.status.conditions, generation=context.resource.generation, now=context.now)


def invalid(
    reason: str, message: str, known: Iterable[Condition], *, generation: int, now: datetime
) -> tuple[Condition, ...]:
    """Return the conditions of an object whose spec or status cannot be read; what else is `known` stays."""
    known = tuple(known)
    values = _of(stalled(reason, message))
    replaced = {kind for kind, *_ in values}
    others = tuple(condition for condition in known if condition.type not in replaced)
    return (*build(values, known, generation=generation, now=now), *others)


def build(
    values: Iterable[Value], known: Iterable[Condition], *, generation: int, now: datetime
) -> tuple[Condition, ...]:
    """Return conditions with these values; `lastTransitionTime` moves only when a status changes."""
    before = {condition.type: condition for condition in known}
    return tuple(
        Condition(
            type=kind,
            status=status,
            reason=reason,
            message=shortened(message, MAX_MESSAGE),
            observed_generation=generation,
            last_transition_time=before[kind].last_transition_time
            if kind in before and before[kind].status == status
            else now,
        )
        for kind, status, reason, message in values
    )


def ready_reason_since(before: Status, found: Iterable[Condition], now: datetime) -> datetime:
    """Return since when Ready has the reason that was `found`; its lastTransitionTime moves with its status only."""
    was, is_now = before.ready, ready_of(found)
    is_same = (was and was.reason) == (is_now and is_now.reason)
    return before.ready_reason_since or now if is_same else now


def _of(state: ReadyReason) -> list[Value]:
    return [
        ("Ready", state.ready, state.reason, state.message),
        _truth("Reconciling", state, holds=state.is_reconciling, otherwise="Settled"),
        _truth("Stalled", state, holds=state.is_stalled, otherwise="NotStalled"),
    ]


def _reduced(refusal: str) -> str:
    """Return what is missing in the status, and how a user can change that."""
    return (
        f"The API server refused the whole status ({shortened(refusal, 300)}). A shorter one is written, with the last "
        "transitions only; decisions are the same. Use fewer custom gates or series, or remove large annotations"
    )


def _overrides(overrides: Iterable[Override]) -> str:
    """Return which fields of which children admission keeps as they are, and how a user can change that."""
    found = [f"{one.child}: {_fields(one.differences)}" for one in overrides]
    hint = "exempt this namespace from the webhook or policy that does it, or set the same values in spec"
    return f"Admission changes what the operator applies: {'; '.join(found)}. It is not applied again; {hint}"


def _fields(differences: Sequence[Difference]) -> str:
    more = [f"{len(differences) - _FIELDS} more"] if len(differences) > _FIELDS else []
    return ", ".join([*map(str, differences[:_FIELDS]), *more])


def _truth(kind: str, state: ReadyReason, *, holds: bool, otherwise: str) -> Value:
    return (kind, "True", state.reason, state.message) if holds else (kind, "False", otherwise, "")


def phase(context: Context) -> Phase:
    """Return the state in one word."""
    candidate = context.status.candidate
    if context.status.rollout is not None and context.is_stopped:
        return Phase.SUSPENDED if context.spec.suspend else Phase.PAUSED
    if candidate is None:
        return Phase.PENDING if context.status.stable is None else Phase.PROMOTED
    if candidate.state is CandidateState.RUNNING:
        shown = Phase.BAKING if candidate.bake else Phase.CANARY if candidate.percent > 0 else Phase.SHADOW
        return Phase.AT_CAP if is_at_cap(context.spec.canary, candidate) else shown
    return _OTHER_PHASES.get(candidate.state, Phase.PENDING)


_OTHER_PHASES: Final = {
    CandidateState.ROLLED_BACK: Phase.ROLLED_BACK,
    CandidateState.REFUSED: Phase.REFUSED,
    CandidateState.STOPPED: Phase.STOPPED,
}
