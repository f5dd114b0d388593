"""Metrics of each SuggestionModel: their values, their end, and their documentation."""

import asyncio
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from memory_cluster import KEY, NOW, MemoryCluster, reconciler
from prometheus_client.parser import text_string_to_metric_families

from serin_core.api.actual_share import ActualShare
from serin_core.api.check_status import CheckVerdict
from serin_core.api.drift import InputDrift
from serin_core.api.gate_options import Range
from serin_core.api.gate_status import GateRole, GateStatus
from serin_core.api.query_status import QueryStatus
from serin_core.api.status import (
    Candidate,
    CandidateState,
    Condition,
    HistoryEntry,
    Phase,
    RejectedRun,
    RunInUse,
    Status,
)
from serin_core.contract import names
from serin_core.counting.number import NO_DATA, SEVERAL
from serin_core.counting.reading import Unreadable
from serin_core.evidence.counts import Verdict
from serin_core.kubernetes.inputs import ServerImage
from serin_core.model.inputs import FEATURES
from serin_core.rollout.check_questions import CheckAnswer
from serin_core.rollout.observation import NOT_ASKED, NoAnswer, Observed, PodSeen
from serin_operator.interfaces import BusyError, ClusterError, ConflictError, RefusedError
from serin_operator.metrics import OperatorMetrics
from serin_operator.resource_metrics import ROLLBACKS, ResourceMetrics, cause_of, causes

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
OF_EVERY_SERIES = {"namespace", "name", "serin_model"}
A, B = "run_aaaaaaaa_1", "run_bbbbbbbb_2"
READY = Condition(type="Ready", status="Unknown", reason="RolloutProgressing", last_transition_time=NOW)
GATES = (
    GateStatus(
        name="agreement",
        at_least=0.75,
        good=80,
        total=100,
        estimate=0.8,
        lower=0.7,
        upper=0.9,
        verdict=Verdict.PASS,
        reason="Proven",
    ),
    GateStatus(name="acceptedRatio", within=Range(low=0.1, high=0.9), reason="NoData", role=GateRole.FAIL_ONLY),
    GateStatus(name="saturation", reason="Checked", query=QueryStatus(query="max(used)", held_for=300, value=0.95)),
    GateStatus(name="feedback", odds_ratio=1.5, reason="NoData", role=GateRole.DRY_RUN),
)
STATUS = Status(
    phase=Phase.CANARY,
    stable=RunInUse(run_id=A, digest="d", since=NOW),
    candidate=Candidate(
        run_id=B, state=CandidateState.RUNNING, percent=10, stage_started_at=NOW, attempt_started_at=NOW
    ),
    gates=GATES,
    actual_share=ActualShare(wanted=10, users=9.5, counted_users=200, requests=12.25, counted_requests=4000),
    drift=InputDrift(run_id=A, drifted="True", features=("log_amount",), since=NOW),
    conditions=(READY,),
    ready_reason_since=NOW,
)


def observed(status=STATUS):
    metrics = ResourceMetrics()
    metrics.record_check("default", "categories", status, NOW, is_counted=True)
    return metrics


def families(metrics):
    """Return what Prometheus reads of resources."""
    return list(text_string_to_metric_families(metrics.exposition.text()))


def values(metrics, name):
    """Return the values of one series by its labels besides those of every series."""
    return {
        tuple(value for label, value in sample.labels.items() if label not in OF_EVERY_SERIES): sample.value
        for family in families(metrics)
        for sample in family.samples
        if sample.name == f"serin_suggestionmodel_{name}"
    }


def test_the_phase_is_one_series_for_each_phase_and_one_of_them_is_1():
    assert values(observed(), "phase") == {(phase.value,): float(phase is Phase.CANARY) for phase in Phase}


@pytest.mark.parametrize(
    ("status", "percents"),
    [
        pytest.param(STATUS, {(B,): 10.0, (A,): 90.0}, id="canary"),
        pytest.param(STATUS.changed(stable=None), {(B,): 10.0, ("rules",): 90.0}, id="against the rules"),
        pytest.param(
            STATUS.with_candidate(STATUS.candidate.changed(percent=100, holdback=5)),
            {(B,): 95.0, (A,): 5.0},
            id="holdback",
        ),
        pytest.param(STATUS.changed(candidate=None), {(A,): 100.0}, id="promoted"),
        pytest.param(
            STATUS.with_candidate(STATUS.candidate.end_rollout(CandidateState.ROLLED_BACK, "bad")),
            {(A,): 100.0},
            id="rolled back",
        ),
        pytest.param(Status(), {("rules",): 100.0}, id="new"),
    ],
)
def test_the_wanted_percents_of_all_runs_add_up_to_100(status, percents):
    assert values(observed(status), "wanted_percent") == percents


def test_the_wanted_percent_is_without_those_who_are_held_back():
    status = STATUS.with_candidate(STATUS.candidate.changed(percent=100.0, holdback=5.0))
    assert values(observed(status), "wanted_percent") == {(B,): 95.0, (A,): 5.0}


def test_the_actual_percents_are_those_of_users_and_of_requests():
    assert values(observed(), "actual_percent") == {(B, "users"): 9.5, (B, "requests"): 12.25}
    assert values(observed(STATUS.changed(candidate=None)), "actual_percent") == {}
    only = STATUS.actual_share.model_copy(update={"users": None})
    assert values(observed(STATUS.changed(actual_share=only)), "actual_percent") == {(B, "requests"): 12.25}


def test_a_run_is_as_old_as_its_name_says():
    assert values(observed(), "run_created_timestamp_seconds") == {(A,): 1.0, (B,): 2.0}
    assert values(observed(STATUS.changed(stable=None)), "run_created_timestamp_seconds") == {(B,): 2.0}
    ended = STATUS.with_candidate(STATUS.candidate.end_rollout(CandidateState.ROLLED_BACK, "bad"))
    assert values(observed(ended), "run_created_timestamp_seconds") == {(A,): 1.0}


def test_the_last_transition_of_each_event_outlives_the_operator():
    def entry(event, run, minutes):
        return HistoryEntry(at=NOW + timedelta(minutes=minutes), run_id=run, event=event, message="x")

    found = (entry("GateFailed", A, 0), entry("StepAdvanced", B, 1), entry("StepAdvanced", B, 2))
    assert values(observed(STATUS.changed(history=found)), "last_transition_timestamp_seconds") == {
        (A, "GateFailed"): NOW.timestamp(),
        (B, "StepAdvanced"): NOW.timestamp() + 120,
    }


def test_namespace_and_name_are_also_in_one_label_that_no_target_has():
    samples = [sample for family in families(observed()) for sample in family.samples]
    assert {sample.labels["serin_model"] for sample in samples} == {"default/categories"}


def test_each_gate_has_its_estimate_bound_and_verdict():
    metrics = observed()
    assert values(metrics, "gate_estimate") == {("agreement",): 0.8}
    assert (values(metrics, "gate_lower"), values(metrics, "gate_upper")) == (
        {("agreement",): 0.7},
        {("agreement",): 0.9},
    )
    assert values(metrics, "gate_events") == {("agreement",): 100.0}
    assert values(metrics, "gate_query_value") == {("saturation",): 0.95}
    assert values(metrics, "gate_bound") == {
        ("agreement", "atLeast"): 0.75,
        ("acceptedRatio", "atLeast"): 0.1,
        ("acceptedRatio", "atMost"): 0.9,
        ("feedback", "oddsRatio"): 1.5,
    }
    assert [key for key, value in values(metrics, "gate_verdict").items() if value] == [
        ("agreement", "Acting", "Pass"),
        ("acceptedRatio", "FailOnly", "Inconclusive"),
        ("saturation", "Acting", "Inconclusive"),
        ("feedback", "DryRun", "Inconclusive"),
    ]


def test_the_series_of_a_gate_end_with_it():
    metrics = observed()
    metrics.record_check("default", "categories", STATUS.without_evidence(), NOW, is_counted=False)
    assert values(metrics, "gate_verdict") == {}
    assert values(metrics, "last_counts_timestamp_seconds") == {(): NOW.timestamp()}


def test_a_promotion_and_a_rollback_are_counted_once():
    metrics = observed()
    promoted = STATUS.changed(history=(HistoryEntry(at=NOW, run_id=B, event="Promoted", message="x"),))
    entry = HistoryEntry(at=NOW, run_id=B, event="GateFailed", message="x")
    rejected = RejectedRun(run_id=B, at=NOW, reason="x")
    rolled_back = promoted.changed(history=(*promoted.history, entry), rejected=(rejected,))
    for before, after in ((STATUS, promoted), (promoted, promoted), (promoted, rolled_back), (rolled_back,) * 2):
        metrics.record_transition("default", "categories", before, after)
    assert values(metrics, "promotions_total") == {(): 1.0}
    found = values(metrics, "rollbacks_total")
    assert {key for key, value in found.items() if value} == {("GateFailed",)}
    assert {event for (event,) in found} == set(ROLLBACKS)


def test_a_run_that_is_named_again_after_its_rollback_is_no_second_rollback():
    metrics, rejected = ResourceMetrics(), (RejectedRun(run_id=B, at=NOW, reason="x"),)
    before = STATUS.changed(rejected=rejected)
    after = before.changed(history=(HistoryEntry(at=NOW, run_id=B, event="RunRejected", message="x"),))
    metrics.record_transition("default", "categories", before, after)
    assert not any(values(metrics, "rollbacks_total").values())


def test_errors_are_counted_by_cause():
    metrics = ResourceMetrics()
    for error in (ConflictError(), RefusedError(), BusyError("busy"), ClusterError(), TimeoutError(), KeyError("bug")):
        metrics.record_error("default", "categories", cause_of(error))
    found = values(metrics, "errors_total")
    assert (found.pop(("PodUnreachable",)), found.pop(("CheckEndpoint",))) == (0, 0)
    assert set(found.values()) == {1.0}
    assert ("Internal",) in found


def test_what_could_not_be_read_is_an_error_with_its_cause():
    pods = [
        PodSeen("a", "1", "t", (), NoAnswer("refused")),
        PodSeen("b", "2", "t", (), NoAnswer("no address"), started=False),
    ]
    seen = Observed(image=ServerImage("i"), pods=tuple(pods), reading=Unreadable("Stale", "old"))
    assert list(causes(seen)) == ["PrometheusStale", "PodUnreachable"]
    assert list(causes(Observed(image=ServerImage("i"), reading=NOT_ASKED))) == []
    queries = {"pool": SEVERAL, "lag": NO_DATA, "load": 0.5}
    answers = [CheckAnswer(str(one), "smoke", 1, one, "x", NOW) for one in (None, CheckVerdict.WAIT)]
    seen = Observed(image=ServerImage("i"), queries=queries, check_answers=tuple(answers))
    assert list(causes(seen)) == ["PrometheusNotOneNumber", "CheckEndpoint"]
    seen = replace(seen, reading=Unreadable("Unreachable", "down"), check_answers=())
    assert list(causes(seen)) == ["PrometheusUnreachable"]


def test_each_feature_of_the_inputs_has_drifted_or_not_once_that_is_known():
    found = values(observed(), "drifted")
    assert found[A, "log_amount"] == 1
    assert found[A, "hour"] == 0
    assert len(found) == len(FEATURES)
    for drift in (None, InputDrift(run_id=A, drifted="Unknown")):
        assert values(observed(STATUS.changed(drift=drift)), "drifted") == {}


def at(now, cluster, metrics):
    asyncio.run(reconciler(cluster, metrics=metrics, clock=lambda: now).reconcile(KEY))


def test_a_pass_shows_why_the_resource_waits_and_since_when():
    cluster, metrics = MemoryCluster(), OperatorMetrics(lambda: 0)
    at(NOW, cluster, metrics)
    assert values(metrics.resources, "ready_info").keys() == {("Unknown", "Draining")}
    at(NOW + timedelta(minutes=1), cluster, metrics)
    assert values(metrics.resources, "ready_info").keys() == {("Unknown", "Loading")}
    for minutes in (2, 3):
        at(NOW + timedelta(minutes=minutes), cluster, metrics)
    assert values(metrics.resources, "ready_reason_since_timestamp_seconds") == {(): NOW.timestamp() + 60}
    assert values(metrics.resources, "last_check_timestamp_seconds") == {(): NOW.timestamp() + 180}


def test_since_when_ready_has_its_reason_outlives_the_operator():
    cluster = MemoryCluster()
    for minutes in range(6):
        at(NOW + timedelta(minutes=minutes), cluster, OperatorMetrics(lambda: 0))
    found = []
    for minutes in (7, 9):  # before the progress deadline
        metrics = OperatorMetrics(lambda: 0)
        at(NOW + timedelta(minutes=minutes), cluster, metrics)
        found.append(values(metrics.resources, "ready_reason_since_timestamp_seconds")[()])
    assert found[0] == found[1] < NOW.timestamp() + 420


def test_a_resource_that_cannot_be_read_has_its_reason_and_an_error():
    cluster, metrics = MemoryCluster(), OperatorMetrics(lambda: 0)
    cluster.objects[names.KIND, "default", "categories"]["spec"]["runID"] = "nonsense"
    at(NOW, cluster, metrics)
    assert values(metrics.resources, "ready_info") == {("False", "InvalidSpec"): 1.0}
    assert values(metrics.resources, "ready_reason_since_timestamp_seconds") == {(): NOW.timestamp()}
    assert values(metrics.resources, "errors_total")["InvalidSpec",] == 1


def test_the_series_of_a_deleted_resource_end():
    cluster, metrics = MemoryCluster(), OperatorMetrics(lambda: 0)
    at(NOW, cluster, metrics)
    metrics.resources.record_check("default", "other", STATUS, NOW, is_counted=True)
    exposed = {sample.labels["name"] for family in families(metrics.resources) for sample in family.samples}
    assert exposed == {"categories", "other"}
    cluster.objects.clear()
    at(NOW, cluster, metrics)
    assert {sample.labels["name"] for family in families(metrics.resources) for sample in family.samples} == {"other"}


def test_the_page_lists_every_series_with_its_type_and_labels_and_no_other():
    metrics = OperatorMetrics(lambda: 0)
    metrics.record_query("default", 0.1)
    metrics.notifications.expose("team-ml")
    metrics.checks.expose(["ci"])
    entry = HistoryEntry(at=NOW, run_id=B, event="StageStarted", message="x")
    status = STATUS.changed(propagation=REVISED, history=(entry,))
    metrics.resources.record_check("default", "categories", status, NOW, is_counted=True)
    exposed = {}
    for family in (*metrics.registry.collect(), *families(metrics.resources)):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        samples = [sample for sample in family.samples if not sample.name.endswith("_created")]
        assert samples, name
        labels = {label for sample in samples for label in sample.labels}
        is_of_resource = name.startswith("serin_suggestionmodel_")
        exposed[name] = (family.type, labels - (OF_EVERY_SERIES if is_of_resource else set()))
    section = PAGE.read_text(encoding="utf-8").partition("\n## The operator\n")[2]
    rows = [re.split(r" ?\| ?", line)[1:-1] for line in section.splitlines() if line.startswith("| `serin_")]
    documented = {name.strip("`"): (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels, *_ in rows}
    assert all(question.endswith("?") for *_, question in rows)
    assert documented == exposed


REVISED = STATUS.propagation.seen(confirmed=True, pods="1/1", now=NOW).model_copy(update={"revision": 3})
