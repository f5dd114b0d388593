"""Evidence of the current stage: crashes that were seen, and gates judged on the counts of this check."""

from datetime import datetime, timedelta
from typing import Final

from serin_core.api.gate_status import GateStatus
from serin_core.api.status import Candidate, Status
from serin_core.contract.pod_report import PodReport
from serin_core.counting.actual_share import actual_share
from serin_core.counting.server_counters import StageCounts
from serin_core.gates.evaluation import Stage, expected_low_confidence, judge_stage
from serin_core.gates.queries import judge_queries
from serin_core.gates.result import PreviousCheck
from serin_core.rollout.observation import NOT_READ
from serin_core.rollout.protocol import CRASH_WINDOW, Context, Protocol

CHECKPOINT_EVERY: Final = timedelta(minutes=5)


def note_crashes(context: Context, protocol: Protocol) -> Status:
    """Return the status with the recent crashes of containers that had loaded the candidate."""
    if context.status.rollout is None:
        return context.status.changed(crashes=())
    seen = [crash for pod in context.observed.pods for crash in pod.crashes if protocol.is_counted(context, pod, crash)]
    known = {(crash.pod, crash.restart): crash for crash in (*context.status.crashes, *seen)}
    recent = (crash for crash in known.values() if context.now - crash.at <= CRASH_WINDOW)
    return context.status.changed(crashes=tuple(sorted(recent, key=lambda crash: (crash.at, crash.pod))))


def judge(context: Context) -> Status:
    """Return the status with every gate of a started stage judged on the counts of this check, if it has any."""
    status, rollout, reading = context.status, context.status.rollout, context.observed.reading
    if rollout is None or rollout.stage_started_at is None:
        return status
    if not context.observed.has_new_reading:
        return status if status.gates else status.changed(gates=_unread(context, rollout, rollout.stage_started_at))
    queries = judge_queries(
        context.spec,
        percent=rollout.percent,
        results=context.observed.queries,
        before=status.gates,
        now=context.now,
    )
    stage = Stage(rollout.percent, rollout.stage_started_at, _expected_low_confidence(context, rollout))
    judged = judge_stage(context.spec, stage, reading, PreviousCheck.of(status), now=context.now)
    if not isinstance(reading, StageCounts):
        known = {gate.name: gate.without_verdict(reading.reason, reading.message) for gate in status.gates}
        # Also those that have never been judged: the stage waits for them, even if every query passes.
        unread = tuple(known.get(one.gate.name, one.gate) for one in judged)
        return status.changed(gates=(*unread, *queries), no_data_since=status.no_data_since or context.now)
    checkpoint = status.checkpoint
    if checkpoint is None or context.now - checkpoint.at >= CHECKPOINT_EVERY:
        checkpoint = reading.checkpoint(context.now, alive=_processes(context))
    # The results of queries show nothing about the series of the pods, except where nothing else is checked.
    has_data = any(one.gate.total for one in judged) if judged else all(gate.has_data for gate in queries)
    return status.changed(
        gates=(*(one.gate for one in judged), *queries),
        memory={one.gate.name: one.memory for one in judged},
        actual_share=actual_share(reading, wanted=rollout.served_percent) or status.actual_share,
        checkpoint=checkpoint,
        no_data_since=None if has_data else status.no_data_since or context.now,
    )


def _unread(context: Context, rollout: Candidate, started_at: datetime) -> tuple[GateStatus, ...]:
    """Return the gates of a stage whose counts have never been read."""
    stage = Stage(rollout.percent, started_at, expected_low_confidence=None)
    judged = judge_stage(context.spec, stage, NOT_READ, PreviousCheck.of(context.status), now=context.now)
    queries = judge_queries(
        context.spec, percent=rollout.percent, results={}, before=context.status.gates, now=context.now
    )
    return (*(one.gate for one in judged), *queries)


def _processes(context: Context) -> frozenset[str] | None:
    """Return the server processes of all pods, None where a pod has not reported its own."""
    reports = [pod.report for pod in context.observed.pods]
    found = frozenset(report.process for report in reports if isinstance(report, PodReport))
    return found if all(isinstance(report, PodReport) for report in reports) else None


def _expected_low_confidence(context: Context, rollout: Candidate) -> float | None:
    """Return the share of answers below their threshold that the run's report leads to expect, None if unknown."""
    runs = (pod.run(rollout.run_id) for pod in context.observed.pods)
    quality = next((run.quality for run in runs if run is not None and run.quality is not None), None)
    return expected_low_confidence(quality, rollout.thresholds.per_class, rollout.thresholds.default)
