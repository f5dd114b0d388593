"""The live view of watch: golden texts of a screen, and what a narrow one leaves out."""

from datetime import UTC, datetime

import pytest
from cli.fakes import CANDIDATE, OLD, RUN, STABLE, condition, model

from serin_cli.gate_view import bar
from serin_cli.view_text import plain
from serin_cli.watch_view import Beside, render
from serin_core.api.gate_status import GateStatus

NOW = datetime(2026, 1, 2, 12, 0, 5, tzinfo=UTC)
STARTED = "2026-01-02T08:00:00.000000Z"
IN_STAGE = CANDIDATE | {
    "stage": 7,
    "attemptStartedAt": "2026-01-02T06:00:00.000000Z",
    "stageStartedAt": STARTED,
    "soakingSince": STARTED,
}
SPEC = {
    "canary": {
        "shadowSoak": "1h",
        "steps": [{"percent": 10, "soak": "6h"}, {"percent": 50, "soak": "6h", "approval": "Manual"}, {"percent": 100}],
    },
    "bake": {"duration": "72h"},
}
HISTORY = [
    {"at": "2026-01-01T06:30:00.000000Z", "event": "StageStarted", "message": "m", "runID": RUN, "percent": 0},
    {"at": "2026-01-02T06:30:00.000000Z", "event": "StageStarted", "message": "m", "runID": RUN, "percent": 0},
    {"at": "2026-01-02T08:00:00.000000Z", "event": "StageStarted", "message": "m", "runID": RUN, "percent": 10},
]


def gate(name, verdict="Inconclusive", **changes):
    counts = {"good": 990.0, "total": 1000.0, "estimate": 0.99, "lower": 0.98, "upper": 0.995}
    return {"name": name, "verdict": verdict, "reason": "NotEnoughEvidence"} | counts | changes


GATES = [
    gate("availability", "Pass", atLeast=0.9, reason="Proven"),
    gate("agreement", atLeast=0.985, needed=340),
    gate("lowConfidence", "Fail", atMost=0.1, estimate=0.3, lower=0.25, upper=0.35, good=300.0),
    gate("feedback", oddsRatio=1.5, role="DryRun"),
    {"name": "orders", "verdict": "Inconclusive", "reason": "NoData", "atLeast": 0.9},
]


def pod(name, *, ready=True, phase="Running", restarts=0, waiting=None, **metadata):
    container = {"restartCount": restarts, "state": {"waiting": {"reason": waiting}} if waiting else {}}
    return {
        "metadata": {"name": name, "creationTimestamp": "2026-01-02T06:00:00Z"} | metadata,
        "status": {
            "phase": phase,
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
            "containerStatuses": [container],
        },
    }


def event(at, reason, message, kind="Normal"):
    return {"eventTime": f"2026-01-02T{at}.000000Z", "reason": reason, "message": message, "type": kind}


PODS = [
    pod("categories-a"),
    pod("categories-b", ready=False, phase="Pending", restarts=2, waiting="CrashLoopBackOff"),
]
EVENTS = [
    event("08:00:00", "StageStarted", f"{RUN}: 10 %: all pods serve it, and the soak of 6h begins for everybody"),
    event("06:30:00", "StageStarted", "shadow"),
    event("09:00:00", "PodsUnavailable", "a pod\ncrashes", "Warning"),
]
RUNNING = model(
    candidate=IN_STAGE,
    stable=STABLE,
    spec=SPEC,
    history=HISTORY,
    gates=GATES,
    conditions=[condition("RolloutProgressing", "10 %: waiting for the gates. Evidence: availability 99 %")],
)


GOLDEN = """\
shop/categories  Canary                                             12:00:05 UTC
RolloutProgressing: 10 %: waiting for the gates

Candidate  run_0123abcd_1767225600, Running at 10 %
Stable     run_00000000_1700000000

 ✔ shadow   began 06:30 UTC, took 1h30m
 ● 10 %     soaked 4h of 6h (1h59m left), earliest advance 14:00 UTC
 ○ 50 %     soak of 6h, begins when a user approves it
 ○ 100 %    soak of 24h
 ○ bake     72h
Next       50 %, when the soak ends (in 1h59m), agreement passes (~340 more),
           orders passes and a user approves it (kubectl serin promote
           categories)

Gates   ├─●─┤ estimate in its 95 % interval, │ bound
 ✔ availability    │            ├─●┤       99 % of 1,000   ≥ 90 %
 · agreement           ├──│─●──┤           99 % of 1,000   ≥ 98.5 % ~340 more
 ✘ lowConfidence   │         ├──●──┤       30 % of 1,000   ≤ 10 %
 · feedback            ├────●──┤           99 % of 1,000   odds ≤ 1.5 dry run
 · orders        no data yet (at least 90 %)

Pods  2/2 serve revision 4, confirmed
 · categories-b  CrashLoopBackOff, 2 restarts, 6h
 ✔ categories-a  Running, 6h

Events
 06:30:00 StageStarted  shadow
 08:00:00 StageStarted  run_0123abcd_1767225600: 10 %: all pods serve it, and t…
 09:00:00 PodsUnavailable  a pod crashes"""


def screen(live, pods=PODS, events=EVENTS, width=80):
    lines = render(live, Beside(pods, events), now=NOW, width=width)
    return [plain(line) for line in lines]


def test_a_running_rollout_on_80_columns():
    assert "\n".join(screen(RUNNING)) == GOLDEN


@pytest.mark.parametrize("width", [1, 40, 60, 72, 80, 200])
def test_no_line_is_longer_than_the_terminal_or_40(width):
    assert max(map(len, screen(RUNNING, width=width))) <= max(width, 40)


def test_a_wide_terminal_shows_the_interval_in_numbers():
    (shown,) = [text for text in screen(RUNNING, width=110) if "availability" in text]
    assert shown.endswith("99 % of 1,000   [98 %, 99.5 %]      ≥ 90 %")


def test_a_promoted_run_has_no_path_and_nothing_next():
    live = model(stable=STABLE, conditions=[condition("Promoted", f"{OLD} serves 100 % of users")], phase="Promoted")
    assert screen(live, pods=[], events=[]) == [
        f"{'shop/categories  Promoted':<68}12:00:05 UTC",
        f"Promoted: {OLD} serves 100 % of users",
        "",
        f"Stable     {OLD}",
        "",
        "Pods  2/2 serve revision 4, confirmed",
    ]


def test_a_rolled_back_run_keeps_the_gates_of_its_last_check():
    over = {"runID": RUN, "state": "RolledBack", "percent": 0, "attempt": 2}
    shown = screen(model(candidate=over, gates=GATES[2:3], conditions=[condition("RolledBack")]), events=[])
    assert f"Candidate  {RUN}, RolledBack, attempt 2" in shown
    assert "Gates, at the last check   ├─●─┤ estimate in its 95 % interval, │ bound" in shown
    assert not [text for text in shown if text.startswith("Next")]


def test_a_bake_shows_its_time_behind_the_stages():
    bake = {"startedAt": STARTED, "runningSince": STARTED}
    shown = screen(model(candidate=IN_STAGE | {"percent": 100, "bake": bake}, spec=SPEC, history=HISTORY))
    assert " ✔ 100 %    done" in shown
    assert " ● bake     bake, 4h of 72h, ends 2026-01-05 08:00 UTC, then promotion" in shown


def test_a_run_that_loads_waits_for_pods():
    loading = {"runID": RUN, "state": "Loading", "percent": 0, "attemptStartedAt": STARTED}
    assert " ● shadow   waiting for all pods" in screen(model(candidate=loading, spec=SPEC))


@pytest.mark.parametrize(
    ("changes", "spec", "waits"),
    [
        ({"soaked": 99_999.0}, {}, "50 %, when agreement passes (~340 more)"),
        ({"pause": {"since": STARTED}}, {}, "it is resumed (kubectl serin resume categories), the soak ends"),
        ({}, {"suspend": True}, "spec.suspend is false, the soak ends (in 1h59m) and agreement passes"),
    ],
)
def test_next_names_what_it_waits_for(changes, spec, waits):
    canary = {"canary": {"steps": [{"percent": 10, "soak": "6h"}, {"percent": 50}]}}
    live = model(candidate=IN_STAGE | changes, spec=canary | spec, gates=GATES[:2])
    text = " ".join(" ".join(screen(live)).split())
    assert waits in text


def test_a_message_cannot_move_the_cursor():
    hostile = event("09:00:00", "X", "a\x1b[2Jb\x07\u202ec")
    live = model(conditions=[condition("Loading", "a\x1b[31mb")])
    assert all(text.isprintable() for text in screen(live, events=[hostile]))


def test_what_cannot_be_read_is_shown_as_such():
    shown = screen(RUNNING, pods=None, events=None)
    assert "Pods  2/2 serve revision 4, confirmed  (cannot be read)" in shown
    assert shown[-1] == "Events cannot be read"


def test_a_spec_that_cannot_be_read_leaves_out_the_path():
    shown = screen(RUNNING | {"spec": {"canary": {"steps": 3}}})
    assert not [text for text in shown if "shadow " in text and "✔" in text]
    assert [text for text in shown if "availability" in text]


def test_without_a_status_it_asks_for_the_operator():
    live = model()
    del live["status"]
    assert screen(live, pods=[], events=[])[:2] == [
        f"{'shop/categories  Pending':<68}12:00:05 UTC",
        "no status yet; is the operator running?",
    ]


def test_pods_that_are_not_ready_come_first_and_others_are_counted():
    pods = [pod(f"a{i}") for i in range(7)] + [pod("z", deletionTimestamp="2026-01-02T11:00:00Z")]
    shown = screen(RUNNING, pods=pods)
    at = shown.index("Pods  2/2 serve revision 4, confirmed")
    assert shown[at + 1] == " · z  Terminating, 6h"
    assert shown[at + 7] == "   and 2 more, 2 of them ready"


@pytest.mark.parametrize(
    ("changes", "drawn"),
    [
        ({"atLeast": 0.9}, "  │            ├─●┤  "),
        ({"atMost": 0.99}, "      ├────●──┤      "),
        ({"within": {"low": 0.5, "high": 0.7}}, "  │      │       ├●  "),
        ({"lower": None, "upper": None, "atLeast": 0.99}, "          ●          "),
    ],
)
def test_a_bar_has_its_own_scale(changes, drawn):
    assert bar(GateStatus.model_validate(gate("g", **changes))) == drawn
