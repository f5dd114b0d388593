"""Where this operator runs: the namespace of its own objects, and what distinguishes it from others."""

import os
import secrets
import socket
from pathlib import Path
from typing import Final

from kubernetes.aio import config

from serin_core.contract import environment

SERVICE_ACCOUNT_FILE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


def own_namespace(service_account_file: Path = SERVICE_ACCOUNT_FILE) -> str:
    """Return the namespace in which the operator keeps its own objects, and no others.

    It is POD_NAMESPACE where that is set; else the namespace of KUBECONFIG's current context, or, without KUBECONFIG,
    that of the pod's service account; else `default`. Raises ConfigException for a kubeconfig that cannot be used.
    """
    if given := os.environ.get(environment.POD_NAMESPACE.name, "").strip():
        return given
    if kubeconfig := os.environ.get("KUBECONFIG"):
        _, current = config.list_kube_config_contexts(config_file=kubeconfig)
        return str(current["context"].get("namespace") or "default")
    try:
        return service_account_file.read_text(encoding="utf-8").strip() or "default"
    except OSError:
        return "default"


def own_identity() -> str:
    """Return a name that no other running operator has.

    That of the pod, so that a container which is started again in it takes over from itself at once; outside of pods
    that of the host and a random part.
    """
    return os.environ.get(environment.POD_NAME.name, "").strip() or f"{socket.gethostname()}_{secrets.token_hex(4)}"
