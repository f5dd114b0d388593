"""A resource whose labels change: the operator that has it forgets it, and the other one goes on with what is there."""

import asyncio

import pytest
from memory_cluster import KEY, MemoryCluster, reconciler

from serin_core.contract import names
from serin_core.kubernetes.label_selector import LabelSelector
from serin_operator.changes import Changes
from serin_operator.known_objects import KnownObjects
from serin_operator.known_resources import KnownResources
from serin_operator.leadership.settings import LeaderElection
from serin_operator.metrics import OperatorMetrics
from serin_operator.object_store import UnknownError
from serin_operator.watched_objects import WatchedObjects


def label(cluster, **labels):
    live = cluster.objects[names.KIND, KEY.namespace, KEY.name]
    live["metadata"]["labels"] = labels
    cluster.put(live)


def test_a_resource_that_leaves_is_forgotten_and_nothing_of_it_is_written_or_deleted():
    async def play():
        cluster, metrics = MemoryCluster(), OperatorMetrics(lambda: 0)
        one = reconciler(cluster, metrics, selector="team=a")
        label(cluster, team="a")
        found = [(await one.reconcile(KEY)).outcome for _ in range(3)]
        label(cluster, team="b")
        objects = dict(cluster.objects)
        cluster.writes.clear()
        left = await one.reconcile(KEY)
        shown = await metrics.text()
        return found, left, cluster.writes, cluster.objects == objects, shown.decode()

    found, left, writes, is_same, shown = asyncio.run(play())
    assert found[0] == "changed"
    assert (left.outcome, left.requeue_after, writes, is_same) == ("unselected", None, [], True)
    assert "categories" not in shown


def test_the_other_operator_goes_on_with_its_status_and_children():
    async def play():
        cluster = MemoryCluster()
        label(cluster, team="a")
        first, second = (reconciler(cluster, selector=f"team={team}") for team in ("a", "b"))
        while (await first.reconcile(KEY)).outcome == "changed":
            pass
        label(cluster, team="b")
        assert (await first.reconcile(KEY)).outcome == "unselected"
        return (await second.reconcile(KEY)).outcome

    assert asyncio.run(play()) == "unchanged"


@pytest.mark.parametrize(
    ("lease_name", "selector", "expected"),
    [
        ("", "", "serin-operator-leader"),
        ("", "team=a", "serin-operator-leader-289b4946"),
        ("", "team=b", "serin-operator-leader-6447a7fc"),
        ("mine", "team=a", "mine"),
    ],
)
def test_each_selector_has_a_lease_of_its_own(lease_name, selector, expected):
    assert LeaderElection(lease_name=lease_name).name_for(selector) == expected


def test_resources_of_other_operators_are_not_kept():
    async def play():
        changes = Changes(KnownResources(LabelSelector.parse("team=a")), KnownObjects(WatchedObjects(None)))
        kept = []
        for team in ("a", "b", "a"):
            live = {"kind": names.KIND, "metadata": {"namespace": "default", "name": "x", "labels": {"team": team}}}
            live["metadata"] |= {"uid": "u", "generation": 1, "resourceVersion": str(len(kept))}
            changes.resource_changed(live, is_deleted=False)
            try:
                kept.append(changes.objects.get(names.KIND, "default", "x")["metadata"]["labels"])
            except UnknownError:
                kept.append(None)
        return kept

    assert asyncio.run(play()) == [{"team": "a"}, None, {"team": "a"}]
