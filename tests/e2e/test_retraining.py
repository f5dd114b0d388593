"""Retraining sets its run on a real API server, and never competes with the tool that owns the object."""

import shutil

import pytest

from serin_demo.commands import CommandError, run

pytestmark = pytest.mark.cluster


def test_retrain_sets_its_run_in_the_object_but_not_in_one_that_argo_cd_owns(rollout, registry, tmp_path):
    rollout.apply(registry.good)
    rollout.wait_for_stage(0)
    runs = tmp_path / "runs"
    shutil.copytree(registry.path, runs, symlinks=True)
    command = ["serin", "retrain", "--data", str(registry.path.parent / "good.csv"), "--registry", str(runs), "--force"]
    command += ["--run", registry.outdated, "--model", rollout.name, "-n", rollout.namespace, "--apply"]
    environment = {"KUBECONFIG": str(rollout.cluster.kubeconfig)}
    proposed = run(command, environment=environment).strip()
    assert rollout.get()["spec"]["runID"] == proposed
    assert (runs / "ledger_suggestions" / proposed / "manifest.json").exists()
    assert rollout.get()["metadata"]["annotations"]["owner"] == "a user"

    tracking = f"argocd.argoproj.io/tracking-id=shop:serin.dev/SuggestionModel:{rollout.namespace}/{rollout.name}"
    rollout.kubectl("annotate", "sgm", rollout.name, tracking)
    before = len(list((runs / "ledger_suggestions").iterdir()))
    with pytest.raises(CommandError, match="the Argo CD application shop"):
        run(command, environment=environment)
    assert len(list((runs / "ledger_suggestions").iterdir())) == before, "nothing was trained in vain"
    assert rollout.get()["spec"]["runID"] == proposed
