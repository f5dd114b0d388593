"""One rollout of the demo: start it, follow it to its end, and compare the end with the expected one."""

import math
import shlex
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from serin_core.api.packing import expanded
from serin_demo.commands import CommandError
from serin_demo.console import Console
from serin_demo.installation import NAME, Installation
from serin_demo.traffic import Traffic

ENDS = {
    "Promoted": "Promoted",
    "GateFailed": "RolledBack",
    "CandidateCrashed": "RolledBack",
    "Undone": "RolledBack",
    "RunRefused": "Refused",
}
SHOWN = frozenset(
    {*ENDS, "AcceptancePassed", "StageStarted", "StepAdvanced", "BakeStarted", "RolloutAborted", "RolloutCancelled"}
)
MAX_SECONDS = 150.0
"""Time after which a rollout counts as not having ended."""


@dataclass(frozen=True, slots=True)
class Action:
    """What a user does with `kubectl serin`, once something has happened to the run."""

    after: str
    """Event in the history."""
    command: tuple[str, ...]
    """The verb and its options."""
    percent: float | None = None
    """Share of users in percent after that event; None: any."""

    def is_due(self, entry: Mapping[str, Any]) -> bool:
        """Return whether an entry of the history is the one that the action waits for."""
        return entry["event"] == self.after and self.percent in (None, entry["percent"])


@dataclass
class Scenario:
    """One rollout: its run, its expected end, and how it ended."""

    title: str
    run_id: str
    expected: str
    expected_percent: float
    """The largest share of users that the run is expected to get."""
    changes: Mapping[str, object] = field(default_factory=dict)
    """Fields of spec beside runID that differ from those of the other rollouts."""
    actions: tuple[Action, ...] = ()
    approval: str = ""
    """The reason with which a user approves each step that waits for it; without one, nobody does."""
    approved: set[str] = field(default_factory=set)
    """When the steps that were approved had begun to wait."""
    format_changes_at: float = math.inf
    """Percent of users at which the transactions change their format of merchant names."""
    outcome: str = "None"
    seconds: float = 0.0
    seconds_to_confirm: float | None = None
    max_percent: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)

    @property
    def is_as_expected(self) -> bool:
        """Whether the rollout ended as expected, at the expected share of users."""
        return (self.outcome, self.max_percent) == (self.expected, self.expected_percent)

    def approves(self, status: Mapping[str, Any]) -> bool:
        """Return whether a user approves a step now: once for each that waits."""
        hold = (status.get("candidate") or {}).get("hold") or {}
        if not self.approval or hold.get("reason") != "AwaitingApproval" or hold["since"] in self.approved:
            return False
        self.approved.add(hold["since"])
        return True

    def report(self) -> dict[str, Any]:
        """Return its entry in demo-report.json."""
        return {
            "runID": self.run_id,
            "expected": self.expected,
            "outcome": self.outcome,
            "seconds": round(self.seconds, 1),
            "expectedPercent": self.expected_percent,
            "mostUsersPercent": self.max_percent,
            "secondsToConfirm": self.seconds_to_confirm,
            "history": self.history,
        }

    def add(self, history: Sequence[Mapping[str, Any]], *, before: Collection[object]) -> list[dict[str, Any]]:
        """Take in the history of a status; return the new entries about the run. `before` are keys of older ones."""
        known = {*before, *map(key_of, self.history)}
        new = [dict(one) for one in history if one.get("runID") == self.run_id and key_of(one) not in known]
        self.history += new
        self.max_percent = max([self.max_percent, *(one["percent"] for one in new)])
        return new


def key_of(entry: Mapping[str, Any]) -> tuple[str, str]:
    """Return what tells an entry of the history from others."""
    return entry["at"], entry["event"]


def play(scenario: Scenario, installation: Installation, console: Console, traffic: Traffic) -> None:
    """Set the run in the resource and follow the rollout until it ends, for at most MAX_SECONDS."""
    console.line(f"--- Rollout {scenario.title}")
    console.line(f"{scenario.run_id}; expected: {scenario.expected} at {scenario.expected_percent:g} %", indent=4)
    before = {key_of(entry) for entry in _status(installation).get("history", [])}
    installation.set_run(scenario.run_id, scenario.changes)
    began = time.monotonic()
    while time.monotonic() - began < MAX_SECONDS:
        status = _status(installation)
        for entry in scenario.add(status.get("history", []), before=before):
            if entry["event"] in SHOWN:
                console.line(f"{entry['event']:<17} {entry['message']}", indent=4)
            for action in scenario.actions:
                if action.is_due(entry):
                    _act(console, installation, *action.command)
        if scenario.approves(status):
            console.line(_ready_message(status).partition(". Evidence")[0], indent=4)
            _act(console, installation, "promote", "--reason", scenario.approval)
        candidate = status.get("candidate") or {}
        is_in_stage = candidate.get("runID") == scenario.run_id and candidate.get("stageStartedAt")
        if is_in_stage and candidate.get("percent", 0) >= scenario.format_changes_at:
            traffic.is_garbled.set()
        if scenario.history and scenario.history[-1]["event"] in ENDS and status["propagation"].get("confirmed"):
            scenario.outcome = ENDS[scenario.history[-1]["event"]]
            break
        time.sleep(0.1)
    scenario.seconds = time.monotonic() - began
    if scenario.outcome == "RolledBack":
        scenario.seconds_to_confirm = _seconds_to_confirm(installation, scenario)
    traffic.is_garbled.clear()


def _act(console: Console, installation: Installation, *command: str) -> None:
    action, *options = command
    console.line(f"a user runs: kubectl serin {shlex.join([action, NAME, *options])}", indent=4)
    installation.serin(*command)


def _ready_message(status: Mapping[str, Any]) -> str:
    return next((one["message"] for one in status.get("conditions", []) if one["type"] == "Ready"), "")


def _status(installation: Installation) -> dict[str, Any]:
    try:
        return expanded(installation.read_model().get("status", {}))
    except CommandError:
        return {}  # before the first rollout there is none


def _seconds_to_confirm(installation: Installation, scenario: Scenario) -> float | None:
    """Return the time from the verdict to the last pod's confirmation, both as recorded in the status."""
    status = expanded(installation.read_model().get("status", {}))
    confirmed = status.get("propagation", {}).get("confirmedAt")
    if not confirmed or not scenario.history:
        return None
    return (datetime.fromisoformat(confirmed) - datetime.fromisoformat(scenario.history[-1]["at"])).total_seconds()
