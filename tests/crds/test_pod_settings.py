"""A real API server takes what the operator renders from every pod setting, and refuses what `serin lint` refuses."""

import asyncio
import copy
import json
from pathlib import Path

import pytest
import yaml
from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, Configuration

from serin_cli.lint_schema import schema_findings
from serin_core.api.status import Status
from serin_core.kubernetes import diff, manifests, pod_template
from serin_core.kubernetes.inputs import RulesText, ServerImage
from serin_operator.interfaces import ConflictError, NotFoundError, RefusedError
from serin_operator.kubernetes_client import KubernetesClient
from serin_operator.parsing import parse

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).parents[2]
EXAMPLE = yaml.safe_load((ROOT / "examples" / "pod-settings.yaml").read_text(encoding="utf-8"))
NAMESPACE = EXAMPLE["metadata"]["namespace"]
IMAGE = ServerImage("server:1", ids={"runAsUser": 1000, "runAsGroup": 1000, "fsGroup": 1000})


def named(name, server=EXAMPLE["spec"]["server"]):
    found = copy.deepcopy(EXAMPLE)
    found["metadata"]["name"] = name
    found["spec"]["server"] = server
    return found


def with_pod(**pod):
    return {"token": {"secretName": "tokens"}, "pod": pod}


def stored(kubectl, document):
    kubectl("apply", "--server-side", "-f", "-", document=document)
    live = json.loads(kubectl("get", "sgm", document["metadata"]["name"], "-n", NAMESPACE, "-o", "json"))
    return parse(live)


def rendered(resource, image=IMAGE):
    model = manifests.model(resource, Status(), RulesText(""))
    template = pod_template.render(resource, Status(), model_name=model["metadata"]["name"], image=image)
    return [
        manifests.service_account(resource),
        manifests.service(resource),
        manifests.disruption_budget(resource),
        manifests.deployment(resource, template),
    ]


def write(kubectl, objects):
    """Write objects as the operator does: create, or apply over what is there. Return what is stored."""

    async def all_of_them():
        settings = Configuration()
        await config.load_kube_config(config_file=kubectl.kubeconfig, client_configuration=settings)
        cluster = KubernetesClient(ApiClient(settings))
        try:
            return [await one_of_them(cluster, one) for one in objects]
        finally:
            await cluster.close()

    async def one_of_them(cluster, one):
        place = (one["kind"], one["metadata"]["namespace"], one["metadata"]["name"])
        for _ in range(20):
            try:
                live = await cluster.get(*place)
                await cluster.apply(one, live["metadata"]["resourceVersion"])
            except NotFoundError:
                await cluster.create(one)
            except ConflictError:
                # A controller wrote the object in between; the operator's next pass would read it again, too.
                continue
            return await cluster.get(*place)
        raise AssertionError(f"{place} changed again and again")

    return asyncio.run(all_of_them())


def test_the_operators_objects_are_taken_with_every_setting_and_then_without_any(kubectl):
    full = rendered(stored(kubectl, named("every")))
    assert all(diff.holds(live, one) for live, one in zip(write(kubectl, full), full, strict=True))
    plain = rendered(stored(kubectl, named("every", with_pod())))
    assert not any(diff.holds(*pair) for pair in zip(full[:1] + full[3:], plain[:1] + plain[3:], strict=True))
    account, _, _, deployment = write(kubectl, plain)
    pod = deployment["spec"]["template"]
    # Nothing of the settings is left over.
    assert not {"affinity", "tolerations", "nodeSelector", "priorityClassName", "imagePullSecrets"} & set(pod["spec"])
    assert "team" not in pod["metadata"]["labels"]
    assert set(account["metadata"]["annotations"]) == {"serin.dev/annotations"}
    assert diff.holds(deployment, plain[3])


WRONG = {
    "a label of Serin": with_pod(labels={"serin.dev/model": "x"}),
    "an annotation of Prometheus": with_pod(annotations={"prometheus.io/scrape": "false"}),
    "a request": with_pod(serviceAccountAnnotations={"request.serin.dev/retry": "x"}),
    "two sources": {"token": {"secretName": "tokens"}, "caBundle": {"secretName": "a", "configMapName": "a"}},
    "too much": {
        "token": {"secretName": "tokens"},
        "resources": {"requests": {"ephemeral-storage": "2Gi"}, "limits": {"ephemeral-storage": "1Gi"}},
    },
}


@pytest.mark.parametrize("server", WRONG.values(), ids=WRONG)
def test_the_api_server_refuses_with_the_sentence_of_lint(kubectl, server):
    document = named("wrong", server)
    (finding,) = schema_findings(document)
    said = kubectl("apply", "--server-side", "-f", "-", document=document, fails=True)
    assert finding.message in said
    assert finding.path in said


NAMES = ["2026-categories", "categories-v0.1", "9.9.9", "fr_categories", "-categories", "categories.", "n" * 45]


@pytest.mark.parametrize("name", NAMES)
def test_lint_takes_the_names_that_the_api_server_takes_and_every_child_can_have_its_own(kubectl, name):
    document = named(name, with_pod())
    if schema_findings(document):
        kubectl("apply", "--server-side", "-f", "-", document=document, fails=True)
        return
    children = rendered(stored(kubectl, document))
    assert all(diff.holds(*pair) for pair in zip(write(kubectl, children), children, strict=True))


UNKNOWN_TO_THE_SCHEMA = {
    "a label's key": with_pod(labels={"two words": "x"}),
    "an operator without a value": with_pod(tolerations=[{"key": "gpu", "operator": "Exists", "value": "x"}]),
    "minDomains": with_pod(
        topologySpreadConstraints=[
            {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway", "minDomains": 2}
        ]
    ),
}


@pytest.mark.parametrize("server", UNKNOWN_TO_THE_SCHEMA.values(), ids=UNKNOWN_TO_THE_SCHEMA)
def test_what_only_kubernetes_can_check_is_refused_with_its_words_as_a_new_deployment_and_as_a_changed_one(
    kubectl, server
):
    (*_, deployment) = rendered(stored(kubectl, named("unknown", server)))
    with pytest.raises(RefusedError, match=r"Deployment.*invalid"):
        write(kubectl, [deployment])
    sound = rendered(stored(kubectl, named("unknown", with_pod())))
    write(kubectl, sound[3:])
    with pytest.raises(RefusedError, match=r"Deployment.*invalid"):
        write(kubectl, [deployment])
    kubectl("delete", "deployment", "unknown", "-n", NAMESPACE)


def test_explain_describes_the_settings(kubectl):
    said = kubectl("explain", "sgm.spec.server.pod.topologySpreadConstraints")
    assert "Default: over hosts and zones" in said
    assert "whenUnsatisfiable" in said
