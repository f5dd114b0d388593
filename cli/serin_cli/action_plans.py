"""What a manual action would do to a rollout as it is, or why it cannot be done. Pure; the same for every front end."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from serin_cli.resource import Live, candidate_of, is_running, ready_condition, run_of
from serin_core.api.bake import Bake
from serin_core.api.durations import format_duration
from serin_core.api.spec import Canary
from serin_core.kubernetes.owner import owner_of
from serin_core.rollout.canary_steps import next_step

_NO_ROLLOUT: Final = "no rollout is running"
_STOP: Final = {"canary": {"percent": 0}}
"""What takes a promoted run out of service by an edit of the spec, where no run was stable before."""
_EVERYONE: Final = 100.0
_FAILED: Final = ("RolledBack", "Refused")


class ActionRefusedError(Exception):
    """The state of the rollout does not allow the action. The message is one line."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A request that carries out an action, and its effect."""

    action: str
    run: str
    details: tuple[str, ...] = ()
    """What the request names beside the run: of a promote, the stage."""
    effect: str = ""
    """What will happen, in a few sentences."""


def plan(action: str, live: Live) -> Plan:
    """Return the request of promote, promote-full, pause, resume, abort, retry or undo. Raises ActionRefusedError."""
    return _PLANS[action](live)


def offered(live: Live) -> list[Plan]:
    """Return the actions that the operator would accept now, most likely ones first."""
    candidate, is_stopped = candidate_of(live), bool(live.get("spec", {}).get("suspend"))
    is_paused, is_failed = bool(candidate.get("pause")), candidate.get("state") in _FAILED
    can_advance = is_running(live) and not is_paused and not is_stopped
    names = [
        *(["promote"] if can_advance and candidate.get("state") == "Running" else []),
        *(["resume"] if is_running(live) and is_paused else []),
        *(["pause"] if is_running(live) and not is_paused else []),
        *(["abort"] if is_running(live) else []),
        *(["retry"] if is_failed and candidate.get("runID") == live.get("spec", {}).get("runID") else []),
        *(["undo"] if run_of(live, "stable") else []),
    ]
    return [found for name in names if (found := _plan_or_none(name, live)) is not None]


def _plan_or_none(action: str, live: Live) -> Plan | None:
    try:
        return plan(action, live)
    except ActionRefusedError:
        return None


def follower(live: Live) -> str | None:
    """Return the run that serves after an undo, None for the rules."""
    to_rules = live.get("spec", {}).get("rollback", {}).get("to") == "Rules"
    return None if to_rules else run_of(live, "previous")


def change_of_undo(live: Live) -> dict[str, Any]:
    """Return the edit of the spec with the effect of an undo; {} where the spec names another run anyway."""
    spec = live.get("spec", {})
    if spec.get("runID") != run_of(live, "stable"):
        return {}
    previous = follower(live)
    return {"runID": previous} if previous else _STOP


def _promote(live: Live) -> Plan:
    candidate = _candidate(live, _NO_ROLLOUT)
    stage = "bake" if candidate.get("bake") else f"{candidate.get('percent', 0):g}"
    return Plan("promote", candidate["runID"], (stage,), _effect_of_promote(live, candidate))


def _effect_of_promote(live: Live, candidate: Live) -> str:
    run, percent = candidate["runID"], float(candidate.get("percent", 0))
    if candidate.get("bake"):
        return f"The bake ends: {run} is promoted, and the run before is no longer compared with it."
    try:
        following = next_step(Canary.model_validate(live.get("spec", {}).get("canary") or {}), percent=percent)
        bake = Bake.model_validate(live.get("spec", {}).get("bake") or {}).duration
    except ValidationError:
        return f"{run} advances one step."
    if following is not None:
        step = f"{run} goes from {percent:g} % to {following:g} % of users"
    elif percent < _EVERYONE:
        raise ActionRefusedError(f"{run} has reached the last step, {percent:g} % of users; to go on, raise the cap")
    else:
        step = f"{run} bakes for {format_duration(bake)}" if bake else f"{run} is promoted: it is the stable run"
    if ready_condition(live).get("reason") == "AwaitingApproval":
        return f"{step}, as this step waits for an approval."
    return f"{step}, without waiting for soak, windows and gates without a verdict. Never past a failing gate."


def _promote_full(live: Live) -> Plan:
    run = _candidate(live, _NO_ROLLOUT)["runID"]
    return Plan("promote-full", run, effect=f"{run} advances through all steps to promotion, without metric gates.")


def _retry(live: Live) -> Plan:
    run = _candidate(live, "nothing to retry: no run was rolled back or refused")["runID"]
    return Plan("retry", run, effect=f"The rollout of {run} starts again, in shadow, which no user sees.")


def _pause(live: Live) -> Plan:
    candidate = _running(live, "pause")
    percent = f"{candidate.get('percent', 0):g}"
    text = f"{candidate['runID']} stays at {percent} % of users: no step, no soak. A failing gate still rolls back."
    return Plan("pause", candidate["runID"], effect=text)


def _resume(live: Live) -> Plan:
    run = _running(live, "resume")["runID"]
    return Plan("resume", run, effect=f"The rollout of {run} goes on, and its soak timer counts again.")


def _abort(live: Live) -> Plan:
    stable = run_of(live, "stable")
    if not is_running(live) and stable is None:
        raise ActionRefusedError(f"{_NO_ROLLOUT}; the rules serve all users")
    if not is_running(live):
        undo = f"To take it out of service: kubectl serin undo {live['metadata']['name']}"
        raise ActionRefusedError(f"{_NO_ROLLOUT}; {stable} is stable. {undo}")
    run = candidate_of(live)["runID"]
    serving = f"{stable} serves" if stable else "the rules serve"
    text = f"The rollout of {run} ends, and it is rolled back: {serving} all users. Only a retry rolls it out again."
    return Plan("abort", run, effect=text)


def _undo(live: Live) -> Plan:
    stable = run_of(live, "stable")
    if stable is None:
        raise ActionRefusedError(f"{live['metadata']['name']} has no stable run; the rules serve all users")
    text = f"{stable} will be taken out of service; {follower(live) or 'the rules'} will serve instead."
    owner = owner_of(live)
    if owner is not None and live.get("spec", {}).get("runID") == stable:
        text += f" {owner.capitalized} still has {stable}: change spec.runID there too."
    if is_running(live):
        text += f" The evidence of {run_of(live, 'candidate')}, whose rollout is running, will be reset."
    return Plan("undo", stable, effect=text)


def _candidate(live: Live, missing: str) -> Live:
    candidate = candidate_of(live)
    if not candidate:
        raise ActionRefusedError(missing)
    return candidate


def _running(live: Live, action: str) -> Live:
    if not is_running(live):
        raise ActionRefusedError(f"nothing to {action}: {_NO_ROLLOUT}")
    return candidate_of(live)


_PLANS: Final[Mapping[str, Callable[[Live], Plan]]] = {
    "promote": _promote,
    "promote-full": _promote_full,
    "pause": _pause,
    "resume": _resume,
    "abort": _abort,
    "retry": _retry,
    "undo": _undo,
}
ACTIONS: Final = tuple(_PLANS)
