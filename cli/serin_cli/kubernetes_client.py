"""The cluster as a user of kubectl sees it: the kubeconfig, one context, one namespace, SuggestionModels.

ClusterError        what went wrong, in one line
└── AbsentError     there is no such SuggestionModel
"""

import os
from collections.abc import Mapping
from typing import Any, Self

from serin_core.contract import environment, names


class ClusterError(Exception):
    """The cluster could not be asked, or did not do it. The message is one line."""


class AbsentError(ClusterError):
    """There is no SuggestionModel of this name."""


class Cluster:
    """SuggestionModels in one namespace."""

    def __init__(self, api: Any, namespace: str) -> None:
        self._api, self.namespace = api, namespace

    @classmethod
    def connect(cls, *, namespace: str | None, context: str | None) -> Self:
        """Use the kubeconfig, as kubectl does. Raises ClusterError."""
        # The client takes most of a second to import; other commands do without it.
        from kubernetes import client, config  # noqa: PLC0415

        try:
            config.load_kube_config(context=context)
            contexts, active = config.list_kube_config_contexts()
        except config.ConfigException as error:
            raise ClusterError(f"no usable kubeconfig: {error}") from None
        chosen = next((one for one in contexts if one["name"] == context), active)
        own = chosen.get("context", {}).get("namespace")
        return cls(
            client.CustomObjectsApi(), namespace or own or os.environ.get(environment.NAMESPACE.name) or "default"
        )

    def get(self, name: str) -> dict[str, Any]:
        """Read one SuggestionModel. Raises ClusterError."""
        return self._call("get_namespaced_custom_object", name)

    def annotate(self, name: str, annotations: Mapping[str, str]) -> None:
        """Set annotations on one. Raises ClusterError."""
        self._call("patch_namespaced_custom_object", name, {"metadata": {"annotations": dict(annotations)}})

    def _call(self, method: str, name: str, *body: Any) -> dict[str, Any]:
        from kubernetes.client.exceptions import ApiException  # noqa: PLC0415
        from urllib3.exceptions import HTTPError  # noqa: PLC0415

        try:
            call = getattr(self._api, method)
            return dict(
                call(names.GROUP, names.VERSION, self.namespace, names.PLURAL, name, *body, _request_timeout=20)
            )
        except ApiException as error:
            if error.status == 404:  # noqa: PLR2004 - HTTP
                raise AbsentError(f"no suggestionmodel {name!r} in namespace {self.namespace!r}") from None
            raise ClusterError(f"the API server answered {error.status} {error.reason}") from None
        except HTTPError as error:
            raise ClusterError(f"the API server cannot be reached: {' '.join(str(error).split())[:160]}") from None
