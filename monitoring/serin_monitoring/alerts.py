"""The alerts, each with a section of docs/runbooks.md: what it means, what to check, what to do.

Expressions join by `serin_model`, the one label that no scrape renames (docs/decisions/0152).
"""

from dataclasses import dataclass
from typing import Final

from serin_core.api.gate_names import DEFAULT_AT_MOST, GateName
from serin_core.contract import names
from serin_core.evidence.stability_index import MAJOR
from serin_core.rollout.table import TABLE, State

MODEL_AGE_DAYS: Final = 90
RUNBOOKS: Final = "https://github.com/serin-dev/serin/blob/main/docs/runbooks.md"
WAITED: Final = 900
"""Seconds after which a user is asked to act: what resolves by itself has done so."""
_WHAT: Final = "{{ $labels.namespace }}/{{ $labels.name }}"
_NAME: Final = "{{ $labels.name }} -n {{ $labels.namespace }}"
_FOR: Final = "{{ $value | humanizeDuration }}"
_WITHDRAWN: Final = (State.ROLLED_BACK, State.STOPPED)
_BY_USERS: Final = ("RolloutAborted", "Undone", "EmergencyStop", "RunRejected")
"""Rollbacks that a user has asked for, or caused by naming a run that was rolled back earlier."""
ROLLBACKS: Final = tuple(dict.fromkeys(row.event for row in TABLE if row.target in _WITHDRAWN))
_BY_THE_OPERATOR: Final = "|".join(event for event in ROLLBACKS if event not in _BY_USERS)
STALLED: Final = (
    "CheckEndpointUnknown",
    "CheckPending",
    "ChildConflict",
    "ChildRefused",
    "NoGate",
    "PodsUnavailable",
    "RegistryUnavailable",
    "RulesUnavailable",
    "RunNotFound",
)
"""Reasons of Ready that are not False, and that resolve by themselves only for a while."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One alert. `wait` is how long the expression must hold, as in Prometheus."""

    name: str
    severity: str
    expression: str
    wait: str = ""
    summary: str
    description: str
    command: str
    """What to run first."""
    of_model: bool = True
    """Whether it is about a SuggestionModel, whose namespace and name become labels of the alert."""


def _longest(name: str, more: str = "") -> str:
    return f"max by (serin_model{more}) (serin_suggestionmodel_{name})"


def _latest(events: str, more: str = "") -> str:
    return _longest(f'last_transition_timestamp_seconds{{event=~"{events}"}}', more)


def _has_reason(selector: str, seconds: int) -> str:
    """Return how long Ready has had a reason, where that is longer than some seconds."""
    since = _longest("ready_reason_since_timestamp_seconds")
    return f"(time() - {since})\n* on (serin_model) group_right ()\n{_longest(selector, ', reason')}\n> {seconds}"


def _increase(metric: str, selector: str = "") -> str:
    return f"sum by (serin_model) (increase({metric}{selector}[1h]))"


_NOT_WANTED: Final = _increase(names.FALLBACK, '{reason="not_in_canary"}')
_WANTED: Final = f"({_increase(names.PREDICTIONS)} - {_NOT_WANTED})"
"""Suggestions of the last hour for which the run was to be shown."""
_FAILED: Final = _increase(names.FALLBACK, '{reason=~"unavailable|unknown"}')
_FELL_BACK: Final = f"{_FAILED}\n/ ({_WANTED} > 100)"
_BUDGET: Final = _longest('gate_bound{gate="fallback", bound="atMost"}')
_ACTING: Final = _longest('gate_verdict{role="Acting"}', ", gate")
_SERVES: Final = f"{_longest('wanted_percent', ', serin_run')} > 0"
_COMPARED: Final = f"(increase({names.CLASS_COMPARE}[1d]))"
_OF_RUN: Final = "serin_model, serin_run"
_CLASSES_NOW: Final = (
    f"clamp_min(\n    sum by ({_OF_RUN}, serin_class) {_COMPARED}\n"
    f"    / on ({_OF_RUN}) group_left () (sum by ({_OF_RUN}) {_COMPARED} > 1000),\n    0.001\n  )"
)
_CLASSES_BEFORE: Final = f"clamp_min(max by ({_OF_RUN}, serin_class) ({names.RUN_CLASS_SHARE}), 0.001)"
_PSI: Final = (
    f"sum by ({_OF_RUN}) (\n  ({_CLASSES_NOW} - {_CLASSES_BEFORE})\n  * ln({_CLASSES_NOW} / {_CLASSES_BEFORE})\n)"
)
"""Of the predictions of a day and of those in the evaluation; a share below 0.001 counts as that."""
_WITHDRAWS: Final = _longest('phase{phase=~"RolledBack|Stopped"}')

ROLLOUT: Final = (
    Alert(
        name="SerinRolledBack",
        severity="warning",
        expression=f"time() - {_latest(_BY_THE_OPERATOR, ', serin_run, event')}\n< 3600",
        summary=f"{_WHAT}: {{{{ $labels.serin_run }}}} was rolled back ({{{{ $labels.event }}}})",
        description=(
            "The operator took the run out of service within the last hour. The stable run or the "
            "rules serve all users."
        ),
        command=f"kubectl serin explain {_NAME}",
    ),
    Alert(
        name="SerinAwaitingApproval",
        severity="info",
        expression=_has_reason('ready_info{reason="AwaitingApproval"}', WAITED),
        summary=f"{_WHAT} has waited {_FOR} for an approval",
        description=(
            "The stage is over and its gates have passed. The next step begins when a user approves "
            "it; the share of users stays as it is until then."
        ),
        command=f"kubectl serin status {_NAME}",
    ),
    Alert(
        name="SerinStalled",
        severity="warning",
        expression=_has_reason(
            'ready_info{status="False", reason!~"RolledBack|Stopped"}\n'
            f'  or serin_suggestionmodel_ready_info{{reason=~"{"|".join(STALLED)}"}}',
            WAITED,
        ),
        summary=f"{_WHAT} cannot go on: {{{{ $labels.reason }}}} for {_FOR}",
        description=(
            "The SuggestionModel waits for something that a user has to repair. What serves users "
            "goes on; nothing is promoted."
        ),
        command=f"kubectl serin status {_NAME}",
    ),
    Alert(
        name="SerinNoVerdict",
        severity="warning",
        expression=_has_reason('ready_info{reason="Undecided"}', 0),
        summary=f"{_WHAT}: a gate has no verdict after spec.analysis.maxDuration",
        description=(
            "The stage has lasted for its maximum time, and the evidence of at least one gate is "
            "still not enough to pass or fail. The rollout holds until a user decides."
        ),
        command=f"kubectl serin explain {_NAME}",
    ),
    Alert(
        name="SerinMetricsUnavailable",
        severity="warning",
        expression=_has_reason('ready_info{reason="MetricsUnavailable"}', 300),
        summary=f"{_WHAT}: no gate has been judged for {_FOR}, because counts are missing",
        description=(
            "The operator cannot read the counts of the stage from Prometheus, or a gate has none. "
            "Nothing is promoted, and no gate can roll back."
        ),
        command=f"kubectl serin status {_NAME}",
    ),
    Alert(
        name="SerinGateWithoutData",
        severity="warning",
        expression=(
            f"(\n  {_ACTING}\n"
            f"  unless {_longest('gate_events', ', gate')} > 0\n"
            f"  unless {_longest('gate_query_value', ', gate')}\n)\n"
            f"and on (serin_model) time() - {_longest('stage_start_timestamp_seconds')} > 3600"
        ),
        summary=f"{_WHAT}: the gate {{{{ $labels.gate }}}} has counted nothing for an hour",
        description="The stage cannot pass without this gate, and it has no data since the stage began.",
        command=f"kubectl serin explain {_NAME}",
    ),
    Alert(
        name="SerinModelOld",
        severity="info",
        expression=(
            f"time() - {_longest('run_created_timestamp_seconds', ', serin_run')} > {MODEL_AGE_DAYS} * 86400\n"
            f"and on (serin_model, serin_run) {_SERVES}"
        ),
        wait="1h",
        summary=f"{_WHAT}: {{{{ $labels.serin_run }}}}, which serves users, is {_FOR} old",
        description="No newer run has been promoted. Transactions may have changed since it was trained.",
        command=f"kubectl serin history {_NAME}",
    ),
)

SERVING: Final = (
    Alert(
        name="SerinRollbackUnconfirmed",
        severity="critical",
        expression=(
            f"time() - {_latest('|'.join(ROLLBACKS))} > 10 < 3600\n"
            f"and on (serin_model) {_WITHDRAWS} == 1\n"
            f"and on (serin_model) {_longest('routing_confirmed')} == 0"
        ),
        summary=f"{_WHAT}: not every pod has confirmed the rollback of {_FOR} ago",
        description="A pod may still serve the run that was rolled back.",
        command=f"kubectl describe sgm {_NAME}",
    ),
    Alert(
        name="SerinPodsNotConfirming",
        severity="warning",
        expression=f"{_longest('routing_confirmed')} == 0",
        wait="5m",
        summary=f"{_WHAT}: not every pod serves the decided routing",
        description=(
            "Pods do not report the routing that the operator decided. Nothing moves forward without"
            " their confirmation."
        ),
        command=f"kubectl describe sgm {_NAME}",
    ),
    Alert(
        name="SerinBreakerOpen",
        severity="warning",
        expression=f"max by (serin_model, serin_run) (max_over_time({names.BREAKER_OPEN}[5m])) == 1",
        wait="5m",
        summary=f"{_WHAT}: pods have stopped calling {{{{ $labels.serin_run }}}} for a while, again and again",
        description=(
            "Predictions of the run fail or take longer than 0.1 s. Users get the control answer: "
            "the stable run's, or that of the rules."
        ),
        command="kubectl logs -n {{ $labels.namespace }} deployment/{{ $labels.name }}",
    ),
    Alert(
        name="SerinFallbackBudgetSpent",
        severity="warning",
        expression=(
            f"{_FELL_BACK}\n> on (serin_model)\n(\n  {_BUDGET}\n"
            f"  or 0 * {_WANTED} + {DEFAULT_AT_MOST[GateName.FALLBACK]}\n)"
        ),
        wait="5m",
        summary=f"{_WHAT}: {{{{ $value | humanizePercentage }}}} of the suggestions of the last hour fell back",
        description=(
            "The run was to be shown and was unavailable or failed, more often than the gate "
            "fallback allows (without that gate, more often than its default)."
        ),
        command=f"kubectl serin status {_NAME}",
    ),
)

OPERATOR: Final = (
    Alert(
        name="SerinNoLeader",
        severity="critical",
        expression="max by (namespace, job) (serin_operator_leader) == 0\nor absent(serin_operator_leader)",
        wait="2m",
        summary="No Serin operator leads",
        description=(
            "No rollout is promoted or rolled back. Pods go on with what they serve; candidates are "
            "withdrawn by the pods themselves after canary.supervisionTimeout."
        ),
        command="kubectl get pods,lease -n serin-system",
        of_model=False,
    ),
    Alert(
        name="SerinNotChecked",
        severity="warning",
        expression=f"time() - {_longest('last_check_timestamp_seconds')} > {WAITED}",
        summary=f"{_WHAT}: the last check was {_FOR} ago",
        description=(
            "The operator runs, but has come to no decision about this SuggestionModel: it can "
            "neither be promoted nor rolled back."
        ),
        command="kubectl logs -n serin-system deployment/serin-operator",
    ),
    Alert(
        name="SerinOperatorSilent",
        severity="warning",
        expression=f'max by (serin_model) ({names.OPERATOR_SILENCE}{{serin_uid!="local"}}) > {WAITED}',
        summary=f"{_WHAT}: a pod has not been asked by an operator for {_FOR}",
        description="After canary.supervisionTimeout the pod stops showing the candidate by itself.",
        command="kubectl get pods,lease -n serin-system",
    ),
)
DRIFT: Final = (
    Alert(
        name="SerinDrift",
        severity="info",
        expression=f"{_PSI} > {MAJOR}\nand on ({_OF_RUN}) {_SERVES}",
        wait="6h",
        summary=f"{_WHAT}: {{{{ $labels.serin_run }}}} predicts other classes than in its evaluation",
        description=(
            "The mix of predicted classes of the last day differs from that on the rows that the run was evaluated "
            'on: population stability index {{ $value | printf "%.2f" }}. Transactions may have changed.'
        ),
        command="kubectl serin drift --run {{ $labels.serin_run }} --data NEW.csv --registry REGISTRY",
    ),
)
GROUPS: Final = {
    "serin-rollout": ROLLOUT,
    "serin-serving": SERVING,
    "serin-operator": OPERATOR,
    "serin-drift": DRIFT,
}
INTERVALS: Final = {"serin-serving": "15s", "serin-drift": "15m"}
"""Groups that are not evaluated at the interval of Prometheus: one is urgent, one reads a day of samples."""


def every() -> tuple[Alert, ...]:
    """Return all alerts."""
    return tuple(alert for alerts in GROUPS.values() for alert in alerts)
