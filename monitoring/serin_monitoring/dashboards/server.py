"""The dashboard of the server pods of one SuggestionModel."""

from typing import Final

from serin_core.contract import names
from serin_monitoring.dashboards.panels import (
    MODEL,
    OF_MODEL,
    QUARTER,
    RATE,
    SECONDS,
    WINDOW,
    Query,
    board,
    curves,
    number,
    transitions,
)

_REFUSED: Final = "serin_documents_refused_total"


def _rate(metric: str, selector: str = "", by: str = "serin_pod") -> str:
    return f"sum by ({by}) (rate({metric}{{{OF_MODEL}{selector}}}{WINDOW}))"


def _by_pod(metric: str, more: str = "") -> str:
    return f"max by (serin_pod{more}) ({metric}{{{OF_MODEL}}})"


_NOW: Final = (
    number(
        "Pods",
        Query(f"count(count by (serin_pod) ({names.REVISION}{{{OF_MODEL}}}))"),
        description="Server pods that are scraped.",
        width=QUARTER,
    ),
    number(
        "Processes",
        Query(f"count({names.REVISION}{{{OF_MODEL}}})"),
        description="Server processes that are scraped.",
        width=QUARTER,
    ),
    number(
        "Revisions in use",
        Query(
            f'count(count by (revision) (count_values by (serin_model) ("revision", {names.REVISION}{{{OF_MODEL}}})))'
        ),
        description="Different revisions of the routing that pods serve. More than 1 for longer than a minute: a pod "
        "does not follow.",
        width=QUARTER,
    ),
    number(
        "Runs that a pod refuses",
        Query(f"sum(max by (serin_run) ({names.RUN_REFUSED}{{{OF_MODEL}}}))"),
        description="Runs that are damaged, not signed, or have another digest, as last read.",
        width=QUARTER,
    ),
)
_REQUESTS: Final = (
    curves(
        "Suggestions by pod",
        Query(_rate(names.SOURCE, ', source!="shadow"'), "{{serin_pod}}"),
        description="Suggestions a second.",
        unit=RATE,
    ),
    curves(
        "Latency of predictions by pod, p99",
        Query(f"histogram_quantile(0.99, {_rate(f'{names.LATENCY}_bucket', by='le, serin_pod')})", "{{serin_pod}}"),
        description="One slow pod is short of CPU; all at once is the run.",
        unit=SECONDS,
    ),
    curves(
        "Failed predictions",
        Query(_rate(names.FAILURES, by="serin_pod, serin_run"), "{{serin_pod}} {{serin_run}}"),
        description="Predictions a second that raised, had no number, or took longer than 0.1 s.",
        unit=RATE,
    ),
    curves(
        "Run not available",
        Query(_rate(names.REQUESTS, ', available="False"', "serin_pod, serin_run"), "{{serin_pod}} {{serin_run}}"),
        description="Predictions a second for which the run was not loaded, or its circuit breaker was open.",
        unit=RATE,
    ),
    curves(
        "Circuit breaker open",
        Query(_by_pod(names.BREAKER_OPEN, ", serin_run"), "{{serin_pod}} {{serin_run}}"),
        description="1 while the circuit breaker of a loaded run is open.",
        between=(0, 1),
    ),
    curves(
        "Feedback",
        Query(_rate(names.FEEDBACK, by="outcome"), "{{outcome}}"),
        description="First feedback on suggestions, a second.",
        unit=RATE,
    ),
)
_ROUTING: Final = (
    curves(
        "Revision of the routing by pod",
        Query(_by_pod(names.REVISION), "{{serin_pod}}"),
        description="Pods that follow have the same revision; -1 before the first document.",
    ),
    curves(
        "Since the operator asked",
        Query(_by_pod(names.OPERATOR_SILENCE), "{{serin_pod}}"),
        description="Time since the operator asked for the pod's status. After canary.supervisionTimeout the pod stops "
        "showing the candidate.",
        unit=SECONDS,
    ),
    curves(
        "Without an operator",
        Query(_by_pod(names.UNSUPERVISED), "{{serin_pod}}"),
        description="1 while a pod does not show the candidate because no operator has asked for its status.",
        between=(0, 1),
    ),
    curves(
        "Refused documents by reason",
        Query(_rate(_REFUSED, by="reason"), "{{reason}}"),
        description="Routing documents a second that pods rejected; the one before stayed in use.",
        unit=RATE,
    ),
    curves(
        "Refused runs",
        Query(_by_pod(names.RUN_REFUSED, ", serin_run"), "{{serin_pod}} {{serin_run}}"),
        description="1 if the run was refused when last read. /ml/status of the pod has the reason.",
        between=(0, 1),
    ),
    curves(
        "Users by comparison",
        Query(_rate(names.USERS_COMPARE, by="agree"), "{{agree}}"),
        description="Users a second, compared for the first time in a stage; None: there was no control answer.",
        unit=RATE,
    ),
)


def server() -> str:
    """Return the dashboard as JSON."""
    return board(
        "serin-server",
        "Serin / Server",
        "The server pods of one SuggestionModel: requests, predictions, and the routing that they serve.",
        {"Now": _NOW, "Requests": _REQUESTS, "Routing and runs": _ROUTING},
        variables=(MODEL,),
        annotations=(transitions(OF_MODEL, "{{serin_run}}"),),
        since="now-6h",
    )
