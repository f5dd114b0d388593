"""Admission of the cluster that changes or rejects what the operator writes, and objects that pods miss.

Writes are counted by the API server itself: nothing is written again and again, and the user learns what to change.
"""

import json
import re
import secrets
import time

import pytest
import yaml
from e2e.conftest import TOKEN, Rollout

from serin_core.rollout.conditions import OVERRIDDEN
from serin_demo.commands import CommandError
from serin_demo.installation import ROOT

pytestmark = pytest.mark.cluster
RUN = "run_00000000_1"
GROUP = "admissionregistration.k8s.io/v1"


class Guarded(Rollout):
    """A namespace with what a SuggestionModel references, except the claim of its registry, and its own policies."""

    def prepare(self):
        self.policies = []
        meta, tokens = {"namespace": self.namespace}, {"token": TOKEN, "admin-token": "admin", "event-key": "key"}
        self.installed.apply(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}},
            {"apiVersion": "v1", "kind": "Secret", "metadata": meta | {"name": "tokens"}, "stringData": tokens},
        )

    def roll_out(self, **changes):
        resource = self.resource(RUN, **changes)
        resource["spec"]["server"].pop("rules", None)
        self.installed.apply(resource)

    def mine(self, group, resource, operations):
        """Return the match constraints of objects in this namespace."""
        rule = {"apiGroups": [group], "apiVersions": ["v1"], "resources": [resource], "operations": operations}
        labels = {"kubernetes.io/metadata.name": self.namespace}
        return {"resourceRules": [rule], "namespaceSelector": {"matchLabels": labels}}

    def add(self, kind, spec, *, action):
        """Apply a policy and its binding."""
        name = f"{self.namespace}-{len(self.policies)}"
        self.policies += [(kind, name), (f"{kind}binding", name)]
        binding = {"policyName": name} | action
        self.installed.apply(
            {"apiVersion": GROUP, "kind": kind, "metadata": {"name": name}, "spec": spec},
            {"apiVersion": GROUP, "kind": f"{kind}Binding", "metadata": {"name": name}, "spec": binding},
        )

    def forbid(self, group, resource, expression, message):
        spec = {
            "matchConstraints": self.mine(group, resource, ["CREATE", "UPDATE"]),
            "validations": [{"expression": expression, "message": message}],
        }
        self.add("ValidatingAdmissionPolicy", spec, action={"validationActions": ["Deny"]})

    def change(self, expression):
        """Change every Deployment of the namespace when it is created or updated."""
        spec = {
            "matchConstraints": self.mine("apps", "deployments", ["CREATE", "UPDATE"]),
            "reinvocationPolicy": "Never",
            "failurePolicy": "Fail",
            "mutations": [{"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": expression}}],
        }
        self.add("MutatingAdmissionPolicy", spec, action={})

    def until(self, holds, probe):
        """Wait until the API server enforces a policy: `holds` is asked of the outcome of a dry run."""
        deadline = time.monotonic() + 60
        while not holds(self.dry_run(probe)):
            assert time.monotonic() < deadline, "the policy is not in force"
            time.sleep(0.3)

    def dry_run(self, probe):
        try:
            return self.kubectl("create", "--dry-run=server", "-o", "json", "-f", "-", text=yaml.safe_dump(probe))
        except CommandError as error:
            return str(error)

    def writes(self, verb, resource):
        """Return how many such requests the API server has had, without dry runs and conflicts, which write nothing."""
        text = self.installed.kubectl("get", "--raw", "/metrics")
        labels = rf'dry_run="",.*resource="{resource}",.*subresource="",verb="{verb}"'
        found = re.findall(rf'^apiserver_request_total\{{code="(?!409)\d+",.*{labels}.*\}} (\S+)$', text, re.MULTILINE)
        return int(sum(map(float, found)))

    def replicas(self):
        return self.kubectl("get", "deployment", self.name, "-o", "jsonpath={.spec.replicas}")

    def pass_again(self, times=3):
        """Make the operator look at the resource again, as any event does."""
        for number in range(times):
            self.kubectl("annotate", "sgm", self.name, f"tests/look={number}-{secrets.token_hex(2)}", "--overwrite")
            time.sleep(1)

    def message_of(self, reason):
        self.wait(lambda _: self.condition()["reason"] == reason, seconds=60, what=reason)
        return self.condition()["message"]

    def posted(self, reason):
        found = json.loads(self.kubectl("get", "events", "-o", "json"))["items"]
        return [one for one in found if one["reason"] == reason and one["involvedObject"]["kind"] == "SuggestionModel"]

    def close(self):
        for kind, name in reversed(self.policies):
            self.installed.kubectl("delete", kind, name, "--ignore-not-found")
        self.installed.kubectl("delete", "namespace", self.namespace, "--wait=false")


@pytest.fixture
def guarded(installed, local):
    made = Guarded(installed, local, f"admission-{secrets.token_hex(4)}")
    made.prepare()
    yield made
    made.close()


def probe_deployment(image="ghcr.io/serin-dev/serin-server:0.1.0"):
    labels = {"app": "probe"}
    container = {"name": "server", "image": image, "resources": {"requests": {"cpu": "50m"}}}
    spec = {
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
    }
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "probe"}, "spec": spec}


def probe_pod(**spec):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "probe"}, "spec": {"containers": [], **spec}}


OF_THE_CONTAINER = (
    "Object{{spec: Object.spec{{template: Object.spec.template{{spec: Object.spec.template.spec{{{}}}}}}}}}"
)
MIRROR = OF_THE_CONTAINER.format(
    'containers: [Object.spec.template.spec.containers{name: "server", image: "mirror.example/serin-server:0.1.0"}]'
)
AUTOPILOT = OF_THE_CONTAINER.format(
    'containers: [Object.spec.template.spec.containers{name: "server", resources: '
    'Object.spec.template.spec.containers.resources{requests: {"cpu": "500m", "memory": "512Mi"}}}]'
)
STAMP = OF_THE_CONTAINER.format("terminationGracePeriodSeconds: 20 + object.metadata.?generation.orValue(0)")
AGENT = OF_THE_CONTAINER.format(
    'containers: [Object.spec.template.spec.containers{name: "server", env: '
    '[Object.spec.template.spec.containers.env{name: "AGENT_HOST", value: "node"}]}]'
)
LABELLED = "'team' in object.metadata.?labels.orValue({})"
CHANGES = {
    "a mirror of images": (
        MIRROR,
        "containers[server].image (mirror.example/serin-server:0.1.0 instead of ghcr.io/",
        1,
    ),
    "requests as on Autopilot": (AUTOPILOT, "containers[server].resources.requests.cpu (500m instead of ", 1),
    # Removed by a PUT after the apply; where the Deployment's controller writes in between, both are done again.
    "a variable as of an agent": (AGENT, "containers[server].env[AGENT_HOST]", 6),
    "another value at each apply": (STAMP, "spec.terminationGracePeriodSeconds (", 1),
}


@pytest.mark.parametrize(("expression", "named", "most"), CHANGES.values(), ids=CHANGES)
def test_a_field_that_admission_changes_is_applied_once_and_named_once(guarded, expression, named, most):
    def applied(since=0):
        return guarded.writes("APPLY", "deployments") + guarded.writes("PUT", "deployments") - since

    plain = guarded.dry_run(probe_deployment())
    guarded.change(expression)
    guarded.until(lambda found: json.loads(found)["spec"] != json.loads(plain)["spec"], probe_deployment())
    before = applied()
    guarded.roll_out()
    guarded.wait(lambda _: guarded.condition(OVERRIDDEN), what=OVERRIDDEN)
    assert f"Deployment {guarded.name}: spec.template." in guarded.condition(OVERRIDDEN)["message"]
    assert named in guarded.condition(OVERRIDDEN)["message"]
    first = applied(before)
    assert 1 <= first <= most
    guarded.pass_again()
    assert applied(before) == first
    assert guarded.condition(OVERRIDDEN)["status"] == "True"
    guarded.roll_out(server=guarded.resource(RUN)["spec"]["server"] | {"rules": None, "replicas": 1})
    guarded.wait(lambda _: guarded.replicas() == "1", what="the edit")
    guarded.pass_again()
    second = applied(before)
    assert first < second <= first + most
    guarded.pass_again()
    assert applied(before) == second
    # A new message, with another value, is a new Event.
    assert len(guarded.posted(OVERRIDDEN)) == len({one["message"] for one in guarded.posted(OVERRIDDEN)}) <= 2


def test_a_refused_deployment_is_named_in_the_policys_own_words_and_made_once_it_is_admitted(guarded):
    guarded.forbid("apps", "deployments", LABELLED, "the label team is required")
    guarded.until(lambda found: "the label team is required" in found, probe_deployment())
    before = guarded.writes("POST", "deployments")
    guarded.roll_out()
    message = guarded.message_of("ChildRefused")
    assert "ValidatingAdmissionPolicy" in message
    assert "denied request: the label team is required; set in spec what the policy requires, or exempt" in message
    version = guarded.get()["metadata"]["resourceVersion"]
    time.sleep(10)
    assert guarded.get()["metadata"]["resourceVersion"] == version
    guarded.pass_again()
    # After 0, 1, 3, 7 and 15 s.
    assert 2 <= guarded.writes("POST", "deployments") - before <= 6
    assert len(guarded.posted("ChildRefused")) == 1
    guarded.kubectl("delete", "validatingadmissionpolicybinding", guarded.policies[1][1])
    guarded.wait(lambda _: guarded.condition()["reason"] != "ChildRefused", seconds=90, what="the Deployment")
    assert guarded.kubectl("get", "deployment", guarded.name, "-o", "name")


def test_a_webhook_that_does_not_respond_is_named(guarded):
    rules = guarded.mine("", "services", ["CREATE"])
    hook = {
        "name": "away.example.com",
        "clientConfig": {"url": "https://127.0.0.1:1/admit"},
        "rules": [
            {key: rules["resourceRules"][0][key] for key in ("apiGroups", "apiVersions", "resources", "operations")}
        ],
        "namespaceSelector": rules["namespaceSelector"],
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "timeoutSeconds": 1,
    }
    metadata = {"name": guarded.namespace}
    guarded.policies.append(("validatingwebhookconfiguration", guarded.namespace))
    guarded.installed.apply(
        {"apiVersion": GROUP, "kind": "ValidatingWebhookConfiguration", "metadata": metadata, "webhooks": [hook]}
    )
    port = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "probe"}, "spec": {"ports": [{"port": 80}]}}
    guarded.until(lambda found: "failed calling webhook" in found, port)
    guarded.roll_out()
    message = guarded.message_of("ChildRefused")
    assert 'failed calling webhook "away.example.com"' in message
    assert "the webhook does not respond: start it" in message
    assert guarded.kubectl("get", "deployment", guarded.name, "-o", "name")


def quota(guarded):
    hard = {"pods": "0"}
    metadata = {"name": "none", "namespace": guarded.namespace}
    guarded.installed.apply({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata, "spec": {"hard": hard}})


def limit_range(guarded):
    metadata = {"name": "small", "namespace": guarded.namespace}
    limits = [{"type": "Container", "max": {"memory": "64Mi"}}]
    guarded.installed.apply(
        {"apiVersion": "v1", "kind": "LimitRange", "metadata": metadata, "spec": {"limits": limits}}
    )


def policy(guarded):
    guarded.forbid("", "pods", LABELLED, "pods need the label team")


REJECTED = {
    "a quota": (quota, "exceeded quota: none", "raise the quota"),
    "a limit range": (
        limit_range,
        "maximum memory usage per Container is 64Mi",
        "spec.server.resources or the LimitRange",
    ),
    "a policy": (policy, "denied request: pods need the label team", "set in spec what the policy requires"),
}


@pytest.mark.parametrize(("reject", "words", "hint"), REJECTED.values(), ids=REJECTED)
def test_rejected_pods_are_named_in_the_words_of_the_replica_set_without_endless_writes(guarded, reject, words, hint):
    reject(guarded)
    big = {"name": "server", "image": "x", "resources": {"limits": {"memory": "1Gi"}}}
    probe = probe_pod(containers=[big])
    guarded.until(lambda found: words in found, probe)
    guarded.roll_out()
    guarded.wait(lambda _: words in guarded.condition()["message"], what=words)
    assert guarded.condition()["reason"] == "PodsUnavailable"
    message = guarded.condition()["message"]
    assert message.startswith("On hold: pods cannot be made: a pod is forbidden: ")
    assert hint in message
    assert len(guarded.posted("PodsUnavailable")) == 1
    guarded.pass_again()
    version = guarded.get()["metadata"]["resourceVersion"]
    time.sleep(5)
    assert guarded.get()["metadata"]["resourceVersion"] == version


def test_a_missing_claim_and_a_missing_secret_are_named_at_once_from_the_pods_events(guarded):
    guarded.kubectl("delete", "secret", "tokens")
    guarded.roll_out()
    began = time.monotonic()
    guarded.wait(lambda _: guarded.condition()["reason"] == "PodsUnavailable", seconds=30, what="the missing Secret")
    assert time.monotonic() - began < 30
    message = guarded.condition()["message"]
    assert 'secret "tokens" not found; create the Secret, or correct its name in spec' in message
    tokens = {"token": TOKEN, "admin-token": "admin", "event-key": "key"}
    metadata = {"name": "tokens", "namespace": guarded.namespace}
    guarded.installed.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": tokens})
    claim = 'persistentvolumeclaim "registry" not found'
    guarded.wait(lambda _: claim in guarded.condition()["message"], seconds=30, what=claim)
    assert "spec.registry.volume.claimName" in guarded.condition()["message"]


def test_the_example_names_a_claim():
    """What the tests above rely on."""
    spec = yaml.safe_load((ROOT / "examples" / "suggestionmodel.yaml").read_text())["spec"]
    assert spec["registry"]["volume"] == {"claimName": "registry"}
