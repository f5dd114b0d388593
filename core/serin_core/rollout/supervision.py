"""Rule 11, the operator's part: pods that no operator has asked for too long answer without the candidate."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from serin_core.api.durations import format_duration
from serin_core.api.status import Candidate, CandidateState, Status
from serin_core.api.supervision import Supervision
from serin_core.contract.pod_report import PodReport
from serin_core.rollout.protocol import Context, Protocol
from serin_core.rollout.transition import Transition

_ASKS: Final = 4
"""Requests within one timeout, so that one may fail."""
_ALWAYS: Final = timedelta.max


def ask_within(context: Context) -> timedelta:
    """Return when pods must be asked again, so that none falls back while an operator works."""
    timeout, candidate = context.spec.canary.supervision_timeout, context.status.candidate
    is_serving = candidate is not None and candidate.state is CandidateState.RUNNING and candidate.percent > 0
    return timeout / _ASKS if is_serving and timeout else _ALWAYS


def forget_gone_pods(context: Context) -> Status:
    """Return the status without what was known of pods that are gone, or that count from 0 again."""
    known, reported = context.status.supervision.known, _reported(context)
    present = {pod.uid for pod in context.observed.pods}
    kept = {uid: min(seconds, reported.get(uid, seconds)) for uid, seconds in known.items() if uid in present}
    return context.status if kept == known else _with_known(context.status, kept)


def pods_had_fallen_back(context: Context, _protocol: Protocol) -> Transition | None:
    """An operator is back and finds pods that had answered without the candidate: the soak of the stage is longer."""
    status, reported = context.status, _reported(context)
    known = status.supervision.known
    lapses = [seconds - known.get(uid, 0.0) for uid, seconds in reported.items() if seconds > known.get(uid, 0.0)]
    if not lapses:
        return None
    longest = timedelta(seconds=max(lapses))
    candidate, longer = status.candidate, ""
    if candidate is not None and candidate.soaking_since is not None:
        bake = candidate.bake and candidate.bake.without(longest, context.now)
        later = candidate.changed(bake=bake).with_soak(candidate.soak.without(longest, context.now))
        status = status.changed(candidate=later)
        longer = "; this time does not count for the soak"
    found = Supervision(
        until=context.now, pods=len(lapses), seconds=longest.total_seconds(), known={**known, **reported}
    )
    is_back = candidate is not None and candidate.state is CandidateState.RUNNING and candidate.percent > 0
    again = "; they serve the candidate again" if is_back else ""
    message = f"{_lapse(found, context)}{again}{longer}"
    run_id = "" if candidate is None else candidate.run_id
    return Transition(status.changed(supervision=found), run_id, message, is_warning=True)


def lapse_in_stage(context: Context) -> str:
    """Return an addition to the state of a stage in which pods had fallen back, "" for any other."""
    found, candidate = context.status.supervision, context.status.candidate
    if not _is_in_stage(found, candidate) or found.until is None:
        return ""
    return f". Until {found.until:%Y-%m-%d %H:%M:%S} UTC, {_lapse(found, context)}"


def _is_in_stage(found: Supervision, candidate: Candidate | None) -> bool:
    started = None if candidate is None else candidate.stage_started_at
    return found.until is not None and started is not None and started < found.until


def _lapse(found: Supervision, context: Context) -> str:
    timeout = format_duration(context.spec.canary.supervision_timeout)
    lasted = format_duration(timedelta(seconds=max(1, round(found.seconds))))
    pods = "1 pod" if found.pods == 1 else f"{found.pods} pods"
    return f"{pods} answered without the candidate for up to {lasted}: no operator had asked for {timeout}"


def _reported(context: Context) -> Mapping[str, float]:
    """Return by pod the seconds without the candidate, of those pods that report any."""
    reports = {pod.uid: pod.report for pod in context.observed.pods}
    seconds = {uid: one.supervision.lapsed_seconds for uid, one in reports.items() if isinstance(one, PodReport)}
    known = context.status.supervision.known
    return {uid: lapsed for uid, lapsed in seconds.items() if lapsed > 0 or uid in known}


def _with_known(status: Status, known: dict[str, float]) -> Status:
    return status.changed(supervision=status.supervision.model_copy(update={"known": known}))
