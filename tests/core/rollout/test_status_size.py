"""A status stays small, whatever is counted and whatever happens (docs/limits.md)."""

import json
import random
from dataclasses import replace

import pytest
from models.starting import A, B, has_percent, has_phase, new_world

from serin_core.api.attempts import MAX_RUNS, RunAttempts
from serin_core.api.gate_names import GateName
from serin_core.api.gate_status import OwnCounts, OwnSeries, ProcessCounts
from serin_core.api.notifications import MAX_DESTINATIONS, Notification, Notifications
from serin_core.api.status import HandledRequest, HistoryEntry, RejectedRun, Status
from serin_core.api.status_view import condensed
from serin_core.contract.pod_report import PodReport
from serin_core.contract.request_values import MAX_VALUE
from serin_core.counting.custom_counters import MAX_SERIES, counters_of
from serin_core.counting.server_counters import StageCounts
from serin_core.kubernetes.inputs import RulesText, ServerImage
from serin_core.rollout import decide as decide_module
from serin_core.rollout.bounded_texts import SHORT, bounded
from serin_core.rollout.decide import HISTORY, decide
from serin_core.rollout.forgotten_requests import MAX_HANDLED
from serin_core.rollout.notifications import MAX_MESSAGE, MAX_WAITING
from serin_core.rollout.observation import NoAnswer, Observed
from serin_core.rollout.requests import MAX_ANSWER, MAX_BY, MAX_REASON
from serin_core.rollout.rollback import MAX_REJECTED, MAX_REJECTED_REASON

LIMIT = 256 * 1024
PODS, CLASSES, GATES = 200, 300, 16
CUSTOM = [
    {
        "name": f"{'own-gate-' * 6}{number}",
        "good": f'shop_requests_total{{gate="{number}",code="200"}}',
        "total": f'shop_requests_total{{gate="{number}"}}',
    }
    | (
        {"atLeast": 0.5}
        if number % 2
        else {"control": {"good": f'web_requests_total{{gate="{number}",code="200"}}', "total": "web_requests_total"}}
    )
    for number in range(GATES)
]


DESTINATIONS = [f"{'destination-' * 5}{number}" for number in range(MAX_DESTINATIONS)]


def size(status):
    return len(json.dumps(condensed(status), ensure_ascii=False).encode())


def counts(draw, most):
    total = draw.randint(0, most)
    return ProcessCounts(good=draw.randint(0, total), total=total)


def series(draw):
    def one():
        at = 1_767_225_600 + draw.randint(0, 30_000) / 1000
        return OwnSeries(at=at, last=draw.randint(0, 10**9), gained=draw.randint(0, 10**6))

    return {f"{draw.getrandbits(48):012x}": one() for _ in range(MAX_SERIES)}


def reading(spec, processes, draw):
    """Return counts of every gate at the limits, with numbers that cannot be compressed."""
    keys = [gate.value for gate in GateName if gate not in (GateName.PER_CLASS, GateName.FEEDBACK)]
    keys += ["feedback/canary", "feedback/control"]
    found = {key: {process: counts(draw, 10**6) for process in processes} for key in keys}
    for number in range(CLASSES):
        found[f"perClass/class-{number:03}"] = {process: counts(draw, 1000) for process in processes}
    keys = [counters.key for gate in spec.gates.custom for counters in counters_of(gate)]
    custom = {key: OwnCounts(good=series(draw), total=series(draw)) for key in keys}
    return StageCounts(found, custom=custom, seen=frozenset(processes))


def in_a_stage(**gates):
    at = new_world(gates={"custom": CUSTOM, "perClass": {"mode": "Enforce"}} | gates, notifications=DESTINATIONS)
    at.settle(until=has_percent(0))
    at.request("promote", f"{A} 0 now")
    at.settle(until=has_percent(10))
    assert at.status.rollout.percent == 10
    return at


def decided(at, status, counted, processes, *, is_silent=False):
    """Return the status of a pass in which 200 pods and these counts are seen."""
    operator = at.operators[0]
    at.gather(operator)
    pod = at._seen(next(iter(at.pods.values())))
    pods = tuple(
        replace(
            pod,
            name=f"categories-6f7c9d8b5-{process[:5]}",
            uid=f"00000000-0000-0000-0000-{process[:12]}",
            report=NoAnswer(f"{process}: " + "connect call failed " * 100) if is_silent else _report(pod, process),
        )
        for process in processes
    )
    observed = Observed(
        image=ServerImage("serin-server:test"),
        rules=RulesText(""),
        routing=operator.routing,
        children=operator.children,
        pods=pods,
        reading=counted,
    )
    return decide(replace(operator.resource, status=status), observed, at.now).status


def _report(pod, process):
    return PodReport(**{**dict(pod.report), "process": process})


ALPHABETS = {
    "ASCII": "".join(map(chr, range(0x20, 0x7F))),
    "Chinese": "".join(map(chr, range(0x4E00, 0x9FA5))),
    "emoji": "".join(map(chr, range(0x1F300, 0x1F600))),
}


def crowded(status, alphabet):
    """Return the status with everything else that may fill it, each as long as it may be, and not compressible."""
    draw, at = random.Random(2), status.history[-1].at

    def text(length):
        return "".join(draw.choices(alphabet, k=length))

    def run():
        return f"run_{draw.getrandbits(32):08x}_1"

    history = tuple(
        HistoryEntry(
            at=at,
            run_id=A,
            event="GateFailed",
            message=text(decide_module.MAX_MESSAGE),
            evidence=text(decide_module.MAX_MESSAGE),
            by=text(MAX_VALUE),
        )
        for _ in range(HISTORY)
    )
    rejected = tuple(RejectedRun(run_id=run(), at=at, reason=text(MAX_REJECTED_REASON)) for _ in range(MAX_REJECTED))
    attempts = tuple(RunAttempts(run_id=run(), attempt=1) for _ in range(MAX_RUNS))
    handled = tuple(
        HandledRequest(
            action="promote",
            value=text(MAX_VALUE),
            by=text(MAX_BY),
            reason=text(MAX_REASON),
            answer=text(MAX_ANSWER),
            at=at,
        )
        for _ in range(MAX_HANDLED)
    )
    waiting = tuple(
        Notification(
            sequence=number,
            at=at,
            kind="GateFailed",
            message=text(MAX_MESSAGE),
            by=text(MAX_VALUE),
            run_id=A,
            to=DESTINATIONS,
        )
        for number in range(MAX_WAITING)
    )
    notifications = Notifications(sequence=MAX_WAITING, waiting=waiting, dropped=dict.fromkeys(DESTINATIONS, 1_000_000))
    return status.changed(
        history=history, rejected=rejected, attempts=attempts, notifications=notifications, handled_requests=handled
    )


@pytest.mark.parametrize("alphabet", ALPHABETS.values(), ids=ALPHABETS)
@pytest.mark.parametrize("is_silent", [False, True], ids=["pods respond", "pods are silent"])
def test_a_status_at_the_documented_limits_is_small_enough_and_the_next_ones_too(is_silent, alphabet):
    draw = random.Random(1)
    at = in_a_stage()
    processes = [f"{draw.getrandbits(64):016x}" for _ in range(PODS)]
    counted = reading(at.spec, processes, draw)
    status = crowded(at.status.changed(checkpoint=None), alphabet)
    for _ in range(2):
        at.tick(600)
        status = decided(at, status, counted, processes, is_silent=is_silent)
        assert {gate.name for gate in status.gates} >= {gate["name"] for gate in CUSTOM} | {"perClass"}
        assert size(status) <= LIMIT
        assert len(status.history[-1].message) > SHORT
        assert (len(status.history), len(status.rejected)) == (HISTORY, MAX_REJECTED)
        assert len(status.notifications.waiting) == MAX_WAITING
        assert Status.model_validate(condensed(status)) == status


def test_the_oldest_texts_are_cut_first_and_only_as_many_as_necessary():
    at = new_world().now
    entries = tuple(HistoryEntry(at=at, run_id=A, event="Paused", message="ü" * 300) for _ in range(HISTORY))
    small = Status(history=entries)
    assert bounded(small) is small
    rejected = tuple(RejectedRun(run_id=A, at=at, reason="because " * 35) for _ in range(MAX_REJECTED))
    crowd = bounded(Status(history=entries, rejected=rejected))
    cut = [len(run.reason.encode()) <= SHORT for run in crowd.rejected]
    assert cut == sorted(cut, reverse=True)
    assert 0 < sum(cut) < MAX_REJECTED
    assert crowd.history == entries


def test_history_rejected_runs_and_reasons_are_bounded():
    at = new_world()
    at.settle(until=has_phase("Promoted"))
    many = tuple(
        RejectedRun(run_id=f"run_cccccccc_{number}", at=at.now, reason="bad") for number in range(MAX_REJECTED)
    )
    at.status = at.status.changed(rejected=many)
    at.edit(at.spec.model_copy(update={"run_id": B}))
    at.settle(until=has_percent(10))
    at.verdict = "unsure"
    at.request("abort", f"{B} {'because ' * 30_000}")
    at.settle(rounds=5)
    assert [run.run_id for run in at.status.rejected][-1] == B
    assert len(at.status.rejected) == MAX_REJECTED
    assert at.status.rejected[0].run_id == "run_cccccccc_1"
    assert len(at.status.candidate.reason) <= 1000
    assert max(len(entry.message) for entry in at.status.history) <= 2000
    assert size(at.status) < 20_000
