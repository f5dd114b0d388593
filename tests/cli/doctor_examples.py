"""What `kubectl serin doctor` reads of a healthy cluster."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cli.fakes import STABLE, condition, model

from serin_cli.doctor.models import model_results
from serin_cli.doctor.results import Unread
from serin_cli.doctor.samples import samples
from serin_cli.doctor.seen import Installation, Model, Readiness

NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)

NO_RIGHT = Unread('the API server answered 403 Forbidden: pods is forbidden: User "jane" cannot list resource "pods"')

ROOT = Path(__file__).parents[2]


def deployment(image="ghcr.io/serin-dev/serin-operator:0.1.0", ready=2):
    container = {"image": image}
    return {
        "metadata": {"name": "serin-operator"},
        "spec": {"replicas": 2, "template": {"spec": {"containers": [container]}}},
        "status": {"readyReplicas": ready},
    }


def lease(age=1.0, holder="serin-operator-1"):
    renewed = (NOW - timedelta(seconds=age)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    spec = {"holderIdentity": holder, "renewTime": renewed, "leaseDurationSeconds": 15}
    return {"metadata": {"name": "serin-operator-leader"}, "spec": spec}


HEALTHY = Installation(
    now=NOW,
    version="0.1.0",
    namespace="serin-system",
    definition={"spec": {"versions": [{"name": "v1alpha1", "served": True}]}},
    deployments=[deployment()],
    leases=[lease()],
    metrics={"serin-operator-1": list(samples('serin_operator_readings_total{outcome="Read"} 4'))},
    rights={"act on rollouts": True},
    readiness={"serin-operator-1": Readiness(is_ready=True, answer="ok\n")},
)


def pod(name="categories-1", *, ready=True, labels=None, **status):
    conditions = [{"type": "Ready", "status": str(ready)}]
    metadata = {"name": name, "labels": labels or {"serin.dev/model": "categories", "app": "x"}}
    return {"metadata": metadata, "status": {"phase": "Running", "conditions": conditions} | status}


def seen(live=None, **changes):
    live = live or model(stable=STABLE, conditions=[condition("Promoted")])
    return Model(live=live, **({"pods": [pod()], "policies": [], "inputs": {"Secret tokens": True}} | changes))


def results(made, check):
    return [one for one in model_results(made, NOW) if one.check == check]


def only(made, check):
    (found,) = results(made, check)
    return found.outcome, found.found, found.remedy
