"""For each alert, series with which it fires, and others with which it does not.

The clock begins at 0, and every series has a sample a minute.
"""

from dataclasses import dataclass, field

AGE = 90 * 86400


@dataclass(frozen=True)
class Case:
    """Series by name, and what fires after some minutes: the labels of the alert, or None; `value` as it is shown."""

    alert: str
    series: dict[str, str]
    labels: dict[str, str] | None = None
    value: str = ""
    minutes: int = 20
    named: dict[str, str] = field(default_factory=lambda: {"serin_model": "team/categories"})


def operator(**metrics):
    """Return series of the operator, whose own namespace the scrape has renamed."""
    labels = (
        'namespace="serin-system", exported_namespace="team", name="categories", serin_model="team/categories", '
        'instance="10.0.0.1:8081"'
    )

    def series(name, more):
        return f"serin_suggestionmodel_{name}{{{', '.join([labels, *(f'{k}={v!r}' for k, v in more.items())])}}}"

    return {series(name, more): samples for name, found in metrics.items() for more, samples in found}


def one(samples, **labels):
    return [(labels, samples)]


def waits(reason, *, status="Unknown", since="0x99"):
    return operator(
        ready_info=one("1x99", status=status, reason=reason), ready_reason_since_timestamp_seconds=one(since)
    )


def server(name, samples, **labels):
    own = {"namespace": "team", "pod": "categories-1", "serin_model": "team/categories", "serin_uid": "u"} | labels
    return {f"{name}{{{', '.join(f'{key}={value!r}' for key, value in own.items())}}}": samples}


def rolled_back(event, at, *, confirmed, phase="RolledBack"):
    return operator(
        last_transition_timestamp_seconds=one(f"{at}x99", serin_run="run_1", event=event),
        phase=[({"phase": phase}, "1x99"), ({"phase": "Canary"}, "0x99")],
        routing_confirmed=one(f"{confirmed}x99"),
    )


def gate(**counted):
    return operator(
        gate_verdict=[
            ({"gate": "agreement", "role": "Acting", "verdict": "Inconclusive"}, "1x99"),
            ({"gate": "agreement", "role": "Acting", "verdict": "Pass"}, "0x99"),
            ({"gate": "feedback", "role": "DryRun", "verdict": "Inconclusive"}, "1x99"),
        ],
        stage_start_timestamp_seconds=one("0x99"),
        **counted,
    )


def fallbacks(failed, shown, *, low=0):
    return (
        server("lm_ml_fallback_total", f"0+{failed}x99", reason="unavailable", serin_arm="canary")
        | server("lm_ml_fallback_total", f"0+{low}x99", reason="low_confidence", serin_arm="canary")
        | server("lm_ml_fallback_total", "0+900x99", reason="not_in_canary", serin_arm="control")
        | server("lm_ml_predictions_total", f"0+{failed + low}x99", accepted="False", serin_arm="canary")
        | server("lm_ml_predictions_total", "0+900x99", accepted="False", serin_arm="control")
        | server("lm_ml_predictions_total", f"0+{shown}x99", accepted="True", serin_arm="canary")
    )


def created(at, percent):
    return operator(
        run_created_timestamp_seconds=one(at, serin_run="run_1"), wanted_percent=one(percent, serin_run="run_1")
    )


def predicts(now, *, percent=100):
    """Return series of a run with predictions by class a minute, evaluated on as many of two classes."""
    evaluated = {"Dining": 0.5, "Groceries": 0.5, "Pets": 0}
    series = operator(wanted_percent=one(f"{percent}x999", serin_run="run_1"))
    for label, share in evaluated.items():
        series |= server("serin_run_class_share", f"{share}x999", serin_run="run_1", serin_class=label)
    for label, each in now.items():
        series |= server(
            "serin_class_compare_total", f"0+{each}x999", serin_run="run_1", serin_class=label, agree="True"
        )
    return series


RUN = {"serin_run": "run_1"}
CASES = [
    Case("SerinRolledBack", rolled_back("GateFailed", 600, confirmed=1), RUN | {"event": "GateFailed"}),
    Case("SerinRolledBack", rolled_back("RolloutAborted", 600, confirmed=1)),  # by a user
    Case("SerinRolledBack", rolled_back("GateFailed", 0, confirmed=1), minutes=61),
    Case("SerinAwaitingApproval", waits("AwaitingApproval"), {"reason": "AwaitingApproval"}, "20m 0s"),
    Case("SerinAwaitingApproval", waits("AwaitingApproval"), minutes=15),
    Case("SerinStalled", waits("ImageRefused", status="False"), {"reason": "ImageRefused"}, "20m 0s"),
    Case("SerinStalled", waits("RunNotFound"), {"reason": "RunNotFound"}, "20m 0s"),
    Case("SerinStalled", waits("RolledBack", status="False")),
    Case("SerinStalled", waits("RolloutProgressing")),
    Case("SerinNoVerdict", waits("Undecided", since="1199x99"), {"reason": "Undecided"}),
    Case("SerinNoVerdict", waits("RolloutProgressing")),
    Case("SerinMetricsUnavailable", waits("MetricsUnavailable"), {"reason": "MetricsUnavailable"}, "20m 0s"),
    Case("SerinMetricsUnavailable", waits("MetricsUnavailable", since="960x99")),
    Case("SerinGateWithoutData", gate(), {"gate": "agreement"}, minutes=61),
    Case("SerinGateWithoutData", gate(gate_events=one("0x99", gate="agreement")), {"gate": "agreement"}, minutes=61),
    Case("SerinGateWithoutData", gate(gate_events=one("1x99", gate="agreement")), minutes=61),
    Case("SerinGateWithoutData", gate(gate_query_value=one("0x99", gate="agreement")), minutes=61),
    Case("SerinGateWithoutData", gate(), minutes=59),
    Case("SerinModelOld", created(f"-{AGE}x99", "100x99"), RUN, "90d 1h 10m 0s", minutes=70),
    Case("SerinModelOld", created(f"-{AGE}x99", "0x99"), minutes=70),  # in shadow
    Case("SerinModelOld", created(f"-{AGE - 8640}x99", "100x99"), minutes=70),
    Case("SerinRollbackUnconfirmed", rolled_back("Undone", 1180, confirmed=0), {}, "20s"),
    Case("SerinRollbackUnconfirmed", rolled_back("Undone", 1180, confirmed=1)),
    Case("SerinRollbackUnconfirmed", rolled_back("Undone", 1190, confirmed=0)),
    Case("SerinRollbackUnconfirmed", rolled_back("GateFailed", 600, confirmed=0, phase="Shadow")),  # a new rollout
    Case("SerinPodsNotConfirming", operator(routing_confirmed=one("0x99")), {}, minutes=6),
    Case("SerinPodsNotConfirming", operator(routing_confirmed=one("0x3 1x99")), minutes=6),
    Case("SerinBreakerOpen", server("serin_breaker_open", "0 1 0 0 0 1 0 0 0 1 0 0 0", **RUN), RUN, minutes=10),
    Case("SerinBreakerOpen", server("serin_breaker_open", "0 1 0x20", **RUN), minutes=10),
    Case("SerinFallbackBudgetSpent", fallbacks(2, 18), {}, "10%"),
    Case("SerinFallbackBudgetSpent", fallbacks(2, 98, low=50)),
    Case("SerinFallbackBudgetSpent", fallbacks(1, 2)),  # too few
    Case(
        "SerinFallbackBudgetSpent",
        fallbacks(2, 18) | operator(gate_bound=one("0.2x99", gate="fallback", bound="atMost")),
    ),
    Case(
        "SerinFallbackBudgetSpent",
        fallbacks(2, 98) | operator(gate_bound=one("0.01x99", gate="fallback", bound="atMost")),
        {},
        "2%",
    ),
    Case("SerinNoLeader", {}, {}, named={}),
    Case("SerinNoLeader", {"serin_operator_leader{job='a', pod='1'}": "0x99"}, {"job": "a"}, named={}),
    Case("SerinNoLeader", {"serin_operator_leader{pod='1'}": "0x99", "serin_operator_leader{pod='2'}": "1x99"}),
    Case("SerinNotChecked", operator(last_check_timestamp_seconds=one("0x99")), {}, "20m 0s"),
    Case("SerinNotChecked", operator(last_check_timestamp_seconds=one("600x99"))),
    Case("SerinOperatorSilent", server("serin_operator_silence_seconds", "1000x99"), {}, "16m 40s"),
    Case("SerinOperatorSilent", server("serin_operator_silence_seconds", "600x99")),
    Case("SerinOperatorSilent", server("serin_operator_silence_seconds", "5000x99", serin_uid="local")),
    Case("SerinDrift", predicts({"Dining": 8, "Groceries": 2, "Pets": 0}), RUN, "0.42", minutes=500),
    Case("SerinDrift", predicts({"Dining": 4, "Groceries": 4, "Pets": 2}), RUN, "1.10", minutes=500),
    Case("SerinDrift", predicts({"Dining": 6, "Groceries": 4, "Pets": 0}), minutes=500),
    Case("SerinDrift", predicts({"Dining": 8, "Groceries": 2, "Pets": 0}), minutes=300),  # for less than 6 h
    Case("SerinDrift", predicts({"Dining": 0.8, "Groceries": 0.2, "Pets": 0}), minutes=500),  # too few
    Case("SerinDrift", predicts({"Dining": 8, "Groceries": 2, "Pets": 0}, percent=0), minutes=500),  # in shadow
]
