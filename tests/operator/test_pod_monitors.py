"""PodMonitors, where the cluster has the API of the Prometheus Operator, and where it has not."""

import copy
import json

import pytest
from memory_cluster import NEVER, MemoryCluster, reconcile_once

from serin_core.contract import names
from serin_operator.settings import Monitoring

AUTO = Monitoring(labels={"release": "kps"}, interval="15s")
ALWAYS = Monitoring(pod_monitor="Always")
MONITOR = ("PodMonitor", "default", "categories")
MONITORING_API = ("monitoring.coreos.com/v1", "podmonitors")


def settle(cluster, monitoring):
    """Reconcile until nothing is written any more, and return the condition Ready."""
    for _ in range(6):
        reconcile_once(cluster, monitoring=monitoring)
    assert cluster.writes == []
    conditions = cluster.objects[names.KIND, "default", "categories"]["status"]["conditions"]
    return next(one for one in conditions if one["type"] == "Ready")


def test_a_pod_monitor_selects_the_pods_of_its_resource_and_is_owned_by_it():
    cluster = MemoryCluster()
    cluster.served.add(MONITORING_API)
    settle(cluster, AUTO)
    made = cluster.objects[MONITOR]
    template = cluster.objects["Deployment", "default", "categories"]["spec"]["template"]
    assert made["spec"]["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
    (endpoint,) = made["spec"]["podMetricsEndpoints"]
    (port,) = template["spec"]["containers"][0]["ports"]
    assert endpoint == {"port": port["name"], "path": "/metrics", "interval": "15s"}
    assert made["metadata"]["labels"]["release"] == "kps"
    assert made["metadata"]["labels"][names.LABEL_MODEL] == "categories"
    assert [owner["uid"] for owner in made["metadata"]["ownerReferences"]] == ["uid-1"]


def test_pods_with_a_certificate_are_scraped_over_https():
    cluster = MemoryCluster()
    cluster.served.add(MONITORING_API)
    live = cluster.objects[names.KIND, "default", "categories"]
    live["spec"]["server"]["tls"] = {"secretName": "certificate"}
    cluster.put(live)
    settle(cluster, AUTO)
    (endpoint,) = cluster.objects[MONITOR]["spec"]["podMetricsEndpoints"]
    assert (endpoint["scheme"], endpoint["tlsConfig"]) == ("https", {"insecureSkipVerify": True})


def test_a_pod_monitor_that_is_deleted_or_edited_is_restored():
    cluster = MemoryCluster()
    cluster.served.add(MONITORING_API)
    settle(cluster, AUTO)
    made = cluster.objects.pop(MONITOR)
    settle(cluster, AUTO)
    edited = copy.deepcopy(cluster.objects[MONITOR])
    edited["spec"]["podMetricsEndpoints"][0]["path"] = "/elsewhere"
    cluster.put(edited)
    settle(cluster, AUTO)
    assert cluster.objects[MONITOR]["spec"] == made["spec"]


def test_where_the_api_appears_later_the_pod_monitor_is_made_then():
    cluster = MemoryCluster()
    settle(cluster, AUTO)
    before = json.dumps([kind for kind, _, _ in cluster.objects if kind != "Event"])
    assert "PodMonitor" not in before
    cluster.served.add(MONITORING_API)
    settle(cluster, AUTO)
    assert MONITOR in cluster.objects


@pytest.mark.parametrize("is_forbidden", [False, True])
def test_without_the_prometheus_operator_nothing_is_different(is_forbidden):
    """Also where an older role does not allow to read PodMonitors."""
    plain, cluster = MemoryCluster(), MemoryCluster()
    if is_forbidden:
        cluster.forbidden.add("PodMonitor")
    assert settle(cluster, AUTO) == settle(plain, NEVER)
    assert cluster.objects == plain.objects


def test_never_makes_none_and_does_not_ask_for_any():
    cluster = MemoryCluster()
    cluster.served.add(MONITORING_API)
    cluster.forbidden.add("PodMonitor")
    ready = settle(cluster, NEVER)
    assert ready["reason"] != "ChildRefused"
    assert MONITOR not in cluster.objects


def test_a_pod_monitor_that_cannot_be_had_is_reported_and_holds_up_nothing():
    cluster = MemoryCluster()
    ready = settle(cluster, ALWAYS)
    assert ready["reason"] == "ChildRefused"
    assert "does not serve monitoring.coreos.com/v1; install the Prometheus Operator" in ready["message"]
    cluster.served.add(MONITORING_API)
    cluster.forbidden.add("PodMonitor")
    ready = settle(cluster, AUTO)
    assert "GET PodMonitor: forbidden; give the operator its current rights" in ready["message"]
    assert ("Deployment", "default", "categories") in cluster.objects
    cluster.forbidden.clear()
    assert settle(cluster, AUTO)["reason"] != "ChildRefused"


def test_a_pod_monitor_of_somebody_else_is_left_alone_and_is_a_conflict_only_where_one_must_be_made():
    cluster = MemoryCluster()
    cluster.served.add(MONITORING_API)
    foreign = {"kind": "PodMonitor", "metadata": {"namespace": "default", "name": "categories"}, "spec": {}}
    cluster.put(foreign)
    assert settle(cluster, AUTO)["reason"] not in ("ChildConflict", "ChildRefused")
    ready = settle(cluster, ALWAYS)
    assert ready["reason"] == "ChildConflict"
    assert "PodMonitor categories exists already" in ready["message"]
    assert cluster.objects[MONITOR]["spec"] == {}
