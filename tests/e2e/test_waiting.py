"""Approval, pause and windows on a real API server, with server pods and traffic: each changes the outcome."""

from datetime import UTC, datetime, timedelta

import pytest
from e2e.conftest import canary

from serin_demo.commands import CommandError

pytestmark = pytest.mark.cluster


def is_at(percent):
    return lambda status: status["candidate"]["percent"] == percent


def manual(soak, *percents):
    return canary(soak, *percents) | {"approval": "Manual"}


def window(*, opens_in, lasts=timedelta(hours=1)):
    """Return a window by the clock of Honolulu, which has no daylight saving; its hours are those of UTC minus ten."""
    opens = datetime.now(UTC) - timedelta(hours=10) + opens_in
    closes = opens + lasts
    return {"from": f"{opens:%H:%M}", "to": f"{closes:%H:%M}", "timeZone": "Pacific/Honolulu"}


def test_steps_wait_for_an_approval_a_pause_stops_them_and_who_did_it_is_kept(rollout, registry):
    rollout.send(registry.traffic)
    rollout.apply(registry.good, canary=manual("1s", 10, 100))
    ready = rollout.wait_for_reason("AwaitingApproval", seconds=90)
    assert "kubectl serin promote categories. Evidence: availability" in ready["message"]
    rollout.stays(is_at(0))

    assert "Done: Advanced from 0 % to 10 %" in rollout.serin("promote", "--reason", "looks fine")
    status = rollout.wait_for_stage(10)
    step = next(entry for entry in status["history"] if entry["event"] == "StepAdvanced")
    assert step["by"].startswith(f"promote {registry.good} 0 ")
    handled = status["handledRequests"][-1]
    assert (handled["action"], handled["reason"]) == ("promote", "looks fine")
    assert handled["by"], "the API server knows who is asking"
    assert f"(requested by {handled['by']}: looks fine): availability" in step["message"]

    assert "paused at 10 %" in rollout.serin("pause", "--reason", "odd numbers")
    assert "odd numbers" in rollout.wait_for_reason("Paused")["message"]
    with pytest.raises(CommandError, match="Ignored: the rollout is paused"):
        rollout.serin("promote")
    rollout.stays(is_at(10))
    assert "resumed at 10 %" in rollout.serin("resume")

    # The approval of a stage that is over does not act.
    late = f"{registry.good} 0 2026-01-01T00:00:00Z too late"
    rollout.kubectl("annotate", "sgm", rollout.name, f"request.serin.dev/promote={late}", "--overwrite")
    status = rollout.wait(lambda status: status["handledRequests"][-1]["value"] == late, what="an answer")
    assert status["handledRequests"][-1]["answer"] == "Ignored: the stage in shadow is over, the rollout is at 10 %"

    rollout.wait_for_reason("AwaitingApproval", seconds=60)
    rollout.serin("promote", "--reason", "still fine")
    rollout.wait_for_phase("Promoted", seconds=60)
    rollout.wait_for_events("AwaitingApproval", "Paused", "Resumed", "Promoted")


def test_a_gate_that_fails_while_an_approval_is_awaited_rolls_back(rollout, registry):
    rollout.send(registry.traffic)
    rollout.apply(registry.good, canary=manual("1s", 10, 100))
    rollout.wait_for_reason("AwaitingApproval", seconds=90)
    full = {"name": "saturation", "query": "vector(1)", "atMost": 0.9, "for": "1s"}
    gates = rollout.resource(registry.good)["spec"]["gates"] | {"queries": [full]}
    rollout.apply(registry.good, canary=manual("1s", 10, 100), gates=gates)
    status = rollout.wait_for_phase("RolledBack", seconds=60)
    assert status["history"][-1]["event"] == "GateFailed"
    assert max(entry["percent"] for entry in status["history"]) == 0


def test_a_step_waits_for_its_window_and_a_user_may_go_ahead(rollout, registry):
    later = canary("1s", 10, 100) | {"windows": [window(opens_in=timedelta(hours=2))]}
    rollout.send(registry.traffic)
    rollout.apply(registry.good, canary=later)
    ready = rollout.wait_for_reason("OutsideWindow", seconds=90)
    assert f"{later['windows'][0]['from']} Pacific/Honolulu" in ready["message"]
    assert "Pacific/Honolulu" in rollout.serin("status")
    rollout.stays(is_at(0))

    rollout.serin("promote", "--reason", "hotfix")
    rollout.wait_for_stage(10)
    rollout.wait_for_reason("OutsideWindow", seconds=60)

    now_open = canary("1s", 10, 100) | {"windows": [window(opens_in=-timedelta(minutes=30), lasts=timedelta(hours=3))]}
    rollout.apply(registry.good, canary=now_open)
    rollout.wait_for_phase("Promoted", seconds=60)
