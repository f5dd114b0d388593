"""The SuggestionModels of one namespace, through the user's kubeconfig.

ClusterError        the request failed
└── AbsentError     the SuggestionModel does not exist
"""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, Self

from serin_core.api import packing
from serin_core.api.format_versions import NewerVersionError
from serin_core.contract import environment, names

_TIMEOUT: Final = 20
"""Seconds for one request."""
_NOT_FOUND: Final = 404


class ClusterError(Exception):
    """A request to the cluster that failed. The message is one line."""


class AbsentError(ClusterError):
    """The SuggestionModel does not exist."""


class Cluster:
    """The SuggestionModels of one namespace."""

    def __init__(self, api: Any, namespace: str) -> None:
        self._api, self.namespace = api, namespace

    @classmethod
    def connect(cls, *, namespace: str | None, context: str | None) -> Self:
        """Read the kubeconfig as kubectl does. Raises ClusterError."""
        # Imported here: commands that need no cluster start without it.
        from kubernetes import client, config  # noqa: PLC0415

        try:
            config.load_kube_config(context=context)
            contexts, active = config.list_kube_config_contexts()
        except config.ConfigException as error:
            raise ClusterError(f"no usable kubeconfig: {error}") from None
        chosen = next((one for one in contexts if one["name"] == context), active)
        of_context = chosen.get("context", {}).get("namespace")
        of_environment = os.environ.get(environment.NAMESPACE.name)
        return cls(client.CustomObjectsApi(), namespace or of_context or of_environment or "default")

    def get(self, name: str) -> dict[str, Any]:
        """Return one SuggestionModel with its whole status. Raises ClusterError."""
        live = self._call("get_namespaced_custom_object", name)
        return live | {"status": _whole(live["status"])} if live.get("status") else live

    def annotate(self, name: str, annotations: Mapping[str, str], *, spec: Mapping[str, Any] | None = None) -> None:
        """Set annotations of one SuggestionModel, and with them fields of its spec. Raises ClusterError."""
        change = {"metadata": {"annotations": dict(annotations)}} | ({"spec": dict(spec)} if spec else {})
        self._call("patch_namespaced_custom_object", name, change)

    def pod(self, name: str) -> dict[str, Any]:
        """Return uid, node and labels of a pod of this namespace. Raises ClusterError."""
        from kubernetes import client  # noqa: PLC0415
        from kubernetes.client.exceptions import ApiException  # noqa: PLC0415
        from urllib3.exceptions import HTTPError  # noqa: PLC0415

        try:
            found: Any = client.CoreV1Api(self._api.api_client).read_namespaced_pod(
                name, self.namespace, _request_timeout=_TIMEOUT
            )
        except ApiException as error:
            if error.status == _NOT_FOUND:
                raise AbsentError(f"pod {name!r} not found in namespace {self.namespace!r}") from None
            raise ClusterError(f"the API server answered {error.status} {error.reason}") from None
        except HTTPError as error:
            host = self._api.api_client.configuration.host
            raise ClusterError(f"cannot reach the API server at {host}: {_cause(error)}") from None
        return {"uid": found.metadata.uid, "node": found.spec.node_name, "labels": found.metadata.labels}

    def user(self) -> str:
        """Return the name by which the API server knows the caller, in one word; "" if it does not return it."""
        from kubernetes import client  # noqa: PLC0415
        from kubernetes.client.exceptions import ApiException  # noqa: PLC0415
        from urllib3.exceptions import HTTPError  # noqa: PLC0415

        review = client.V1SelfSubjectReview(api_version="authentication.k8s.io/v1", kind="SelfSubjectReview")
        try:
            found = client.AuthenticationV1Api(self._api.api_client).create_self_subject_review(
                review, _request_timeout=_TIMEOUT
            )
        except (ApiException, HTTPError):
            # The request that follows reports a cluster that cannot be reached.
            return ""
        user = found.status and found.status.user_info
        return "_".join(((user and user.username) or "").split())

    def delete(self, name: str, *, keeps_children: bool) -> None:
        """Delete one SuggestionModel, and its children unless they are to be kept. Raises ClusterError."""
        policy = "Orphan" if keeps_children else "Background"
        self._call("delete_namespaced_custom_object", name, propagation_policy=policy)

    def records(self, name: str) -> list[str]:
        """Return the texts of all trial records of a SuggestionModel. Raises ClusterError."""
        from kubernetes import client  # noqa: PLC0415

        core = client.CoreV1Api(self._api.api_client)
        selector = f"{names.LABEL_TRIAL_OF}={name}"
        with self._errors():
            found = core.list_namespaced_config_map(self.namespace, label_selector=selector, _request_timeout=_TIMEOUT)
        return [(one.data or {}).get(names.RECORD_KEY, "") for one in found.items]

    def _call(self, method: str, *arguments: Any, **options: Any) -> dict[str, Any]:
        request = getattr(self._api, method)
        with self._errors(*arguments[:1]):
            return dict(
                request(
                    names.GROUP,
                    names.VERSION,
                    self.namespace,
                    names.PLURAL,
                    *arguments,
                    _request_timeout=_TIMEOUT,
                    **options,
                )
            )

    @contextmanager
    def _errors(self, *name: str) -> Iterator[None]:
        """Turn the errors of a request into a ClusterError; with the name of a SuggestionModel, also AbsentError."""
        from kubernetes.client.exceptions import ApiException  # noqa: PLC0415
        from urllib3.exceptions import HTTPError  # noqa: PLC0415

        try:
            yield
        except ApiException as error:
            if error.status == _NOT_FOUND and name:
                raise AbsentError(self._not_found(name[0])) from None
            raise ClusterError(f"the API server answered {error.status} {error.reason}") from None
        except HTTPError as error:
            host = self._api.api_client.configuration.host
            raise ClusterError(f"cannot reach the API server at {host}: {_cause(error)}") from None

    def _not_found(self, name: str) -> str:
        message = f"suggestionmodel {name!r} not found in namespace {self.namespace!r}"
        try:
            items = self._call("list_namespaced_custom_object").get("items", [])
        except ClusterError:
            return message
        existing = ", ".join(sorted(item["metadata"]["name"] for item in items))
        return f"{message}; existing there: {existing or 'none'}"


def _whole(status: Mapping[str, Any]) -> dict[str, Any]:
    """Return the unpacked status; of one that cannot be read, only its conditions and phase.

    Raises ClusterError where a newer version of Serin wrote it.
    """
    try:
        return packing.expanded(status)
    except NewerVersionError as error:
        raise ClusterError(str(error)) from None
    except ValueError:
        return {key: status[key] for key in packing.SHOWN_IN_FULL if key in status}


def _cause(error: Exception) -> str:
    """Return the operating system's words for a failed connection, as in `connection refused`."""
    reason = getattr(error, "reason", None) or error
    if "timed out" in str(reason):
        return f"timed out after {_TIMEOUT} s"
    text = re.sub(r"\[[^]]*\] |\s*\(_ssl[^)]*\)", "", str(reason)).strip("()'\" ")
    cause = text.rpartition(": ")[2] if "Errno" in str(reason) else text
    return cause[:1].lower() + cause[1:160]
