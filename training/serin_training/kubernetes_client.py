"""SuggestionModels of the cluster in the kubeconfig (or of the pod's service account): the runs they reference.

The kubernetes client is imported late: most commands do not need it.
"""

from collections.abc import Mapping
from typing import Any, Final

from serin_core.contract import names
from serin_core.kubernetes.owner import owner_of
from serin_training.errors import KubernetesApiError

_TIMEOUT: Final = 20
"""In seconds."""
_RESOURCE: Final = (names.GROUP, names.VERSION, names.PLURAL)


def connect() -> Any | None:
    """Return the custom objects API, or None without a kubeconfig."""
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


def require_connection() -> Any:
    """Return the custom objects API. Raises KubernetesApiError without a kubeconfig."""
    api = connect()
    if api is None:
        raise KubernetesApiError("no kubeconfig found, and not running in a pod: set KUBECONFIG")
    return api


def referenced_runs(api: Any) -> set[str]:
    """Return every run that a SuggestionModel references in spec or status. Raises KubernetesApiError."""
    found = _call(lambda: api.list_cluster_custom_object(*_RESOURCE, _request_timeout=_TIMEOUT))
    return set().union(*(runs_of(model) for model in found.get("items", [])))


def runs_of(model: Mapping[str, Any]) -> set[str]:
    """Return the runs that one SuggestionModel references anywhere, except in its history."""
    runs: set[str] = set()

    def collect(value: Any) -> None:
        if isinstance(value, Mapping):
            for key, inner in value.items():
                if key == "runID" and isinstance(inner, str):
                    runs.add(inner)
                collect(inner)
        elif isinstance(value, list):
            for inner in value:
                collect(inner)

    collect(model.get("spec", {}))
    collect({key: value for key, value in model.get("status", {}).items() if key != "history"})
    return runs


def read_model(api: Any, namespace: str, name: str) -> dict[str, Any]:
    """Return one SuggestionModel. Raises KubernetesApiError."""
    group, version, plural = _RESOURCE
    return _call(
        lambda: api.get_namespaced_custom_object(group, version, namespace, plural, name, _request_timeout=_TIMEOUT)
    )


def set_run(api: Any, namespace: str, name: str, run: str) -> None:
    """Set spec.runID of a SuggestionModel. Raises KubernetesApiError, also if Argo CD, Flux or Helm owns the object."""
    check_not_owned(read_model(api, namespace, name), namespace, name)
    group, version, plural = _RESOURCE
    _call(
        lambda: api.patch_namespaced_custom_object(
            group, version, namespace, plural, name, {"spec": {"runID": run}}, _request_timeout=_TIMEOUT
        )
    )


def check_not_owned(model: Mapping[str, Any], namespace: str, name: str) -> None:
    """Raise KubernetesApiError if Argo CD, Flux or Helm owns the object."""
    owner = owner_of(model)
    if owner is not None:
        raise KubernetesApiError(
            f"{namespace}/{name} is managed by {owner.name}, which would revert the change; "
            f"propose the run in Git instead (--git), or {owner.remedy}"
        )


def _call(request: Any) -> dict[str, Any]:
    from kubernetes.client.exceptions import ApiException  # noqa: PLC0415
    from urllib3.exceptions import HTTPError  # noqa: PLC0415

    try:
        found = request()
    except ApiException as error:
        raise KubernetesApiError(f"the API server answered {error.status} {error.reason}") from None
    except HTTPError as error:
        raise KubernetesApiError(f"the API server cannot be reached: {' '.join(str(error).split())[:160]}") from None
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise KubernetesApiError("what responded is not an API server: the response is not a JSON object")
    return found
