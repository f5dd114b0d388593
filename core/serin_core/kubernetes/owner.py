"""Tool that owns an object: it sets `spec` back to what Git or a chart has. Argo CD, Flux and Helm are recognised."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

_TRACKING: Final = "argocd.argoproj.io/tracking-id"
_FLUX: Final = {"kustomize": "Kustomization", "helm": "HelmRelease"}
_RELEASE: Final = ("meta.helm.sh/release-name", "meta.helm.sh/release-namespace")
_INSTANCE: Final = "app.kubernetes.io/instance"
_ARGOCD: Final = {"argocd-controller", "argocd-application-controller"}


@dataclass(frozen=True, slots=True)
class Owner:
    """The tool that owns an object, as it stands in messages, and how a user can still change the object."""

    name: str
    remedy: str

    @property
    def capitalized(self) -> str:
        """Its name at the beginning of a sentence."""
        return f"{self.name[0].upper()}{self.name[1:]}"


def owner_of(live: Mapping[str, Any]) -> Owner | None:
    """Return the owner of an object read from the API server, or None.

    Read are what Argo CD, Flux and Helm write into `metadata`, and who owns fields of `spec` in `managedFields`.
    An object that Flux is told to leave alone (its annotations `reconcile: disabled` and `ssa: Ignore`) has no owner.
    """
    metadata = live.get("metadata") or {}
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    managers = _managers_of_spec(metadata)
    return (
        _argocd(live, labels, annotations, managers)
        or _flux(labels, annotations, managers)
        or _helm(labels, annotations, managers)
    )


def _managers_of_spec(metadata: Mapping[str, Any]) -> set[str]:
    entries = metadata.get("managedFields") or []
    return {str(entry.get("manager", "")) for entry in entries if "f:spec" in (entry.get("fieldsV1") or {})}


def _argocd(
    live: Mapping[str, Any], labels: Mapping[str, str], annotations: Mapping[str, str], managers: set[str]
) -> Owner | None:
    application = labels.get("argocd.argoproj.io/instance")
    tracked, _, rest = annotations.get(_TRACKING, "").partition(":")
    if tracked and _is_about(rest, live):
        application = tracked
    elif managers & _ARGOCD:
        application = application or labels.get(_INSTANCE)
    elif application is None:
        return None
    remedy = f"pause its automated sync (argocd app set {application or 'APPLICATION'} --sync-policy none)"
    return Owner(f"the Argo CD application {application}" if application else "an Argo CD application", remedy)


def _is_about(rest: str, live: Mapping[str, Any]) -> bool:
    """Return whether the rest of a tracking id, "<group>/<kind>:<namespace>/<name>", names this object.

    Argo CD compares them too: an annotation copied from another object tracks nothing.
    """
    kind, _, place = rest.partition(":")
    metadata, own = live.get("metadata") or {}, live.get("kind")
    names = [value for value in (metadata.get("namespace"), metadata.get("name")) if value]
    is_same_kind = not own or not kind or kind.rpartition("/")[2] == own
    return is_same_kind and (len(names) < 2 or not place or place == "/".join(names))  # noqa: PLR2004 - both of them


def _flux(labels: Mapping[str, str], annotations: Mapping[str, str], managers: set[str]) -> Owner | None:
    for controller, kind in _FLUX.items():
        group = f"{controller}.toolkit.fluxcd.io"
        name, namespace = labels.get(f"{group}/name"), labels.get(f"{group}/namespace")
        if annotations.get(f"{group}/reconcile") == "disabled" or annotations.get(f"{group}/ssa") == "Ignore":
            continue
        if name:
            where = f" -n {namespace}" if namespace else ""
            shown = f"{namespace}/{name}" if namespace else name
            return Owner(f"the Flux {kind} {shown}", f"suspend it (flux suspend {kind.lower()} {name}{where})")
        if f"{controller}-controller" in managers:
            return Owner(f"a Flux {kind}", f"suspend it (flux suspend {kind.lower()} NAME)")
    return None


def _helm(labels: Mapping[str, str], annotations: Mapping[str, str], managers: set[str]) -> Owner | None:
    name, namespace = (annotations.get(key) for key in _RELEASE)
    if not name and labels.get("app.kubernetes.io/managed-by") != "Helm" and "helm" not in managers:
        return None
    release = "/".join(part for part in (namespace, name) if part)
    return Owner(f"the Helm release {release}" if name else "a Helm release", "set the run with the next helm upgrade")
