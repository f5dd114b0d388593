"""The objects that a user applies: manifests, a namespace, a registry volume, tokens, rules, a SuggestionModel."""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from pathlib import Path
from types import MappingProxyType
from typing import Any

import urllib3
import yaml
from kubernetes import client, config

from serin_core.contract import names
from serin_demo.commands import CommandError, run

ROOT = Path(__file__).parents[2]
NAMESPACE = "transactions"
NAME = "categories"
OPERATOR_NAMESPACE = "serin-system"
READ_WITHIN = 30
"""Seconds for one request."""


@dataclass(frozen=True)
class Installation:
    """One cluster, as a user has it: with kubectl, and read over one connection."""

    kubeconfig: Path
    directory: Path

    @cached_property
    def _connection(self) -> client.ApiClient:
        made: client.ApiClient = config.new_client_from_config(str(self.kubeconfig))
        return made

    def kubectl(self, *arguments: str, text: str | None = None) -> str:
        """Run kubectl and return its output. Raises CommandError."""
        return run(["kubectl", *arguments], environment={"KUBECONFIG": str(self.kubeconfig)}, text=text)

    def read(self, path: str, **query: str) -> dict[str, Any]:
        """Return what the API server has at a path. Raises CommandError.

        For what is read several times a second: kubectl makes a connection and reads the server's resources each time.
        """
        request = self._connection.param_serialize(
            "GET", path, query_params=list(query.items()), auth_settings=["BearerToken"]
        )
        try:
            response = self._connection.call_api(*request, _request_timeout=READ_WITHIN)
            text = response.read()
        except (client.ApiException, urllib3.exceptions.HTTPError) as error:
            raise CommandError(f"GET {path} failed: {error}") from None
        if response.status != HTTPStatus.OK:
            raise CommandError(f"GET {path} failed with {response.status}: {text.decode()}")
        return dict(json.loads(text))

    def read_model(self, namespace: str = NAMESPACE, name: str = NAME) -> dict[str, Any]:
        """Return a SuggestionModel. Raises CommandError."""
        return self.read(f"/apis/{names.API_VERSION}/namespaces/{namespace}/{names.PLURAL}/{name}")

    def read_pods(self, namespace: str = NAMESPACE, name: str = NAME) -> list[dict[str, Any]]:
        """Return the server pods of a SuggestionModel. Raises CommandError."""
        found = self.read(f"/api/v1/namespaces/{namespace}/pods", labelSelector=f"{names.LABEL_MODEL}={name}")
        return list(found["items"])

    def apply(self, *objects: Mapping[str, object]) -> None:
        """Apply objects with server-side apply."""
        self.kubectl("apply", "--server-side", "-f", "-", text=yaml.safe_dump_all(list(objects)))

    def install_operator(
        self, *, prometheus_url: str, timeout: str = "60s", configuration: Mapping[str, Any] = MappingProxyType({})
    ) -> None:
        """Apply manifests/default with this cluster's Prometheus, as an overlay, and wait for the operator.

        `configuration` is added to that of the operator.
        """
        overlay = self.directory / "overlay"
        overlay.mkdir(parents=True, exist_ok=True)
        config = {
            "prometheus": {"default": {"url": prometheus_url}},
            "server": {"image": "ghcr.io/serin-dev/serin-server:0.1.0"},
        } | dict(configuration)
        (overlay / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
        files = {
            "name": "serin-operator",
            "namespace": OPERATOR_NAMESPACE,
            "behavior": "replace",
            "files": ["config.yaml"],
        }
        manifests = Path("..") / Path(*[".."] * len(overlay.relative_to(ROOT).parts[1:])) / "manifests" / "default"
        one = {"name": "serin-operator", "count": 1}
        kustomization = {"resources": [str(manifests)], "configMapGenerator": [files], "replicas": [one]}
        (overlay / "kustomization.yaml").write_text(yaml.safe_dump(kustomization), encoding="utf-8")
        self.kubectl("apply", "--server-side", "-k", str(overlay))
        self.kubectl("rollout", "status", "deployment/serin-operator", "-n", OPERATOR_NAMESPACE, f"--timeout={timeout}")

    def prepare(self, *, registry: Path, rules: str, token: str) -> None:
        """Apply everything that a SuggestionModel references."""
        metadata = {"namespace": NAMESPACE}
        storage = {"accessModes": ["ReadOnlyMany"], "storageClassName": ""}
        volume = {"capacity": {"storage": "1Gi"}, "hostPath": {"path": str(registry)}}
        claim = {"resources": {"requests": {"storage": "1Gi"}}, "volumeName": "serin-registry"}
        tokens = {"token": token, "admin-token": secrets.token_hex(16), "event-key": secrets.token_hex(16)}
        self.apply(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
            {
                "apiVersion": "v1",
                "kind": "PersistentVolume",
                "metadata": {"name": "serin-registry"},
                "spec": storage | volume,
            },
            {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "metadata": metadata | {"name": "registry"},
                "spec": storage | claim,
            },
            {"apiVersion": "v1", "kind": "Secret", "metadata": metadata | {"name": "tokens"}, "stringData": tokens},
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": metadata | {"name": "rules"},
                "data": {"rules.yaml": rules},
            },
        )

    def set_run(self, run_id: str, changes: Mapping[str, object]) -> None:
        """Apply the SuggestionModel with this run and with other fields of spec, as GitOps would."""
        self.apply(resource(run_id, changes))

    def serin(self, verb: str, *arguments: str) -> str:
        """Run `kubectl serin VERB` on the SuggestionModel and return its output. Raises CommandError."""
        command = ["kubectl-serin", verb, NAME, "-n", NAMESPACE, *arguments]
        return run(command, environment={"KUBECONFIG": str(self.kubeconfig)})

    def ready_pods(self) -> list[str]:
        """Return the addresses (host:port) of the ready server pods."""
        return [f"{pod['status']['podIP']}:8080" for pod in self.read_pods() if is_ready(pod)]


def is_ready(pod: Mapping[str, Any]) -> bool:
    """Return whether a pod is ready and stays."""
    conditions = pod["status"].get("conditions", [])
    return "deletionTimestamp" not in pod["metadata"] and any(
        one["type"] == "Ready" and one["status"] == "True" for one in conditions
    )


def resource(run_id: str, changes: Mapping[str, object]) -> dict[str, object]:
    """Return the demo's SuggestionModel: that of examples/ with soaks of seconds instead of days, and `changes`."""
    written = yaml.safe_load((ROOT / "examples" / "suggestionmodel.yaml").read_text(encoding="utf-8"))
    spec = written["spec"] | {"runID": run_id}
    spec["canary"] = {
        "shadowSoak": "5s",
        "steps": [{"percent": percent, "soak": "5s"} for percent in (10, 50, 100)],
    }
    spec["analysis"] = {"interval": "1s"}
    # A few users make all traffic here, so low confidence depends on which of them are in the canary.
    spec["gates"] = {name: {"mode": "DryRun"} for name in ("lowConfidence", "feedback")}
    return dict(written) | {"metadata": {"name": NAME, "namespace": NAMESPACE}, "spec": spec | dict(changes)}
