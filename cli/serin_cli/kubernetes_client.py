"""The SuggestionModels of one namespace, through the user's kubeconfig."""

import json
import os
import ssl
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final, Self

import yaml

from serin_cli.absent_text import describe_absent
from serin_cli.api_reader import TIMEOUT, ApiReader
from serin_cli.following import Changes
from serin_cli.request_errors import (
    AbsentError,
    ClusterError,
    NotInstalledError,
    UnreadableError,
)
from serin_core.api import packing
from serin_core.api.format_versions import NewerVersionError
from serin_core.contract import environment, names

_OPERATORS: Final = "app.kubernetes.io/name=serin-operator"
_EXPIRED: Final = 410
"""Status of a watch from a version that the API server no longer has."""


class Cluster(ApiReader):
    """The SuggestionModels of one namespace."""

    def __init__(self, api: Any, namespace: str) -> None:
        super().__init__(api)
        self.namespace = namespace

    @classmethod
    def connect(cls, *, namespace: str | None, context: str | None, kubeconfig: Path | None) -> Self:
        """Read the kubeconfig as kubectl does. Raises ClusterError."""
        # Imported here: commands that need no cluster start without it.
        from kubernetes import client, config  # noqa: PLC0415

        file = None if kubeconfig is None else str(kubeconfig)
        try:
            config.load_kube_config(config_file=file, context=context)
            contexts, active = config.list_kube_config_contexts(config_file=file)
        except (config.ConfigException, yaml.YAMLError, OSError, ValueError) as error:
            raise ClusterError(f"no usable kubeconfig: {_of_file(file)}{' '.join(str(error).split())}") from None
        except (TypeError, LookupError, AttributeError):
            raise ClusterError(f"no usable kubeconfig: {_of_file(file)}fields are not as in a kubeconfig") from None
        chosen = next((one for one in contexts if one["name"] == context), active)
        of_context = chosen.get("context", {}).get("namespace")
        of_environment = os.environ.get(environment.NAMESPACE.name)
        return cls(_verifying(client.CustomObjectsApi()), namespace or of_context or of_environment or "default")

    @classmethod
    def inside(cls) -> Self:
        """Use the service account of this pod, and without one the kubeconfig, of no namespace. Raises ClusterError."""
        from kubernetes import client, config  # noqa: PLC0415

        try:
            config.load_incluster_config()
        except (config.ConfigException, OSError) as error:
            try:
                return cls.connect(namespace=None, context=None, kubeconfig=None)
            except ClusterError as other:
                raise ClusterError(f"no service account of a pod: {error}; {other}") from None
        return cls(_verifying(client.CustomObjectsApi()), "")

    def get(self, name: str) -> dict[str, Any]:
        """Return one SuggestionModel with its whole status. Raises ClusterError."""
        live = self._call("get_namespaced_custom_object", name)
        return live | {"status": whole(live["status"])} if live.get("status") else live

    def at(self, namespace: str) -> Self:
        """Return the same cluster with another namespace."""
        return type(self)(self._api, namespace)

    def models(self, *, all_namespaces: bool = False) -> dict[str, Any]:
        """Return the list of SuggestionModels as the API server has it, status condensed. Raises ClusterError."""
        return self._models(self._list(all_namespaces))

    def names(self) -> list[str]:
        """Return the names of the SuggestionModels of the namespace, sorted. Raises ClusterError."""
        return sorted(item["metadata"]["name"] for item in self.models()["items"])

    def namespaces_of(self, name: str) -> list[str]:
        """Return the namespaces, sorted, that have a SuggestionModel of this name. Raises ClusterError."""
        found = self._models(self._list(all_namespaces=True), field_selector=f"metadata.name={name}")
        return sorted(item["metadata"]["namespace"] for item in found["items"])

    def changes(
        self, found: Mapping[str, Any], *, all_namespaces: bool, name: str | None = None
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield ADDED, MODIFIED or DELETED, with the SuggestionModel, of every change after a list, or of one `name`.

        Endless. Lists again when the API server ends a watch; one that was deleted meanwhile is not reported then.
        Raises ClusterError.
        """
        from kubernetes.client.exceptions import ApiException  # noqa: PLC0415

        version = found["metadata"]["resourceVersion"]
        options = {} if name is None else {"field_selector": f"metadata.name={name}"}
        request = partial(self._list(all_namespaces), **options)
        while True:
            try:
                with self._errors(passes=_EXPIRED):
                    for kind, live in self._watch(request, version):
                        version = live["metadata"]["resourceVersion"]
                        yield kind, live
            except ApiException:
                again = self.models(all_namespaces=all_namespaces)
                version = again["metadata"]["resourceVersion"]
                yield from (("MODIFIED", item) for item in again["items"])

    def follow(self, live: Mapping[str, Any]) -> Changes:
        """Return what waits for changes of a SuggestionModel that was read."""
        name = live["metadata"]["name"]
        return Changes(self.changes(live, all_namespaces=False, name=name))

    def watch(self, version: str, *, all_namespaces: bool, seconds: int) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield ADDED, MODIFIED or DELETED, with the SuggestionModel, of the changes after a version, for a time.

        Raises ClusterError, also where the API server no longer has that version.
        """
        with self._errors():
            yield from self._watch(self._list(all_namespaces), version, seconds)

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return the Events about a SuggestionModel, in no order. Raises ClusterError."""
        from kubernetes import client  # noqa: PLC0415

        core = client.CoreV1Api(self._api.api_client)
        selector = f"involvedObject.kind={names.KIND},involvedObject.name={name}"
        with self._errors():
            found = self._read(core.list_namespaced_event, self.namespace, field_selector=selector)
        return list(found.get("items") or [])

    def annotate(self, name: str, annotations: Mapping[str, str], *, spec: Mapping[str, Any] | None = None) -> None:
        """Set annotations of one SuggestionModel, and with them fields of its spec. Raises ClusterError."""
        change = {"metadata": {"annotations": dict(annotations)}} | ({"spec": dict(spec)} if spec else {})
        self._call("patch_namespaced_custom_object", name, change)

    def edit(self, name: str, spec: Mapping[str, Any], *, dry_run: bool = False) -> None:
        """Set fields of the spec of one SuggestionModel; with `dry_run` only have them checked. Raises ClusterError."""
        options = {"dry_run": "All"} if dry_run else {}
        self._call("patch_namespaced_custom_object", name, {"spec": dict(spec)}, **options)

    def operators(self) -> list[dict[str, Any]]:
        """Return the Deployments of operators in all namespaces. Raises ClusterError."""
        from kubernetes import client  # noqa: PLC0415

        apps = client.AppsV1Api(self._api.api_client)
        with self._errors():
            found = self._read(apps.list_deployment_for_all_namespaces, label_selector=_OPERATORS)
        return list(found.get("items") or [])

    def version(self) -> str:
        """Return the version of the API server, as in v1.34.1. Raises ClusterError."""
        from kubernetes import client  # noqa: PLC0415

        with self._errors():
            return str(self._read(client.VersionApi(self._api.api_client).get_code)["gitVersion"])

    def pod(self, name: str) -> dict[str, Any]:
        """Return uid, node and labels of a pod of this namespace. Raises ClusterError."""
        from kubernetes import client  # noqa: PLC0415

        core = client.CoreV1Api(self._api.api_client)
        with self._errors(lambda: f"pod {name!r} not found in namespace {self.namespace!r}"):
            found = self._read(core.read_namespaced_pod, name, self.namespace)
        metadata = found["metadata"]
        return {"uid": metadata["uid"], "node": found["spec"].get("nodeName"), "labels": metadata.get("labels")}

    def pods(self, name: str) -> list[dict[str, Any]]:
        """Return the pods of a SuggestionModel, in no order. Raises ClusterError."""
        from kubernetes import client  # noqa: PLC0415

        core = client.CoreV1Api(self._api.api_client)
        with self._errors():
            found = self._read(core.list_namespaced_pod, self.namespace, label_selector=f"{names.LABEL_MODEL}={name}")
        return list(found.get("items") or [])

    def pod_revision(self, pod: Mapping[str, Any]) -> int:
        """Return the routing revision that a pod reports, asked through the API server. Raises ClusterError."""
        from kubernetes import client  # noqa: PLC0415

        core = client.CoreV1Api(self._api.api_client)
        scheme = (pod["metadata"].get("annotations") or {}).get(names.ANNOTATION_SCHEME, "http")
        address = f"{scheme}:{pod['metadata']['name']}:{names.SERVER_PORT}"
        with self._errors():
            found = self._read(core.connect_get_namespaced_pod_proxy_with_path, address, self.namespace, "ml/status")
        revision = found.get("revision")
        if not isinstance(revision, int):
            raise ClusterError(f"{pod['metadata']['name']} did not report a revision")
        return revision

    def may_act(self) -> bool:
        """Return whether the caller may write requests to SuggestionModels; True if the API server does not tell."""
        try:
            return self.may("patch", names.PLURAL, group=names.GROUP)
        except ClusterError:
            return True

    def user(self) -> str:
        """Return the name by which the API server knows the caller, in one word; "" if it does not return it."""
        from kubernetes import client  # noqa: PLC0415

        authentication = client.AuthenticationV1Api(self._api.api_client)
        review = client.V1SelfSubjectReview(api_version="authentication.k8s.io/v1", kind="SelfSubjectReview")
        try:
            with self._errors():
                found = self._read(authentication.create_self_subject_review, review)
        except ClusterError:
            # The request that follows reports a cluster that cannot be reached.
            return ""
        user = ((found.get("status") or {}).get("userInfo") or {}).get("username") or ""
        return "_".join(user.split())

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
            found = self._read(core.list_namespaced_config_map, self.namespace, label_selector=selector)
        return [(one.get("data") or {}).get(names.RECORD_KEY, "") for one in found["items"]]

    def read(self, path: str, *, accept: str = "application/json", **query: str) -> str:
        """Return the response to a GET of any path of the API server. Raises ClusterError, AbsentError for a 404."""
        return self._send("GET", path, None, {"Accept": accept}, query)

    def may(self, verb: str, resource: str, *, group: str = "") -> bool:
        """Return whether the user has a right on the objects of the namespace. Raises ClusterError."""
        attributes = {"namespace": self.namespace, "verb": verb, "group": group, "resource": resource}
        api = "authorization.k8s.io/v1"
        review = {"apiVersion": api, "kind": "SelfSubjectAccessReview", "spec": {"resourceAttributes": attributes}}
        json_ = "application/json"
        text = self._send(
            "POST", f"/apis/{api}/selfsubjectaccessreviews", review, {"Accept": json_, "Content-Type": json_}, {}
        )
        with self._errors():
            return bool((self._object(json.loads(text)).get("status") or {}).get("allowed"))

    def _list(self, all_namespaces: bool) -> Any:  # noqa: FBT001 - as the option is
        if all_namespaces:
            return partial(self._api.list_cluster_custom_object, names.GROUP, names.VERSION, names.PLURAL)
        where = (names.GROUP, names.VERSION, self.namespace, names.PLURAL)
        return partial(self._api.list_namespaced_custom_object, *where)

    def _models(self, request: Callable[..., Any], **options: Any) -> dict[str, Any]:
        try:
            with self._errors(lambda: f"the cluster has no {names.PLURAL}.{names.GROUP}: is Serin installed?"):
                return self._object(request(_request_timeout=TIMEOUT, **options))
        except AbsentError as error:
            raise NotInstalledError(str(error)) from None

    def _call(self, method: str, *arguments: Any, **options: Any) -> dict[str, Any]:
        request = getattr(self._api, method)
        where = (names.GROUP, names.VERSION, self.namespace, names.PLURAL)
        with self._errors(partial(self._not_found, arguments[0])):
            return self._object(request(*where, *arguments, _request_timeout=TIMEOUT, **options))

    def _not_found(self, name: str) -> str:
        existing: list[str] | None = None
        elsewhere: list[str] = []
        try:
            existing = self.names()
            elsewhere = self.namespaces_of(name)
        except NotInstalledError:
            raise
        except ClusterError:
            # Without the right to list, the error is still that there is none of this name.
            pass
        return describe_absent(name, self.namespace, existing=existing, elsewhere=elsewhere)


def whole(status: Mapping[str, Any]) -> dict[str, Any]:
    """Return the unpacked status; of one that cannot be read, only its conditions and phase.

    Raises UnreadableError where a newer version of Serin wrote it.
    """
    try:
        return packing.expanded(status)
    except NewerVersionError as error:
        raise UnreadableError(str(error)) from None
    except ValueError:
        return {key: status[key] for key in packing.SHOWN_IN_FULL if key in status}


def _verifying(api: Any) -> Any:
    """Let an API verify certificates as Python did before 3.13, and as kubectl does; return it.

    Since then urllib3 also demands extensions that the certificate authorities of many clusters lack (MicroK8s, EKS).
    Chain, host name and expiry are still verified.
    """
    from urllib3.util.ssl_ import create_urllib3_context  # noqa: PLC0415

    pools = api.api_client.rest_client.pool_manager.connection_pool_kw
    context = create_urllib3_context(cert_reqs=pools["cert_reqs"])
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if not (pools.get("ca_certs") or pools.get("ca_cert_data")):
        # With a context of its own, urllib3 does not load those of the system.
        context.load_default_certs()
    pools["ssl_context"] = context
    return api


def _of_file(file: str | None) -> str:
    return f"{file}: " if file else ""
