"""Who owns an object: what Argo CD, Flux and Helm write into metadata."""

import pytest

from serin_core.kubernetes.owner import owner_of

TRACKING = "argocd.argoproj.io/tracking-id"


def live(labels=None, annotations=None, manager=None, field="f:spec"):
    metadata = {"namespace": "shop", "name": "categories", "labels": labels or {}, "annotations": annotations or {}}
    if manager:
        entry = {"manager": manager, "operation": "Apply", "fieldsV1": {field: {"f:runID": {}}}}
        metadata["managedFields"] = [entry]
    return {"apiVersion": "serin.dev/v1alpha1", "kind": "SuggestionModel", "metadata": metadata, "spec": {}}


FLUX = {"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}
RELEASED = {"helm.toolkit.fluxcd.io/name": "shop", "helm.toolkit.fluxcd.io/namespace": "apps"}
HELM = {"meta.helm.sh/release-name": "shop", "meta.helm.sh/release-namespace": "apps"}
TRACKED = {TRACKING: "store:serin.dev/SuggestionModel:shop/categories"}

OWNED = {
    "Argo CD, annotation": (live(annotations=TRACKED), "the Argo CD application store", "argocd app set store"),
    "Argo CD, own label": (
        live({"argocd.argoproj.io/instance": "store"}),
        "the Argo CD application store",
        "argocd app set store",
    ),
    "Argo CD, usual label and manager": (
        live({"app.kubernetes.io/instance": "store"}, manager="argocd-controller"),
        "the Argo CD application store",
        "argocd app set store",
    ),
    "Argo CD, manager alone": (
        live(manager="argocd-controller"),
        "an Argo CD application",
        "argocd app set APPLICATION --sync-policy none",
    ),
    "Argo CD, of a chart": (
        live({"app.kubernetes.io/managed-by": "Helm"}, TRACKED),
        "the Argo CD application store",
        "argocd app set store --sync-policy none",
    ),
    "Flux, Kustomization": (
        live(FLUX, manager="kustomize-controller"),
        "the Flux Kustomization flux-system/apps",
        "flux suspend kustomization apps -n flux-system",
    ),
    "Flux, manager alone": (
        live(manager="kustomize-controller"),
        "a Flux Kustomization",
        "flux suspend kustomization NAME",
    ),
    "Flux, HelmRelease": (
        live(RELEASED | {"app.kubernetes.io/managed-by": "Helm"}, HELM, "helm-controller"),
        "the Flux HelmRelease apps/shop",
        "flux suspend helmrelease shop -n apps",
    ),
    "Flux, manager of a HelmRelease alone": (
        live(annotations=HELM, manager="helm-controller"),
        "a Flux HelmRelease",
        "flux suspend helmrelease NAME",
    ),
    "Helm": (
        live({"app.kubernetes.io/managed-by": "Helm"}, HELM, "helm"),
        "the Helm release apps/shop",
        "helm upgrade",
    ),
    "Helm, label alone": (live({"app.kubernetes.io/managed-by": "Helm"}), "a Helm release", "helm upgrade"),
    "Helm, manager alone": (live(manager="helm"), "a Helm release", "helm upgrade"),
}


@pytest.mark.parametrize(("found", "name", "remedy"), OWNED.values(), ids=OWNED)
def test_each_owner_is_recognised_and_named(found, name, remedy):
    owner = owner_of(found)
    assert owner.name == name
    assert remedy in owner.remedy


@pytest.mark.parametrize(
    "found",
    [
        {},
        {"metadata": {"labels": None, "annotations": None, "managedFields": None}},
        live(manager="kubectl-client-side-apply"),
        live({"app.kubernetes.io/instance": "store", "app.kubernetes.io/managed-by": "kustomize"}),
        live(annotations={TRACKING: "store:serin.dev/SuggestionModel:shop/merchants"}),
        live(annotations={TRACKING: "store:apps/Deployment:shop/categories"}),
        live(manager="argocd-controller", field="f:metadata"),
        live(FLUX, {"kustomize.toolkit.fluxcd.io/reconcile": "disabled"}, "kustomize-controller"),
        live(FLUX, {"kustomize.toolkit.fluxcd.io/ssa": "Ignore"}, "kustomize-controller"),
    ],
    ids=[
        "nothing known",
        "metadata without values",
        "kubectl",
        "usual labels without a manager",
        "tracking id of another object",
        "tracking id of another kind",
        "a manager of metadata alone",
        "Flux does not reconcile it",
        "Flux ignores it",
    ],
)
def test_an_object_that_nobody_sets_back_has_no_owner(found):
    assert owner_of(found) is None
