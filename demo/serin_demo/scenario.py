"""The three acts: a run that deserves its place, one that must not leave the shadow, one that turns bad half-way."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from serin_demo.console import Telling
from serin_demo.installation import Installation
from serin_demo.traffic import Traffic

ENDS = {"Promoted": "Promoted", "GateFailed": "RolledBack", "CandidateCrashed": "RolledBack", "RunRefused": "Refused"}
TOLD = frozenset({*ENDS, "AcceptancePassed", "StageStarted", "StepAdvanced", "RolloutAborted"})


@dataclass
class Act:
    """One run: what it is, how it is to end, and how it ended."""

    title: str
    run_id: str
    expected: str
    expected_percent: float
    """The largest share of users that is to have had it: its place when it ended."""
    outcome: str = "None"
    seconds: float = 0.0
    seconds_to_confirm: float | None = None
    most_users: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)

    @property
    def is_as_expected(self) -> bool:
        """Answer whether it ended as and where it was to."""
        return (self.outcome, self.most_users) == (self.expected, self.expected_percent)

    def report(self) -> dict[str, Any]:
        """Answer what demo-report.json says of it."""
        return {
            "runID": self.run_id,
            "expected": self.expected,
            "outcome": self.outcome,
            "seconds": round(self.seconds, 1),
            "expectedPercent": self.expected_percent,
            "mostUsersPercent": self.most_users,
            "secondsToConfirm": self.seconds_to_confirm,
            "history": self.history,
        }


@dataclass(frozen=True, slots=True)
class Theatre:
    """Where acts are played."""

    installation: Installation
    telling: Telling
    traffic: Traffic


def play(act: Act, theatre: Theatre, *, turns_bad_at: float | None, limit: float) -> None:
    """Name the run in the resource and follow it until it ends, or until `limit` seconds are over.

    From `turns_bad_at` percent of users on, the merchants' terminals print something else.
    """
    installation, telling, traffic = theatre.installation, theatre.telling, theatre.traffic
    telling.say(f"--- {act.title}: {act.run_id}")
    installation.name_run(act.run_id)
    began, told = time.monotonic(), set[tuple[str, str]]()
    while time.monotonic() - began < limit:
        status = _as_mapping(installation.read().get("status"))
        act.history = [entry for entry in status.get("history", []) if entry.get("runID") == act.run_id]
        for entry in act.history:
            if (entry["at"], entry["event"]) in told:
                continue
            told.add((entry["at"], entry["event"]))
            if entry["event"] in TOLD:
                telling.say(f"    {entry['event']:<16} {entry['message']}")
            act.most_users = max(
                act.most_users, entry["percent"] if entry["event"] in ("StepAdvanced", "StageStarted") else 0.0
            )
        _turn_bad(status, act, traffic, turns_bad_at)
        if act.history and act.history[-1]["event"] in ENDS and status["propagation"].get("confirmed"):
            act.outcome = ENDS[act.history[-1]["event"]]
            break
        time.sleep(0.1)
    act.seconds = time.monotonic() - began
    if act.outcome == "RolledBack":
        act.seconds_to_confirm = _seconds_to_confirm(installation, act)
    traffic.is_garbled.clear()


def _turn_bad(status: Mapping[str, Any], act: Act, traffic: Traffic, turns_bad_at: float | None) -> None:
    candidate = _as_mapping(status.get("candidate"))
    if turns_bad_at is None or candidate.get("runID") != act.run_id or traffic.is_garbled.is_set():
        return
    if candidate.get("percent", 0) >= turns_bad_at and candidate.get("stageStartedAt"):
        traffic.is_garbled.set()


def _seconds_to_confirm(installation: Installation, act: Act) -> float | None:
    """Answer the time from the verdict to the last pod's confirmation, as the operator wrote both down."""
    status = _as_mapping(installation.read().get("status"))
    confirmed = status.get("propagation", {}).get("confirmedAt")
    if not confirmed or not act.history:
        return None
    return (datetime.fromisoformat(confirmed) - datetime.fromisoformat(act.history[-1]["at"])).total_seconds()


def _as_mapping(found: object) -> dict[str, Any]:
    return dict(found) if isinstance(found, Mapping) else {}
