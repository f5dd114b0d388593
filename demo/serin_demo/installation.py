"""The objects that a user applies: manifests, a namespace, a registry volume, tokens, rules, a SuggestionModel."""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from serin_core.api.packing import expanded
from serin_demo.commands import run

ROOT = Path(__file__).parents[2]
NAMESPACE = "transactions"
NAME = "categories"
OPERATOR_NAMESPACE = "serin-system"


@dataclass(frozen=True, slots=True)
class Installation:
    """kubectl against one cluster."""

    kubeconfig: Path
    directory: Path

    def kubectl(self, *arguments: str, text: str | None = None) -> str:
        """Run kubectl and return its output. Raises CommandError."""
        return run(["kubectl", *arguments], environment={"KUBECONFIG": str(self.kubeconfig)}, text=text)

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

    def read(self) -> dict[str, object]:
        """Return the SuggestionModel with its whole status."""
        found = dict(json.loads(self.kubectl("get", "sgm", NAME, "-n", NAMESPACE, "-o", "json")))
        return found | ({"status": expanded(found["status"])} if "status" in found else {})

    def ready_pods(self) -> list[str]:
        """Return the addresses (host:port) of the ready server pods."""
        found = json.loads(self.kubectl("get", "pods", "-n", NAMESPACE, "-l", f"serin.dev/model={NAME}", "-o", "json"))
        return [
            f"{pod['status']['podIP']}:8080"
            for pod in found["items"]
            if "deletionTimestamp" not in pod["metadata"]
            and any(one["type"] == "Ready" and one["status"] == "True" for one in pod["status"].get("conditions", []))
        ]


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
