"""SuggestionModels in reach of the kubeconfig (or of the pod's own account): which runs they name, and naming another.

The kubernetes client is imported late: most commands do without it.
"""

from collections.abc import Mapping
from typing import Any

from serin_core.contract import names
from serin_training.errors import ClusterError

_TIMEOUT = 20


def connect() -> Any | None:
    """Answer the API of custom objects, None where there is no kubeconfig. Raises ClusterError."""
    try:
        from kubernetes import client, config  # noqa: PLC0415
    except ModuleNotFoundError:
        return None
    try:
        config.load_incluster_config()
    except config.ConfigException:
        try:
            config.load_kube_config()
        except config.ConfigException:
            return None
    return client.CustomObjectsApi()


def connected() -> Any:
    """Answer the API of custom objects. Raises ClusterError also where there is no kubeconfig."""
    api = connect()
    if api is None:
        raise ClusterError("no kubeconfig, and this is no pod of a cluster: set KUBECONFIG")
    return api


def named_runs(api: Any) -> set[str]:
    """Answer every run that a SuggestionModel names, in spec or status. Raises ClusterError."""
    found = _ask(lambda: api.list_cluster_custom_object(*_KIND, _request_timeout=_TIMEOUT))
    return set().union(*(runs_of(model) for model in found.get("items", [])))


def runs_of(model: Mapping[str, Any]) -> set[str]:
    """Answer the runs that one SuggestionModel names, wherever."""
    runs: set[str] = set()

    def look(value: Any) -> None:
        if isinstance(value, Mapping):
            for key, inner in value.items():
                if key == "runID" and isinstance(inner, str):
                    runs.add(inner)
                look(inner)
        elif isinstance(value, list):
            for inner in value:
                look(inner)

    look(model.get("spec", {}))
    look({key: value for key, value in model.get("status", {}).items() if key != "history"})
    return runs


def read_model(api: Any, namespace: str, name: str) -> dict[str, Any]:
    """Answer one SuggestionModel. Raises ClusterError."""
    group, version, plural = _KIND
    return _ask(
        lambda: api.get_namespaced_custom_object(group, version, namespace, plural, name, _request_timeout=_TIMEOUT)
    )


def name_run(api: Any, namespace: str, name: str, run: str) -> None:
    """Let a SuggestionModel name another run; refused where Argo CD owns it. Raises ClusterError."""
    model = read_model(api, namespace, name)
    owner = argocd_application(model)
    if owner is not None:
        raise ClusterError(of_argocd(namespace, name, owner))
    group, version, plural = _KIND
    _ask(
        lambda: api.patch_namespaced_custom_object(
            group, version, namespace, plural, name, {"spec": {"runID": run}}, _request_timeout=_TIMEOUT
        )
    )


def of_argocd(namespace: str, name: str, owner: str) -> str:
    """Answer why an object of Argo CD's is not patched."""
    return (
        f"{namespace}/{name} is of Argo CD's application {owner}: it would put the old run back; "
        "propose the run in Git instead (--git)"
    )


def argocd_application(model: Mapping[str, Any]) -> str | None:
    """Answer the Argo CD application that an object is of, None if it is of none."""
    metadata = model.get("metadata", {})
    tracking = metadata.get("annotations", {}).get("argocd.argoproj.io/tracking-id")
    if tracking:
        return str(tracking).partition(":")[0]
    for label in ("argocd.argoproj.io/instance", "app.kubernetes.io/instance"):
        owner = metadata.get("labels", {}).get(label)
        if owner and (label.startswith("argocd") or _is_managed_by_argocd(metadata)):
            return str(owner)
    return None


def _is_managed_by_argocd(metadata: Mapping[str, Any]) -> bool:
    return any("argocd" in entry.get("manager", "") for entry in metadata.get("managedFields", []))


_KIND = (names.GROUP, names.VERSION, names.PLURAL)


def _ask(call: Any) -> dict[str, Any]:
    from kubernetes.client.exceptions import ApiException  # noqa: PLC0415
    from urllib3.exceptions import HTTPError  # noqa: PLC0415

    try:
        return dict(call())
    except ApiException as error:
        raise ClusterError(f"the API server answered {error.status} {error.reason}") from None
    except HTTPError as error:
        raise ClusterError(f"the API server cannot be reached: {' '.join(str(error).split())[:160]}") from None
