"""The dashboard of the operator itself: does it lead, check, read counts, and deliver?"""

from typing import Final

from serin_monitoring.dashboards.panels import (
    HALF,
    QUARTER,
    SECONDS,
    THIRD,
    WINDOW,
    Query,
    board,
    curves,
    number,
)

_O: Final = "serin_operator"
_PER_SECOND: Final = "ops"


def _rate(metric: str, by: str) -> str:
    return f"sum by ({by}) (rate({metric}{WINDOW}))"


def _quantiles(metric: str, by: str = "") -> tuple[Query, ...]:
    group = f"le, {by}" if by else "le"
    legend = f"{{{{{by}}}}} " if by else ""
    return tuple(
        Query(f"histogram_quantile({quantile}, {_rate(f'{metric}_bucket', group)})", f"{legend}p{quantile * 100:.0f}")
        for quantile in (0.5, 0.99)
    )


_NOW: Final = (
    number(
        "Leaders",
        Query(f"sum({_O}_leader)"),
        description="Operators that lead: one for each release.",
        width=QUARTER,
    ),
    number(
        "Operators",
        Query(f"count({_O}_leader)"),
        description="Operators that are scraped, with those that stand by.",
        width=QUARTER,
    ),
    number(
        "SuggestionModels",
        Query(f"max({_O}_suggestionmodels)"),
        description="SuggestionModels that an operator works on, or would if it led.",
        width=QUARTER,
    ),
    number(
        "Oldest check",
        Query("max(time() - max by (serin_model) (serin_suggestionmodel_last_check_timestamp_seconds))"),
        description="Time since the last check of the SuggestionModel that has waited longest. Without a rollout, "
        "one is checked every ten minutes.",
        unit=SECONDS,
        width=QUARTER,
    ),
)
_WORK: Final = (
    curves(
        "Checks by result",
        Query(_rate(f"{_O}_reconcile_total", "result"), "{{result}}"),
        description="Checks a second.",
        unit=_PER_SECOND,
        stacked=True,
    ),
    curves(
        "Duration of a check",
        *_quantiles(f"{_O}_reconcile_duration_seconds"),
        description="With the time that it waits for the API server.",
        unit=SECONDS,
    ),
    curves(
        "SuggestionModels that wait for a worker",
        Query(f"max by (instance) ({_O}_workqueue_depth)", "{{instance}}"),
        description="A queue that does not empty needs more `workers`.",
    ),
    curves(
        "Errors by cause",
        Query(_rate("serin_suggestionmodel_errors_total", "cause"), "{{cause}}"),
        description="What kept the operator from checking: docs/metrics.md explains the causes.",
        unit=_PER_SECOND,
    ),
    curves(
        "Last event of the watch",
        Query(f"time() - max by (instance) ({_O}_watch_last_event_timestamp_seconds)", "{{instance}}"),
        description="Time since the API server last sent anything.",
        unit=SECONDS,
    ),
    curves(
        "Transitions",
        Query(f"sum by (event) (increase({_O}_transitions_total{WINDOW}))", "{{event}}"),
        description="Transitions of all rollouts by Event.",
        stacked=True,
    ),
)
_COUNTS: Final = (
    curves(
        "Readings of counts by outcome",
        Query(_rate(f"{_O}_readings_total", "outcome"), "{{outcome}}"),
        description="Read, or why the counts of a stage could not be read.",
        unit=_PER_SECOND,
        stacked=True,
        width=HALF,
    ),
    curves(
        "Duration of a query of Prometheus",
        *_quantiles(f"{_O}_query_duration_seconds", "endpoint"),
        description="With the time that it waits for its turn (maxConcurrency).",
        unit=SECONDS,
        width=HALF,
    ),
    curves(
        "Rollbacks until every pod had confirmed",
        *_quantiles("serin_rollback_confirmed_seconds"),
        description="Time from the decision to roll back until the last pod confirmed it.",
        unit=SECONDS,
        width=THIRD,
    ),
    curves(
        "Requests to endpoints of checks",
        Query(_rate(f"{_O}_check_requests_total", "endpoint, outcome"), "{{endpoint}} {{outcome}}"),
        description="Requests a second by endpoint and outcome; none without an endpoint in the configuration.",
        unit=_PER_SECOND,
    ),
    curves(
        "Duration of these requests",
        *_quantiles(f"{_O}_check_request_duration_seconds", "endpoint"),
        description="With the time that a request waits for its turn.",
        unit=SECONDS,
    ),
)
_DELIVERY: Final = (
    curves(
        "Notifications by outcome",
        Query(_rate(f"{_O}_notifications_total", "destination, outcome"), "{{destination}} {{outcome}}"),
        description="Attempts a second by destination; none without a destination in the configuration.",
        unit=_PER_SECOND,
    ),
    curves(
        "Notifications that wait",
        Query(f"max by (destination) ({_O}_notifications_waiting)", "{{destination}}"),
        description="Notifications that wait for a destination.",
    ),
    curves(
        "Failed writes of records",
        Query(f"sum(rate({_O}_record_write_failures_total{WINDOW}))", "failed writes"),
        description="Failed writes of trial records, which are tried again.",
        unit=_PER_SECOND,
    ),
)


def operator() -> str:
    """Return the dashboard as JSON."""
    return board(
        "serin-operator",
        "Serin / Operator",
        "The operator itself: does it lead, check, read counts, and deliver?",
        {
            "Now": _NOW,
            "Checks": _WORK,
            "Prometheus, rollbacks and checks": _COUNTS,
            "Notifications and records": _DELIVERY,
        },
        since="now-6h",
    )
