"""`retrain --apply` patches no object that Argo CD, Flux or Helm would set back."""

import pytest

from serin_training import kubernetes_client
from serin_training.errors import KubernetesApiError
from serin_training.retraining.targets import Patch

FLUX = {"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}


class Api:
    """The custom objects API with one object."""

    def __init__(self, labels):
        self.live = {"metadata": {"labels": labels}, "spec": {}, "status": {"stable": {"runID": "run_1a2b3c4d_1"}}}
        self.patches = []

    def get_namespaced_custom_object(self, *_names, **_options):
        return self.live

    def patch_namespaced_custom_object(self, *arguments, **_options):
        self.patches.append(arguments[-1])
        return {}


@pytest.fixture
def target(monkeypatch):
    def of(labels):
        api = Api(labels)
        monkeypatch.setattr(kubernetes_client, "require_connection", lambda: api)
        return api, Patch("shop", "categories")

    return of


def test_an_object_without_an_owner_is_patched(target):
    api, patch = target({})
    assert patch.current_run() == "run_1a2b3c4d_1"
    assert patch.propose("run_1a2b3c4d_2", "") == "shop/categories: spec.runID set to run_1a2b3c4d_2"
    assert api.patches == [{"spec": {"runID": "run_1a2b3c4d_2"}}]


def test_the_refusal_names_the_owner_and_both_ways_out_before_anything_is_trained(target):
    api, patch = target(FLUX)
    for attempt in (patch.current_run, lambda: patch.propose("run_1a2b3c4d_2", "")):
        with pytest.raises(KubernetesApiError) as refusal:
            attempt()
        assert str(refusal.value) == (
            "shop/categories is managed by the Flux Kustomization flux-system/apps, which would revert the change; "
            "propose the run in Git instead (--git), or suspend it (flux suspend kustomization apps -n flux-system)"
        )
    assert api.patches == []


@pytest.mark.parametrize("response", [[], "<html>Sign in</html>", None])
def test_what_is_not_an_object_is_not_taken_for_one(target, response):
    api, patch = target({})
    api.live = response
    with pytest.raises(KubernetesApiError, match="what responded is not an API server"):
        patch.current_run()


@pytest.mark.parametrize(
    ("state", "running"),
    [
        ("Loading", "run_1a2b3c4d_2"),
        ("Running", "run_1a2b3c4d_2"),
        ("Stopped", None),
        ("RolledBack", None),
        (None, None),
    ],
)
def test_a_rollout_that_is_running_is_known_before_another_run_would_replace_it(target, state, running):
    api, patch = target({})
    if state is not None:
        api.live["status"]["candidate"] = {"runID": "run_1a2b3c4d_2", "state": state}
    assert patch.running() == running
