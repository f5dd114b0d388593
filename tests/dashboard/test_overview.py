"""The overview: sorted by what needs a user, whatever the texts in it."""

import base64
import json
import re
import zlib
from pathlib import Path

from dashboard import examples
from dashboard.examples import condition, gate, model, stalled

from serin_core.evidence.counts import Verdict
from serin_dashboard.attention import BY_REASON, Attention
from serin_dashboard.overview import deciding_gate, rows_of
from serin_dashboard.store import Entry, Store

CONDITIONS = Path(__file__).parents[2] / "docs/conditions.md"


def rows(*models):
    store = Store()
    store.replace(models, at=examples.NOW)
    return rows_of(store.entries(), now=examples.NOW)


def test_every_reason_of_ready_is_known():
    table = re.findall(r"^\| ([A-Za-z]+) \| (.*?) \|", CONDITIONS.read_text("utf-8"), re.MULTILINE)
    reasons = {reason: ready for reason, ready in table if reason != "reason" and re.match("True|False|Unknown", ready)}
    assert len(reasons) > 25
    unknown = {reason for reason, ready in reasons.items() if "Stalled" not in ready} - BY_REASON.keys()
    assert not unknown, "where Stalled is True, the reason does not matter"


def test_what_needs_a_user_comes_first_and_the_longest_waiting_before():
    early = {"ready_reason_since": examples.START}
    found = rows(
        model("running"),
        model("promoted", candidate=None, conditions=(condition("Promoted", "True"),)),
        model("paused", conditions=(condition("Paused"),)),
        model("blind", conditions=(condition("MetricsUnavailable"),)),
        model("rolled-back", conditions=stalled("RolledBack")),
        model("late", conditions=(condition("AwaitingApproval"),)),
        model("approve", conditions=(condition("AwaitingApproval"),), **early),
    )
    names = ["approve", "late", "rolled-back", "blind", "paused", "running", "promoted"]
    assert [row.name for row in found] == names
    assert [row.attention.needs_user for row in found] == [True] * 3 + [False] * 4
    assert found[-1].share == 100.0


def test_an_unknown_reason_of_a_newer_operator_is_in_progress_while_a_rollout_runs():
    assert rows(model(conditions=(condition("Pondering"),)))[0].attention is Attention.RUNNING
    assert rows(model(candidate=None, conditions=(condition("Pondering"),)))[0].attention is Attention.PROBLEM


def decided(*gates):
    return deciding_gate(whole(model(gates=gates)), now=examples.NOW)


def whole(item):
    store = Store()
    store.put(item, at=examples.NOW)
    return store.entries()[0].live


def test_the_gate_that_decides_next_is_the_one_that_takes_longest():
    slow, fast = gate("slow", 80, 100, needed=400), gate("fast", 80, 100, needed=40)
    name, left = decided(fast, slow, gate("done", 90, 100, verdict=Verdict.PASS))
    assert (name, left.total_seconds()) == ("slow", 4 * 90 * 60)
    assert decided(fast, gate("open", 80, 100)) == ("open", None), "too close to its bound to estimate"
    assert decided(gate("done", 90, 100, verdict=Verdict.PASS)) == ("", None)
    assert decided(slow, gate("bad", 1, 100, verdict=Verdict.FAIL))[0] == "bad"


def test_one_without_a_status_waits_for_the_operator():
    bare = {"metadata": {"namespace": "shop", "name": "new", "uid": "u"}, "spec": {}}
    (row,) = rows(bare)
    assert (row.reason, row.share, row.phase) == ("NoStatus", None, "Pending")


def test_a_status_of_a_newer_version_is_a_problem_and_not_an_error(site):
    newer = model("newer", namespace="shop")
    newer["status"]["operatorState"] = newer_state()
    (row,) = rows(newer)
    assert row.attention is Attention.PROBLEM
    assert "version 99" in row.message
    assert "version 99" in site(newer).text("/models/shop/newer")


def newer_state():
    return base64.b64encode(zlib.compress(json.dumps({"version": 99}).encode())).decode()


def test_the_page_lists_and_filters(site):
    one = site(model("categories"), model("rent", namespace="homes", conditions=stalled("RolledBack", "too bad")))
    text = one.text("/")
    assert "2 SuggestionModels. 1 needs a user." in text
    assert text.index("rent") < text.index("categories")
    filtered = one.text("/?q=homes")
    assert "rent" in filtered
    assert "categories" not in filtered
    assert "No SuggestionModel matches" in one.text("/?q=%3Cscript%3E")


def test_hostile_texts_are_shown_as_text(site):
    bad = '<script>alert(1)</script>"><img src=x onerror=alert(2)>'
    page = site(model(conditions=(condition("AwaitingApproval", message=bad),))).browser.get("/?q=").text
    assert "<script>alert" not in page
    assert "<img" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_a_cluster_that_is_away_is_said_and_the_page_stays(site):
    one = site(model())
    one.store.lose("cannot reach the API server at https://10.0.0.1: connection refused", at=examples.NOW)
    text = one.text("/")
    assert "cannot reach the API server" in text
    assert "categories" in text


def test_a_thousand_models_are_one_page(site):
    one = site(*(model(f"model-{number:04}") for number in range(1000)))
    assert "1000 SuggestionModels" in one.text("/")


def test_an_entry_with_a_broken_gate_is_still_shown():
    live = whole(model())
    live["status"]["gates"] = [{"name": "odd"}]
    assert rows_of([Entry(live)], now=examples.NOW)[0].gate == ""
