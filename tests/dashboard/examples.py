"""SuggestionModels and trial records as the API server has them, made with the operator's own models."""

from datetime import UTC, datetime, timedelta

from serin_core.api.actual_share import ActualShare
from serin_core.api.gate_status import Checkpoint, GateStatus, ProcessCounts
from serin_core.api.record import Outcome, TransitionRecord, TrialRecord
from serin_core.api.status import (
    Candidate,
    CandidateState,
    Condition,
    HistoryEntry,
    Phase,
    Propagation,
    RunInUse,
    Status,
)
from serin_core.api.status_view import condensed
from serin_core.evidence.confidence_sequence import confidence_sequence
from serin_core.evidence.counts import Counts, Verdict
from serin_core.rollout import recording

NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)
START = NOW - timedelta(hours=3)
RUN, OLD = "run_0123abcd_1767225600", "run_00000000_1700000000"
DIGEST = "sha256:" + "0" * 64
SPEC = {
    "runID": RUN,
    "canary": {
        "shadowSoak": "1h",
        "steps": [{"percent": 10, "soak": "1h"}, {"percent": 50, "soak": "1h", "approval": "Manual"}],
    },
}
STABLE = RunInUse(run_id=OLD, digest=DIGEST, since=START - timedelta(days=30))


def gate(name="agreement", good=0.0, total=0.0, *, at_least=0.7, verdict=Verdict.INCONCLUSIVE, needed=None, **others):
    """Return a gate with its interval."""
    lower, upper = confidence_sequence(Counts(good, total), 0.05) if total else (None, None)
    estimate = good / total if total else None
    numbers = {"good": good, "total": total, "estimate": estimate, "lower": lower, "upper": upper} if total else {}
    reason = {Verdict.PASS: "Proven", Verdict.FAIL: "Proven"}.get(verdict, "NotEnoughEvidence")
    kept = {"at_least": at_least, "verdict": verdict, "needed": needed, "reason": reason} | others
    return GateStatus(name=name, **numbers, **kept)


def curve(*stages, rate=0.8):
    """Return points of (percent, start, end, counts per minute) in seconds since the trial began."""
    points = []
    for percent, first, last, speed in stages:
        for at in range(first + 60, last + 1, 300):
            total = float(round((at - first) / 60 * speed))
            good = float(round(total * rate))
            points.append((float(at), percent, good, total, *confidence_sequence(Counts(good, total), 0.05)))
    return tuple(points)


def transition(event, after, percent, *, before=0.0, by="operator", stage=None, gates=(), message="m", run=RUN):
    """Return a transition `after` a number of minutes."""
    return TransitionRecord(
        at=START + timedelta(minutes=after),
        run_id=run,
        event=event,
        message=message,
        by=by,
        stage=stage,
        percent_before=before,
        percent=percent,
        gates=gates,
    )


PASSED = transition(
    "StepAdvanced", 90, 10, stage=4, gates=(gate(good=800, total=1000, verdict=Verdict.PASS),), message="from shadow"
)


def record(number=3, **changes):
    """Return the record of a trial that is at 10 percent."""
    shown = {
        "trial": number,
        "namespace": "shop",
        "name": "categories",
        "uid": "u-1",
        "run_id": RUN,
        "digest": DIGEST,
        "started_at": START,
        "transitions": (transition("RolloutStarted", 0, 0), transition("StageStarted", 1, 0), PASSED),
        "curves": {"agreement": curve((0.0, 60, 5400, 12), (10.0, 5400, 10_200, 3))},
        "shares": ((0.0, 0.0, None, None), (5400.0, 10.0, 8.0, 9.0), (10_200.0, 10.0, 9.8, 10.1)),
    }
    return TrialRecord(**shown | changes)


def text(one):
    """Return a record as its ConfigMap has it."""
    return recording.written(one)[1]


def ended(number, outcome, *, reason="", run=OLD):
    """Return the record of a trial that ended two hours after its start."""
    end = START + timedelta(hours=2)
    return record(number, run_id=run, outcome=outcome, reason=reason, ended_at=end, transitions=())


RECORDS = [
    text(ended(1, Outcome.PROMOTED)),
    text(ended(2, Outcome.ROLLED_BACK, reason="gate agreement failed", run="run_ffffffff_1690000000")),
    text(record()),
]


def candidate(**changes):
    """Return a candidate at 10 percent."""
    shown = {
        "run_id": RUN,
        "digest": DIGEST,
        "state": CandidateState.RUNNING,
        "percent": 10.0,
        "stage": 5,
        "stage_started_at": START + timedelta(minutes=90),
        "soaking_since": START + timedelta(minutes=90),
        "attempt_started_at": START,
    }
    return Candidate(**shown | changes)


def status(**changes):
    """Return a status at 10 percent."""
    advanced = {"run_id": RUN, "event": "StepAdvanced", "message": "from shadow", "percent": 10}
    shown = {
        "phase": Phase.CANARY,
        "observed_generation": 1,
        "stable": STABLE,
        "candidate": candidate(),
        "trial": 3,
        "gates": (gate(good=220, total=270, needed=60), gate("latency", 260, 268, at_least=0.95, needed=400)),
        "checkpoint": Checkpoint(at=NOW),
        "actual_share": ActualShare(wanted=10, users=9.8, counted_users=1203, requests=10.1, counted_requests=8211),
        "propagation": Propagation(revision=5, stage=5, confirmed=True, pods="2/2"),
        "conditions": (condition("RolloutProgressing", "Unknown", "The stage waits for evidence."),),
        "history": (HistoryEntry(at=START + timedelta(minutes=90), **advanced),),
        "ready_reason_since": START + timedelta(minutes=90),
    }
    return Status(**shown | changes)


def checkpoint(**classes):
    """Return a checkpoint with good and total of each class, half of them of a process that has ended."""

    def halves(good, total):
        return {
            "ended": ProcessCounts(good=good / 2, total=total / 2),
            "a1": ProcessCounts(good=good / 2, total=total / 2),
        }

    return Checkpoint(at=NOW, counts={f"perClass/{name}": halves(*counts) for name, counts in classes.items()})


def condition(reason, truth="Unknown", message="m", *, kind="Ready"):
    """Return a condition."""
    return Condition(
        type=kind, status=truth, reason=reason, message=message, last_transition_time=START, observed_generation=1
    )


def stalled(reason, message="m"):
    """Return the conditions where only a user can help."""
    return (condition(reason, "False", message), condition(reason, "True", message, kind="Stalled"))


def model(name="categories", *, namespace="shop", spec=SPEC, version="1", uid="u-1", **changes):
    """Return a SuggestionModel as the API server returns it, its status condensed."""
    return {
        "metadata": {"namespace": namespace, "name": name, "uid": uid, "resourceVersion": version, "generation": 1},
        "spec": spec,
        "status": condensed(status(**changes)),
    }


def pod(name, *, uid="p-1", ready=True, **annotations):
    """Return a pod as the API server returns it."""
    return {
        "metadata": {"name": name, "uid": uid, "annotations": {"serin.dev/runs": f"{OLD},{RUN}"} | annotations},
        "spec": {"nodeName": "node-1"},
        "status": {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
            "containerStatuses": [{"restartCount": 1, "state": {"running": {}}}],
        },
    }
