"""The dashboard of one SuggestionModel: what its rollout waits for, its evidence, and what users get."""

from typing import Final

from serin_core.contract import names
from serin_monitoring.dashboards.panels import (
    FULL,
    HALF,
    MODEL,
    OF_MODEL,
    PERCENT,
    RATE,
    SECONDS,
    SHARE,
    THIRD,
    WINDOW,
    Query,
    bars,
    board,
    curves,
    number,
    timeline,
    transitions,
    variable,
)

_M: Final = "serin_suggestionmodel"
_VERDICTS: Final = {"1": ("Pass", "green"), "0": ("Inconclusive", "yellow"), "-1": ("Fail", "red")}
_ACCEPTED: Final = ', outcome="accepted"'
_GATE: Final = f'{OF_MODEL}, gate="$gate"'


def _rate(metric: str, selector: str = "", by: str = "serin_run") -> str:
    return f"sum by ({by}) (rate({metric}{{{OF_MODEL}{selector}}}{WINDOW}))"


def _agreement(metric: str, by: str) -> str:
    return f"""{_rate(metric, ', agree="True"', by)} / {_rate(metric, ', agree=~"True|False"', by)}"""


def _quantile(quantile: float) -> str:
    return f"histogram_quantile({quantile}, {_rate(f'{names.LATENCY}_bucket', by='le')})"


def _compared(by: str) -> str:
    return f"sum by ({by}) (increase({names.CLASS_COMPARE}{{{OF_MODEL}}}[$__range]))"


def _bound(gate: str) -> Query:
    bound = f'max by (bound) ({_M}_gate_bound{{{OF_MODEL}, gate="{gate}"}})'
    return Query(bound, f"bound of the gate {gate} ({{{{bound}}}})", is_bound=True)


_NOW: Final = (
    number(
        "Phase",
        Query(f"max by (phase) ({_M}_phase{{{OF_MODEL}}} == 1)", "{{phase}}"),
        description="Phase of the SuggestionModel.",
        as_name=True,
    ),
    number(
        "Reason of Ready",
        Query(f"max by (reason) ({_M}_ready_info{{{OF_MODEL}}})", "{{reason}}"),
        description="What it waits for: docs/conditions.md lists the reasons.",
        as_name=True,
    ),
    number(
        "For this long",
        Query(f"time() - max({_M}_ready_reason_since_timestamp_seconds{{{OF_MODEL}}})"),
        description="Time since which Ready has this reason.",
        unit=SECONDS,
    ),
    number(
        "Time of the stage",
        Query(f"time() - max({_M}_stage_start_timestamp_seconds{{{OF_MODEL}}})"),
        description="Time since the stage started; none without a stage.",
        unit=SECONDS,
    ),
    number(
        "All pods confirm",
        Query(f"max({_M}_routing_confirmed{{{OF_MODEL}}})"),
        description="Whether every pod serves the decided routing.",
        texts={"1": ("yes", "green"), "0": ("no", "red")},
    ),
    number(
        "Last check",
        Query(f"time() - max({_M}_last_check_timestamp_seconds{{{OF_MODEL}}})"),
        description="Time since the operator last came to a decision.",
        unit=SECONDS,
    ),
)
_PROGRESS: Final = (
    curves(
        "Share of users",
        Query(f"max by (serin_run) ({_M}_wanted_percent{{{OF_MODEL}}})", "{{serin_run}}: wanted"),
        Query(f"max by (serin_run, of) ({_M}_actual_percent{{{OF_MODEL}}})", "{{serin_run}}: actual, {{of}}"),
        description="Percent of users that each run is to serve; and, for the candidate, percent of users and of "
        "requests that it served in the stage.",
        unit=PERCENT,
        width=HALF,
        between=(0, 100),
    ),
    timeline(
        "Verdicts of the gates",
        Query(
            f'max by (gate) ({_M}_gate_verdict{{{OF_MODEL}, verdict="Pass"}})'
            f' - max by (gate) ({_M}_gate_verdict{{{OF_MODEL}, verdict="Fail"}})',
            "{{gate}}",
        ),
        description="All acting gates must pass at the same check for the next step; one that fails rolls back.",
        texts=_VERDICTS,
    ),
    curves(
        "Events counted by the gates",
        Query(f"max by (gate) ({_M}_gate_events{{{OF_MODEL}}})", "{{gate}}"),
        description="Events of the stage that each gate has counted. A gate without events can neither pass nor fail.",
        width=HALF,
    ),
    curves(
        "Errors of checks by cause",
        Query(f"sum by (cause) (increase({_M}_errors_total{{{OF_MODEL}}}{WINDOW}))", "{{cause}}"),
        description="What kept the operator from checking: docs/metrics.md explains the causes.",
        width=HALF,
    ),
)
_GATES: Final = (
    curves(
        "$gate",
        Query(f"max({_M}_gate_upper{{{_GATE}}})", "upper end"),
        Query(f"max({_M}_gate_estimate{{{_GATE}}})", "estimate"),
        Query(f"max({_M}_gate_lower{{{_GATE}}})", "lower end"),
        Query(f"max by (bound) ({_M}_gate_bound{{{_GATE}}})", "bound ({{bound}})", is_bound=True),
        Query(f"max({_M}_gate_query_value{{{_GATE}}})", "result of the query"),
        description="Estimate in the stage with its 95 % confidence sequence, and what the gate requires. The interval "
        "narrows with evidence; the gate has a verdict once it is on one side of the bound.",
        width=FULL,
        repeat="gate",
    ),
)
_USERS: Final = (
    curves(
        "Accepted ratio",
        Query(f"""{_rate(names.PREDICTIONS, ', accepted="True"')} / {_rate(names.PREDICTIONS)}""", "{{serin_run}}"),
        Query(
            f"""{_rate(names.CONFIDENT, ', shown="True"')} / {_rate(names.CONFIDENT)}""",
            "{{serin_run}}: of confident predictions in the canary",
        ),
        _bound("acceptedRatio"),
        description="Share of all suggestions for which the run was shown; and share of its confident predictions for "
        "users in the canary that were shown in time, which the gate acceptedRatio judges.",
        unit=SHARE,
        between=(0, 1),
    ),
    curves(
        "Fallbacks by reason",
        Query(_rate(names.FALLBACK, by="reason"), "{{reason}}"),
        description="Suggestions a second for which the run was not shown, by the first reason that applies.",
        unit=RATE,
        stacked=True,
    ),
    curves(
        "Agreement",
        Query(_agreement(names.USERS_COMPARE, "serin_run"), "{{serin_run}}: users"),
        Query(_agreement(names.COMPARE, "serin_run"), "{{serin_run}}: requests"),
        _bound("agreement"),
        description="Share of users, and of requests, for which the run's first label is the control answer. The gate "
        "judges users, each once in a stage.",
        unit=SHARE,
        between=(0, 1),
    ),
    curves(
        "Latency of predictions",
        Query(_quantile(0.5), "p50"),
        Query(_quantile(0.95), "p95"),
        Query(_quantile(0.99), "p99"),
        description="Predictions that take longer than 0.1 s are not shown.",
        unit=SECONDS,
    ),
    bars(
        "F1 by class, from training",
        Query(f"max by (serin_run, serin_class) ({names.RUN_F1}{{{OF_MODEL}}})", "{{serin_class}} ({{serin_run}})"),
        description="From the report of each loaded run.",
        unit=SHARE,
        between=(0, 1),
        width=THIRD,
    ),
    bars(
        "Predicted classes, beside those of the evaluation",
        Query(
            f"{_compared('serin_run, serin_class')} / on (serin_run) group_left () {_compared('serin_run')}"
            f" - on (serin_run, serin_class) max by (serin_run, serin_class) ({names.RUN_CLASS_SHARE}{{{OF_MODEL}}})",
            "{{serin_class}} ({{serin_run}})",
        ),
        description="Share of each predicted class in the time shown, less its share in the run's evaluation: above 0, "
        "the class is more frequent now. The alert SerinDrift sums it up.",
        unit=SHARE,
        between=(-0.5, 0.5),
        width=THIRD,
    ),
    curves(
        "Agreement by class",
        Query(_agreement(names.CLASS_COMPARE, "serin_class"), "{{serin_class}}"),
        description="The same by the first label of the run, which shows the classes in which it disagrees.",
        unit=SHARE,
        between=(0, 1),
    ),
    curves(
        "What users see",
        Query(_rate(names.SOURCE, by="source"), "{{source}}"),
        description="Suggestions a second by source, a model or a rule. `shadow`: compared in addition, and not shown.",
        unit=RATE,
    ),
    curves(
        "Accepted by users",
        Query(
            f"{_rate(names.FEEDBACK, _ACCEPTED, 'serin_arm')} / {_rate(names.FEEDBACK, by='serin_arm')}",
            "{{serin_arm}}",
        ),
        description="Share of suggestions with feedback that users accepted, in the canary and in the control group.",
        unit=SHARE,
        between=(0, 1),
    ),
    curves(
        "Low confidence by class",
        Query(_rate(names.LOW_CONFIDENCE, by="serin_class"), "{{serin_class}}"),
        description="Predictions a second below the threshold of their class.",
        unit=RATE,
    ),
)


def rollout() -> str:
    """Return the dashboard as JSON."""
    gates = f"label_values({_M}_gate_verdict{{{OF_MODEL}}}, gate)"
    return board(
        "serin-rollout",
        "Serin / Rollout",
        "One SuggestionModel: what its rollout waits for, the evidence of its gates, and what users get.",
        {"Now": _NOW, "Evidence": _PROGRESS, "Gates": _GATES, "Suggestions": _USERS},
        variables=(MODEL, variable("gate", "Gate", gates, is_multiple=True)),
        annotations=(transitions(OF_MODEL, "{{serin_run}}"),),
    )
