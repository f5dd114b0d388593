"""examples/gitops: three environments that render, pass `serin lint`, and get a run one after the other."""

import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from serin_cli.lint_schema import schema_findings
from serin_core.api.durations import parse_duration
from serin_core.api.spec import SuggestionModelSpec
from serin_demo.commands import run
from serin_training.retraining.git_commit import Commit

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples" / "gitops"
ENVIRONMENTS = ("dev", "staging", "production")
NEW = "run_5e6f7a8b_1767312000"


def render(folder):
    return yaml.safe_load(run(["kubectl", "kustomize", str(folder)]))


def load(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_each_environment_renders_to_a_resource_without_errors(environment):
    found = render(EXAMPLES / "overlays" / environment)
    assert found["metadata"]["namespace"] == f"transactions-{environment}"
    assert found["metadata"]["annotations"] == {"serin.dev/healthy-during-rollout": "true"}
    assert schema_findings(found) == []
    linted = run(["serin", "lint", "-f", "-"], text=yaml.safe_dump(found))
    assert "error" not in linted.lower()


def test_each_environment_takes_longer_than_the_one_before():
    def length(environment):
        canary = SuggestionModelSpec.model_validate(render(EXAMPLES / "overlays" / environment)["spec"]).canary
        return sum((step.soak for step in canary.steps), canary.shadow_soak)

    lengths = [length(one) for one in ENVIRONMENTS]
    assert lengths == sorted(set(lengths))
    assert lengths[-1] == parse_duration("96h")


def test_argo_cd_and_flux_know_the_same_environments():
    applications = load(EXAMPLES / "argocd" / "applicationset.yaml")["spec"]
    elements = applications["generators"][0]["list"]["elements"]
    assert tuple(one["environment"] for one in elements) == ENVIRONMENTS
    path = applications["template"]["spec"]["source"]["path"]
    for environment in ENVIRONMENTS:
        folder = ROOT / path.replace("{{.environment}}", environment)
        assert (folder / "kustomization.yaml").exists()
        assert (ROOT / load(EXAMPLES / "flux" / f"{environment}.yaml")["spec"]["path"]) == folder
    source = load(EXAMPLES / "flux" / "source.yaml")
    assert source["spec"]["url"] == applications["template"]["spec"]["source"]["repoURL"]


def test_a_run_reaches_dev_by_retraining_and_the_others_by_a_copy_in_git(tmp_path):
    repository = tmp_path / "repository"
    shutil.copytree(EXAMPLES, repository / "examples" / "gitops")

    def git(*arguments):
        identity = ["-c", "user.name=tests", "-c", "user.email=tests@example.com"]
        return subprocess.run(
            ["git", *identity, *arguments], cwd=repository, check=True, capture_output=True, text=True
        )

    def runs():
        rendered = [render(repository / "examples" / "gitops" / "overlays" / one) for one in ENVIRONMENTS]
        return [one["spec"]["runID"] for one in rendered]

    git("init", "-q", "-b", "main")
    git("config", "user.name", "tests")
    git("config", "user.email", "tests@example.com")
    git("add", "--all")
    git("commit", "-q", "-m", "Start")
    old = runs()[0]
    Commit(repository, Path("examples/gitops/overlays/dev/run.yaml"), "categories", None).propose(NEW, "new labels")
    git("merge", "-q", f"serin/{NEW}")
    assert runs() == [NEW, old, old]
    # The commands of docs/gitops.md.
    for source, target in pairwise(ENVIRONMENTS):
        shutil.copy(*(repository / "examples/gitops/overlays" / one / "run.yaml" for one in (source, target)))
        git("commit", "-q", "-a", "-m", f"Promote the run of {source} to {target}")
    assert runs() == [NEW, NEW, NEW]
    git("revert", "--no-edit", "HEAD")
    assert runs() == [NEW, NEW, old]


def test_argo_cd_gets_health_check_and_actions_with_one_command():
    found = render(ROOT / "manifests" / "argocd")
    assert (found["kind"], found["metadata"]["name"], found["metadata"]["namespace"]) == (
        "ConfigMap",
        "argocd-cm",
        "argocd",
    )
    key = "resource.customizations.{}.serin.dev_SuggestionModel"
    assert found["data"][key.format("health")] == (ROOT / "manifests/argocd/health.lua").read_text(encoding="utf-8")
    actions = yaml.safe_load(found["data"][key.format("actions")])
    assert {"discovery.lua", "definitions"} == set(actions)
