"""What commands read of a SuggestionModel, as the API server returns it. Pure."""

from collections.abc import Mapping
from typing import Any, Final, Literal, get_args

Live = Mapping[str, Any]
Role = Literal["candidate", "stable", "previous"]
_ENDED: Final = ("RolledBack", "Refused", "Stopped")
"""States of a candidate whose rollout has ended."""


def full_name(live: Live) -> str:
    """Return namespace/name."""
    return f"{live['metadata']['namespace']}/{live['metadata']['name']}"


def status_of(live: Live) -> Live:
    """Return the status, empty if there is none."""
    return live.get("status") or {}


def candidate_of(live: Live) -> Live:
    """Return the candidate, empty if there is none."""
    return status_of(live).get("candidate") or {}


def run_of(live: Live, role: Role) -> str | None:
    """Return the run in a role, None if there is none."""
    return (status_of(live).get(role) or {}).get("runID")


def is_running(live: Live) -> bool:
    """Return whether there is a candidate whose rollout has not ended."""
    candidate = candidate_of(live)
    return bool(candidate) and candidate.get("state") not in _ENDED


def ready_condition(live: Live) -> Live:
    """Return the condition Ready, empty if there is none."""
    return next((one for one in status_of(live).get("conditions", []) if one["type"] == "Ready"), {})


def describe_ready(live: Live) -> str:
    """Return reason and message of the condition Ready."""
    ready = ready_condition(live)
    return f"{ready.get('reason', '')}: {ready.get('message', '')}"


def known_runs(live: Live) -> list[str]:
    """Return the runs that a status names, each once: candidate, stable and previous run, earlier and rejected ones."""
    status = status_of(live)
    roles = [run for role in get_args(Role) if (run := run_of(live, role))]
    others = [one["runID"] for one in (*status.get("earlier", []), *status.get("rejected", []))]
    return list(dict.fromkeys([*roles, *others]))


def describe_entry(entry: Live) -> str:
    """Return one entry of the history in one line: time, run, event, message."""
    run = f"{entry['runID']}  " if entry.get("runID") else ""
    return f"{entry['at'][:19]}Z  {run}{entry['event']}: {entry['message']}"


def restorable(live: Live) -> dict[str, Live]:
    """Return the runs that can be restored without a trial, newest first, by name: those that were stable before."""
    status, stable = status_of(live), run_of(live, "stable")
    previous = [status["previous"]] if status.get("previous") else []
    return {one["runID"]: one for one in (*previous, *status.get("earlier", [])) if one["runID"] != stable}
