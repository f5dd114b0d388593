"""A real Prometheus Operator: the configuration that it makes of our PodMonitor scrapes every server pod."""

import base64
import gzip
import json
import time
import urllib.parse
import urllib.request
from pathlib import Path

import pytest
import yaml
from backends.conftest import built
from beside_cluster import definition, pem, wait_for_definitions

from serin_localcluster.controlplane import free_port

pytestmark = [pytest.mark.backends, pytest.mark.cluster]

POD_MONITORS = Path(__file__).parents[1] / "e2e" / "podmonitors.yaml"
OTHERS = {
    "v1": ("Prometheus", "Alertmanager", "ServiceMonitor", "Probe", "PrometheusRule", "ThanosRuler"),
    "v1alpha1": ("AlertmanagerConfig", "PrometheusAgent", "ScrapeConfig"),
}
PLURALS = {"Prometheus": "prometheuses"}
GROUP = "monitoring.coreos.com"


def with_status(made):
    """Return a definition with the status as a subresource: the program writes there."""
    made["spec"]["versions"][0]["subresources"] = {"status": {}}
    return made


@pytest.fixture(scope="package")
def prometheus_operator(installed, processes):
    """The program, beside the cluster; it makes configurations of the resources that it finds."""
    program = built("prometheus-operator")
    made = [
        with_status(definition(kind, PLURALS.get(kind, f"{kind.lower()}s"), group=GROUP, version=version))
        for version, kinds in OTHERS.items()
        for kind in kinds
    ]
    installed.apply(*made, yaml.safe_load(POD_MONITORS.read_text()))
    names = [one["metadata"]["name"] for one in made]
    wait_for_definitions(installed.kubectl, *names)
    given = yaml.safe_load(installed.kubeconfig.read_text())
    files = credentials(given, processes.directory)
    listen = f"--web.listen-address=127.0.0.1:{free_port()}"
    flags = [f"--{flag}={file}" for flag, file in files.items()]
    processes.start("operator", program, f"--apiserver={server_of(given)}", *flags, listen)
    yield
    installed.kubectl("delete", "crd", *names, "podmonitors.monitoring.coreos.com", "--timeout=60s")


def server_of(kubeconfig):
    return kubeconfig["clusters"][0]["cluster"]["server"]


def credentials(kubeconfig, folder):
    """Write the certificates of a kubeconfig into files, as the program's flags name them."""
    cluster, user = kubeconfig["clusters"][0]["cluster"], kubeconfig["users"][0]["user"]
    sources = {
        "ca-file": (cluster, "certificate-authority"),
        "cert-file": (user, "client-certificate"),
        "key-file": (user, "client-key"),
    }
    found = {}
    for flag, (part, key) in sources.items():
        found[flag] = folder / flag
        found[flag].write_bytes(pem(part, key))
    return found


def generated(rollout, seconds=90):
    """Return the configuration that the Prometheus Operator has made, once it has a job for a PodMonitor."""
    deadline = time.monotonic() + seconds
    while True:
        listed = rollout.kubectl("get", "secret", "prometheus-all", "--ignore-not-found", "-o", "json")
        data = json.loads(listed)["data"] if listed else {}
        config = yaml.safe_load(gzip.decompress(base64.b64decode(data.get("prometheus.yaml.gz", ""))) or "{}")
        if config and config.get("scrape_configs"):
            return config
        assert time.monotonic() < deadline, "the Prometheus Operator made no configuration"
        time.sleep(0.5)


def ask(url, query):
    asked = f"{url}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
    try:
        with urllib.request.urlopen(asked, timeout=5) as answer:  # noqa: S310
            return json.load(answer)["data"]["result"]
    except OSError:
        return []


@pytest.mark.usefixtures("prometheus_operator")
def test_the_configuration_that_is_made_of_a_pod_monitor_scrapes_every_server_pod(
    rollout, registry, program, processes, tmp_path
):
    rollout.apply(registry.good)
    rollout.installed.apply(
        {
            "apiVersion": "monitoring.coreos.com/v1",
            "kind": "Prometheus",
            "metadata": {"name": "all", "namespace": rollout.namespace},
            "spec": {"podMonitorSelector": {}, "replicas": 1, "scrapeInterval": "1s", "evaluationInterval": "1s"},
        }
    )
    rollout.wait_for_stage(0, seconds=90)
    config = generated(rollout)
    (job,) = config["scrape_configs"]
    assert rollout.namespace in job["job_name"]
    (discovery,) = job["kubernetes_sd_configs"]
    discovery["kubeconfig_file"] = str(rollout.installed.kubeconfig)
    # In a pod, a container beside Prometheus fills in the number of the shard.
    text = yaml.safe_dump({"global": config["global"], "scrape_configs": [job]}).replace("$(SHARD)", "0")
    (tmp_path / "prometheus.yaml").write_text(text)
    port = free_port()
    flags = (f"--config.file={tmp_path / 'prometheus.yaml'}", f"--storage.tsdb.path={tmp_path / 'data'}")
    processes.start("prometheus", program, *flags, f"--web.listen-address=127.0.0.1:{port}")
    uid, url = rollout.get()["metadata"]["uid"], f"http://127.0.0.1:{port}"

    def scraped(_status):
        return {one["metric"]["pod"] for one in ask(url, f'serin_revision{{serin_uid="{uid}"}}')} == {
            pod["metadata"]["name"] for pod in rollout.pods()
        }

    rollout.wait(scraped, what="a series of every pod")
