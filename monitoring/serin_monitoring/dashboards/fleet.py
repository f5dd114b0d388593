"""The dashboard of all SuggestionModels: which of them need a user, and what happened."""

from typing import Final

from serin_core.contract import names
from serin_monitoring.dashboards.panels import (
    HALF,
    PERCENT,
    QUARTER,
    RATE,
    SECONDS,
    Query,
    board,
    curves,
    number,
    rows_of,
    transitions,
)

_M: Final = "serin_suggestionmodel"
_SETTLED: Final = "RolloutProgressing|Draining|Loading|Pending|Promoting|Promoted|AtCap|Baking|OutsideWindow|Frozen"
"""Reasons of Ready that need no user."""


def _by_model(name: str, more: str = "") -> str:
    return f"max by (serin_model{more}) ({_M}_{name})"


_COUNTS: Final = (
    number(
        "SuggestionModels",
        Query(f"count(count by (serin_model) ({_M}_info))"),
        description="SuggestionModels that the operators work on.",
        width=QUARTER,
    ),
    number(
        "Rollouts",
        Query(f"count({_by_model('stage_start_timestamp_seconds')})"),
        description="SuggestionModels with a stage: in shadow, in a canary step, at the cap or baking.",
        width=QUARTER,
        none="0",
    ),
    number(
        "Need a user",
        Query(f'count(count by (serin_model) ({_M}_ready_info{{reason!~"{_SETTLED}"}}))'),
        description="SuggestionModels that do not go on by themselves, or that were rolled back.",
        width=QUARTER,
        none="0",
    ),
    number(
        "Pods do not confirm",
        Query(f"count({_by_model('routing_confirmed')} == 0)"),
        description="SuggestionModels of which not every pod serves the decided routing.",
        width=QUARTER,
        none="0",
    ),
)
_EACH: Final = (
    rows_of(
        "What each one waits for",
        Query(
            f"(time() - {_by_model('ready_reason_since_timestamp_seconds')}) * on (serin_model) group_right ()"
            f" max by (serin_model, status, reason) ({_M}_ready_info)"
        ),
        Query(f"{_by_model('phase', ', phase')} == 1"),
        Query(
            f"{_by_model('wanted_percent', ', serin_run')} and on (serin_model, serin_run)"
            f' label_replace({_by_model("info", ", candidate")}, "serin_run", "$1", "candidate", "(.+)")'
        ),
        Query(f"time() - {_by_model('stage_start_timestamp_seconds')}"),
        description="Phase, reason of Ready and since when, the candidate with its percent, and the time of its stage.",
        names={
            "serin_model": "SuggestionModel",
            "phase": "Phase",
            "reason": "Reason",
            "status": "Ready",
            "Value #A": "For",
            "serin_run": "Candidate",
            "Value #C": "Percent",
            "Value #D": "Stage since",
        },
        units={"For": SECONDS, "Percent": PERCENT, "Stage since": SECONDS},
    ),
)
_CHANGES: Final = (
    curves(
        "Phases",
        Query(f"sum by (phase) ({_by_model('phase', ', phase')})", "{{phase}}"),
        description="Number of SuggestionModels by phase.",
        width=HALF,
        stacked=True,
    ),
    curves(
        "Suggestions",
        Query(f'sum by (serin_model) (rate({names.SOURCE}{{source!="shadow"}}[$__rate_interval]))', "{{serin_model}}"),
        description="Suggestions a second.",
        unit=RATE,
        width=HALF,
    ),
    curves(
        "Rollbacks",
        Query(f"sum by (event) (increase({_M}_rollbacks_total[$__interval])) > 0", "{{event}}"),
        description="Rollbacks by the Event that reports them.",
        width=HALF,
    ),
    curves(
        "Promotions",
        Query(f"sum(increase({_M}_promotions_total[$__interval]))", "promotions"),
        description="Runs that became the stable run.",
        width=HALF,
    ),
    rows_of(
        "Last rollbacks and promotions",
        Query(f"time() - {_by_model('last_transition_timestamp_seconds', ', serin_run, event')}"),
        description="The last transition of each kind that is in the history of each SuggestionModel.",
        names={"serin_model": "SuggestionModel", "event": "Event", "serin_run": "Run", "Value": "Ago"},
        units={"Ago": SECONDS},
        width=HALF,
    ),
    rows_of(
        "Age of the runs that serve users",
        Query(
            f"time() - {_by_model('run_created_timestamp_seconds', ', serin_run')}"
            f" and on (serin_model, serin_run) {_by_model('wanted_percent', ', serin_run')} > 0"
        ),
        description="Time since the run was made.",
        names={"serin_model": "SuggestionModel", "serin_run": "Run", "Value": "Age"},
        units={"Age": SECONDS},
        width=HALF,
    ),
)


def fleet() -> str:
    """Return the dashboard as JSON."""
    return board(
        "serin-fleet",
        "Serin / Fleet",
        "All SuggestionModels: which of them need a user, and what happened.",
        {"Now": _COUNTS, "SuggestionModels": _EACH, "Over time": _CHANGES},
        annotations=(transitions('event=~"GateFailed|CandidateCrashed|Promoted"', "{{serin_model}} {{serin_run}}"),),
    )
