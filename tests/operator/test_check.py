"""What `serin-operator --check` finds in an installation."""

import asyncio

import pytest

from serin_operator.check import problem
from serin_operator.interfaces import ClusterError, NotFoundError


class Cluster:
    def __init__(self, deployment=None, *, is_served=True, is_old=False):
        self.deployment, self.is_served, self.is_old = deployment, is_served, is_old

    async def get(self, kind, namespace, name):
        if self.deployment is None:
            raise NotFoundError(f"{namespace}/{name}: not found")
        return self.deployment

    async def check_version(self):
        if self.is_old:
            raise ClusterError("this is Kubernetes v1.29.0; Serin needs 1.30 or newer")

    async def check_served(self):
        if not self.is_served:
            raise NotFoundError("suggestionmodels are not served")


def deployment(wanted=1, generation=1, **status):
    return {"metadata": {"generation": generation}, "spec": {"replicas": wanted}, "status": status}


READY = {"observedGeneration": 1, "readyReplicas": 1, "updatedReplicas": 1}


@pytest.mark.parametrize(
    ("cluster", "found"),
    [
        (Cluster(deployment(**READY)), ""),
        (Cluster(deployment(**READY), is_served=False), "suggestionmodels are not served"),
        (Cluster(deployment(**READY), is_old=True), "Serin needs 1.30 or newer"),
        (Cluster(), "serin-system/serin-operator: not found"),
        (Cluster({"metadata": {"generation": 1}, "spec": {"replicas": 1}}), "has not been processed yet"),
        (Cluster(deployment(generation=2, **READY)), "has not been processed yet"),
        (Cluster(deployment(wanted=2, **READY)), "1 of 2 operators are ready"),
        (Cluster(deployment(observedGeneration=1)), "0 of 1 operators are ready"),
        (Cluster(deployment(**READY | {"updatedReplicas": 0})), "0 of 1 operators are ready"),
        (Cluster(deployment(wanted=0, **READY)), "the Deployment has no replicas"),
    ],
    ids=[
        "an operator that is ready",
        "a CRD that is missing",
        "an old Kubernetes",
        "no Deployment",
        "a new Deployment",
        "a change that is not processed",
        "one of two",
        "none yet",
        "only the operator before the upgrade",
        "none wanted",
    ],
)
def test_the_problem_is_named(cluster, found):
    said = asyncio.run(problem(cluster, "serin-system", "serin-operator"))
    assert found in said
    assert bool(said) == bool(found)
