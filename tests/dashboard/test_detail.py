"""The page of one SuggestionModel: path, evidence over time, pods, history, the last trials."""

from datetime import timedelta

import pytest
from dashboard import examples
from dashboard.conftest import FakeNamespace
from dashboard.examples import NOW, OLD, RECORDS, RUN, START, gate, model, pod, record, text, transition

from serin_cli.request_errors import ClusterError
from serin_core.api.record import Outcome
from serin_core.api.silent_pods import SilentPod
from serin_core.api.spec import Canary
from serin_core.api.status import CandidateState
from serin_core.evidence.counts import Verdict
from serin_dashboard.classes import classes_of
from serin_dashboard.detail import Read, detail_of
from serin_dashboard.reading import Reader
from serin_dashboard.store import Store
from serin_dashboard.trials import path_of

CANARY = Canary.model_validate(examples.SPEC["canary"])


def detail(item=None, read=None, *, now=NOW):
    store = Store()
    store.put(item or model(), at=now)
    return detail_of(store.entries()[0], read or Read(RECORDS, [pod("c-1")], {"c-1": 5}), now=now)


def path(one, percent=None, *, bake=timedelta(), is_baking=False):
    found = path_of(CANARY, one, percent_now=percent, bake=bake, is_baking=is_baking, now=NOW)
    return [(stop.name, stop.state, stop.took) for stop in found]


def rolled_back(last):
    return record(transitions=(*record().transitions, last), outcome=Outcome.ROLLED_BACK, ended_at=last.at)


def test_the_path_has_times_and_says_where_an_approval_is_needed():
    assert path(record(), 10.0) == [
        ("shadow", "done", "1h29m"),
        ("10 %", "current", "1h30m"),
        ("50 %", "next", ""),
        ("promoted", "next", ""),
    ]
    assert detail().path[2].note == "soak 1h, needs approval"


def test_the_path_shows_who_took_a_step_by_hand():
    by = f"promote {RUN} 10 2026-01-02T10:50:00Z by=jane checked"
    one = record(transitions=(*record().transitions, transition("StepAdvanced", 110, 50, before=10, by=by, stage=5)))
    found = path_of(CANARY, one, percent_now=50.0, bake=timedelta(), is_baking=False, now=NOW)
    assert (found[2].state, found[2].note) == ("current", "by jane (promote)")
    assert found[1].took == "20m"


def test_the_path_of_a_rollback_ends_where_it_happened():
    failed = transition("GateFailed", 100, 0, before=10, stage=5)
    one = record(
        transitions=(*record().transitions, failed),
        outcome=Outcome.ROLLED_BACK,
        ended_at=START + timedelta(minutes=100),
    )
    assert path(one) == [
        ("shadow", "done", "1h29m"),
        ("10 %", "ended", "10m"),
        ("50 %", "next", ""),
        ("promoted", "next", ""),
    ]


def test_the_path_of_a_bake():
    later = (
        transition("StepAdvanced", 100, 50, before=10, stage=5),
        transition("BakeStarted", 120, 50, before=50, stage=6),
    )
    one = record(transitions=(*record().transitions, *later))
    found = path(one, 50.0, bake=timedelta(hours=2), is_baking=True)
    assert found[2:] == [("50 %", "done", "20m"), ("bake", "current", "1h"), ("promoted", "next", "")]
    done = (*one.transitions, transition("Promoted", 150, 100, before=50))
    promoted = record(transitions=done, outcome=Outcome.PROMOTED, ended_at=START + timedelta(minutes=150))
    assert path(promoted, bake=timedelta(hours=2))[2:] == [
        ("50 %", "done", "20m"),
        ("bake", "done", "30m"),
        ("promoted", "done", ""),
    ]


def test_without_a_record_the_path_still_says_where_the_rollout_is():
    assert [state for _, state, _ in path(None, 10.0)] == ["done", "current", "next", "next"]


def test_a_gate_has_its_curve_by_stage_with_bound_and_verdict():
    found = detail().gates[0]
    assert (found.name, found.limit, found.verdict) == ("agreement", "at least 70 %", "Inconclusive")
    assert [segment.name for segment in found.chart.segments] == ["shadow", "10 %"]
    assert all(segment.band for segment in found.chart.segments)
    assert [label for _, label in found.chart.bounds] == ["at least 70 %"]
    assert [mark.text for mark in found.chart.marks] == ["Pass after 1h30m"]
    assert "about 60 more" in found.sentence


def test_the_interval_narrows_in_the_picture():
    band = detail().gates[0].chart.segments[0].band.split()
    heights = [float(corner.split(",")[1]) for corner in band]
    half = len(heights) // 2
    widths = [below - above for above, below in zip(heights[:half], reversed(heights[half:]), strict=True)]
    assert widths[0] > 3 * widths[-1] > 0


def test_points_that_were_seen_since_the_last_record_are_added_with_the_verdict():
    store = Store()
    last = record().curves["agreement"][-1]
    for minutes, verdict in ((1, Verdict.INCONCLUSIVE), (2, Verdict.PASS), (3, Verdict.PASS)):
        at = START + timedelta(seconds=last[0], minutes=minutes)
        counts = gate(good=230 + minutes, total=280 + minutes, verdict=verdict)
        store.put(model(gates=(counts,), checkpoint=examples.Checkpoint(at=at)), at=at)
    chart = detail_of(store.entries()[0], Read(RECORDS), now=NOW).gates[0].chart
    assert chart.rows[-1][-1] == "283"
    assert [mark.text for mark in chart.marks] == ["Pass after 1h30m", "Pass after 2h48m"]


def test_without_the_right_to_read_records_the_curve_is_what_was_seen(site):
    cluster = FakeNamespace(ClusterError("the API server answered 403 Forbidden: cannot list configmaps"), [])
    page = site(model(), cluster=cluster).text("/models/shop/categories")
    assert "The trial records cannot be read: the API server answered 403 Forbidden: cannot list configmaps" in page
    assert "agreement" in page


def test_a_record_of_an_earlier_object_of_the_same_name_is_not_taken():
    assert detail(model(uid="u-2")).gates[0].chart.segments[-1].name == "10 %"
    assert len(detail(model(uid="u-2")).gates[0].chart.segments) == 1


def test_after_a_rollback_the_gates_are_those_that_decided():
    failed = gate(good=60, total=120, verdict=Verdict.FAIL)
    last = transition("GateFailed", 100, 0, before=10, stage=5, gates=(failed,))
    one = rolled_back(last)
    gone = examples.candidate(state=CandidateState.ROLLED_BACK, stage=None, stage_started_at=None)
    found = detail(model(candidate=gone, gates=()), Read([text(one)]))
    assert found.gates_title == "Gates at the end of 10 %, the last stage"
    assert found.gates[0].verdict == "Fail"
    assert [mark.verdict for mark in found.gates[0].chart.marks] == ["Pass", "Fail"]


def test_what_is_of_the_last_trial_names_its_run_where_another_run_was_taken_out_of_service_since():
    failed = gate(good=60, total=120, verdict=Verdict.FAIL)
    one = rolled_back(transition("GateFailed", 100, 0, before=10, stage=5, gates=(failed,)))
    undone = examples.candidate(run_id=OLD, state=CandidateState.ROLLED_BACK, stage=None, stage_started_at=None)
    found = detail(model(candidate=undone, gates=()), Read([text(one)]))
    assert found.path_title == f"Path of {one.run_id}"
    assert found.gates_title == f"Gates of {one.run_id} at the end of 10 %, the last stage"


def test_pods_have_the_revision_that_each_confirms():
    silent = (examples_silent("p-2"),)
    pods = [pod("c-2", uid="p-2", ready=False), pod("c-1")]
    found = detail(model(silent_pods=silent), Read([], pods, {"c-1": 5, "c-2": "timed out"})).pods
    assert [(one.name, one.state, one.revision, one.is_current) for one in found] == [
        ("c-1", "Running", "5", True),
        ("c-2", "Running, not ready", "not known: timed out", False),
    ]
    assert "no response to the operator since" in found[1].note


def examples_silent(uid):
    return SilentPod(uid=uid, since=START, error="connection refused")


def test_without_the_right_to_the_proxy_pods_are_asked_once_only():
    forbidden = ClusterError("the API server answered 403 Forbidden")
    cluster = FakeNamespace([], [pod("c-1"), pod("c-2")], {"c-1": forbidden})
    found = Reader(cluster).read(("shop", "categories"))
    assert set(found.revisions.values()) == {"reading it needs the right to get pods/proxy"}


def test_pages_that_are_open_at_once_share_what_was_read():
    now = [0.0]
    cluster = FakeNamespace(RECORDS)
    reader = Reader(cluster, clock=lambda: now[0])
    for _ in range(3):
        reader.read(("shop", "categories"))
    assert cluster.requests == ["shop"]
    now[0] = 6.0
    reader.read(("shop", "categories"))
    assert cluster.requests == ["shop", "shop"]


def test_the_last_trials_are_side_by_side_newest_first():
    found = detail()
    assert [(one.number, one.outcome) for one in found.trials] == [(3, "Running"), (2, "RolledBack"), (1, "Promoted")]
    assert found.compared_stages == ["shadow", "10 %"]
    assert found.trials[0].gates["agreement"].startswith("79.82 % (")


def test_history_is_newest_first_with_evidence_and_no_entry_twice():
    found = detail().history
    events = [one.event for one in found if one.at >= START]
    assert events.count("StepAdvanced") == 1
    assert events[0] == "StepAdvanced"
    assert found[0].evidence == ("agreement 80 % of 1,000 (at least 70 %): Pass",)


def test_a_damaged_record_is_named_and_the_others_are_shown():
    found = detail(read=Read([*RECORDS, "{"]))
    assert len(found.trials) == 3
    assert any("A trial record cannot be read" in note for note in found.notes)


def test_hostile_texts_in_history_and_run_are_shown_as_text(site):
    bad = "<script>alert(1)</script>"
    one = record(transitions=(transition("StageStarted", 1, 0, message=bad, by=f"promote {RUN} by={bad}"),))
    cluster = FakeNamespace([text(one)], [pod(bad)], {bad: 5})
    page = site(model(), cluster=cluster).browser.get("/models/shop/categories").text
    assert "<script>alert" not in page
    assert page.count("&lt;script&gt;alert(1)") >= 2


def test_the_page_is_whole_without_scripts(site):
    page = site(model()).browser.get("/models/shop/categories").text
    assert '<noscript><meta http-equiv="refresh"' in page
    for part in ("<h2>Path</h2>", "<svg", "<h2>Pods</h2>", "<h2>History</h2>", f"{OLD}", "9.8 % of 1203 users"):
        assert part in page
    assert "http://" not in page.replace("http://www.w3.org", "")


@pytest.mark.parametrize(
    ("path", "status"), [("/models/shop/nothing", 404), ("/nothing", 404), ("/?q=" + "x" * 200, 422)]
)
def test_unknown_addresses_are_pages_too(site, path, status):
    found = site(model()).browser.get(path)
    assert found.status_code == status
    assert "Traceback" not in found.text


def test_before_the_first_list_a_page_says_so(site):
    assert site().browser.get("/models/shop/categories").status_code == 503


def by_class(**changes):
    gates = (gate(), gate("perClass", 90, 110, at_least=0.6))
    return detail(model(gates=gates, **changes)).classes


def test_agreement_by_class_is_lowest_first_with_the_counts_of_all_processes():
    found = by_class(checkpoint=examples.checkpoint(Travel=(0, 0), Dining=(80, 100), Tax=(4, 10)))
    assert [(row.name, row.agreement, row.total) for row in found.rows] == [
        ("Tax", "40 %", "10"),
        ("Dining", "80 %", "100"),
        ("Travel", "no traffic", "0"),
    ]
    assert found.limit == "at least 60 %"
    tax, dining, travel = (row.bar for row in found.rows)
    assert (tax.estimate, dining.estimate, travel) == (40.0, 80.0, None)
    assert tax.bounds == (60.0,)
    assert tax.width > dining.width, "fewer counts, wider interval"


def test_agreement_by_class_that_is_not_known_says_why():
    assert "the gate perClass is off" in detail().classes.unknown
    assert "no request of this stage" in by_class(checkpoint=None).unknown
    assert "no request of this stage" in by_class(checkpoint=examples.checkpoint(Tax=(0, 0))).unknown
    assert "no stage is running" in by_class(candidate=None).unknown
    live = model() | {
        "status": {
            "candidate": examples.candidate().model_dump(by_alias=True, mode="json"),
            "checkpoint": {"counts": 5},
        }
    }
    assert "cannot read" in classes_of(live, [gate("perClass", at_least=0.6)]).unknown


def test_a_class_with_a_hostile_name_is_text(site):
    classes = examples.checkpoint(**{"<script>alert(1)</script>": (8, 10)})
    page = (
        site(model(gates=(gate("perClass", 8, 10, at_least=0.6),), checkpoint=classes))
        .browser.get("/models/shop/categories")
        .text
    )
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page
