"""When a rollout of the demo counts as successful. Needs no cluster."""

import dataclasses
from types import SimpleNamespace

import pytest

from serin_demo import scenario as scenarios
from serin_demo.commands import CommandError
from serin_demo.scenario import Action, Scenario, play

SHADOW = Scenario("bad from the start", "run_00000000_1", "RolledBack", 0.0)
HALF = Scenario("turns bad", "run_00000000_1", "RolledBack", 50.0)


@pytest.mark.parametrize(
    ("scenario", "outcome", "max_percent", "is_as_expected"),
    [
        (SHADOW, "RolledBack", 0.0, True),
        (SHADOW, "RolledBack", 10.0, False),
        (HALF, "RolledBack", 50.0, True),
        (HALF, "RolledBack", 0.0, False),
        (HALF, "Promoted", 50.0, False),
        (HALF, "None", 50.0, False),
    ],
    ids=["in shadow", "users saw it", "from half of them", "before it turned bad", "promoted", "not finished"],
)
def test_a_rollout_must_end_with_its_outcome_at_its_share(scenario, outcome, max_percent, is_as_expected):
    ended = dataclasses.replace(scenario, outcome=outcome, max_percent=max_percent)
    assert ended.is_as_expected is is_as_expected
    assert ended.report()["expectedPercent"] == scenario.expected_percent
    assert {"runID", "expected", "outcome", "seconds", "history"} <= set(ended.report())


def entry(event, percent=0.0, run_id="run_00000000_1", at=0):
    return {"at": f"2026-01-01T00:00:{at:02d}Z", "event": event, "percent": percent, "runID": run_id, "message": event}


def test_only_what_happened_to_the_run_since_its_start_counts():
    scenario = dataclasses.replace(HALF, history=[])
    old, other = entry("Promoted", 100.0), entry("StepAdvanced", 50.0, run_id="run_11111111_1", at=1)
    new = entry("StepAdvanced", 10.0, at=2)
    before = {(old["at"], old["event"])}
    assert scenario.add([old, other, new], before=before) == [new]
    assert scenario.add([old, other, new], before=before) == []
    assert (scenario.max_percent, scenario.history) == (10.0, [new])


@pytest.mark.parametrize(
    ("action", "is_due"),
    [
        (Action("StageStarted", ("promote",)), True),
        (Action("StageStarted", ("promote",), percent=10.0), True),
        (Action("StageStarted", ("promote",), percent=50.0), False),
        (Action("Promoted", ("undo",)), False),
    ],
)
def test_a_user_acts_after_an_event_at_a_share(action, is_due):
    assert action.is_due(entry("StageStarted", 10.0)) is is_due


def test_a_user_approves_each_step_that_waits_once():
    def status(reason, since):
        return {"candidate": {"hold": {"reason": reason, "since": since}}}

    scenario = dataclasses.replace(HALF, approval="fine", approved=set())
    assert not scenario.approves({"candidate": {}})
    assert not scenario.approves(status("OutsideWindow", "1"))
    assert [scenario.approves(status("AwaitingApproval", since)) for since in ("1", "1", "2")] == [True, False, True]
    assert not dataclasses.replace(HALF, approved=set()).approves(status("AwaitingApproval", "1"))


class Installed:
    """A cluster in which an undo takes effect at once."""

    def __init__(self):
        self.history, self.applied, self.ran = [entry("Promoted", 100.0)], [], []

    def read_model(self):
        return {"status": {"history": list(self.history), "propagation": {"confirmed": True}}}

    def set_run(self, run_id, changes):
        self.applied.append((run_id, dict(changes)))
        self.history.append(entry("RolloutCancelled", 100.0, at=1))

    def serin(self, *command):
        self.ran.append(command)
        self.history.append(entry("Undone", 0.0, at=2))


def test_a_scenario_in_which_a_user_acts(monkeypatch):
    monkeypatch.setattr(scenarios.time, "sleep", lambda _seconds: None)
    installed, lines = Installed(), []
    console = SimpleNamespace(line=lambda text, indent=0: lines.append(text))
    traffic = SimpleNamespace(is_garbled=SimpleNamespace(clear=lambda: None))
    undone = Scenario(
        "undo", "run_00000000_1", "RolledBack", 100.0, {"bake": {}}, (Action("RolloutCancelled", ("undo", "--yes")),)
    )
    play(undone, installed, console, traffic)
    assert undone.is_as_expected
    assert (installed.applied, installed.ran) == ([("run_00000000_1", {"bake": {}})], [("undo", "--yes")])
    assert "a user runs: kubectl serin undo categories --yes" in lines


def test_before_the_first_rollout_there_is_no_status():
    def read():
        raise CommandError("not found")

    assert scenarios._status(SimpleNamespace(read_model=read)) == {}
