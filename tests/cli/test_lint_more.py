"""lint with more at hand: expected traffic, the operator's configuration, the run."""

import pytest
import yaml
from typer.testing import CliRunner

from serin_cli import lint

MODEL = {
    "apiVersion": "serin.dev/v1alpha1",
    "kind": "SuggestionModel",
    "metadata": {"name": "categories"},
    "spec": {
        "runID": "run_1a2b3c4d_1767225600",
        "registry": {"volume": {"claimName": "registry"}},
        "thresholds": {"perClass": {"Grocery": 0.6, "Dining": 0.7}},
        "analysis": {"prometheus": "mian"},
        "notifications": ["team-m"],
        "server": {
            "token": {"secretName": "t"},
            "image": "quay.io/else/server:1",
            "pod": {"serviceAccountAnnotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/x"}},
        },
    },
}
CONFIGURATION = {
    "prometheus": {"main": {"url": "http://prometheus:9090"}},
    "notifications": {"team-ml": {}, "audit": {}},
    "server": {
        "image": "ghcr.io/serin-dev/serin-server:1",
        "allowedImagePrefixes": ["ghcr.io/"],
        "allowedServiceAccountAnnotations": ["iam.gke.io/"],
    },
}


@pytest.fixture
def lines(tmp_path):
    def run(*arguments, **spec):
        (tmp_path / "m.yaml").write_text(yaml.safe_dump(MODEL | {"spec": MODEL["spec"] | spec}))
        (tmp_path / "c.yaml").write_text(yaml.safe_dump(CONFIGURATION))
        (tmp_path / "classes.json").write_text('["Dining", "Groceries"]')
        said = CliRunner().invoke(lint.app, ["-f", str(tmp_path / "m.yaml"), *arguments])
        return said.exit_code, [line.split("suggestionmodel/categories: ")[-1] for line in said.stdout.splitlines()]

    return run


def test_names_that_the_configuration_does_not_have_are_errors_with_a_suggestion(lines, tmp_path):
    for option in ("--config", "--operator-config"):
        code, found = lines(option, str(tmp_path / "c.yaml"))
        assert code == 1
        assert [line for line in found if line.startswith("error")] == [
            (
                "error: spec.analysis.prometheus: 'mian' is no Prometheus endpoint of the operator's configuration "
                "(known: main); did you mean main?"
            ),
            (
                "error: spec.notifications[0]: 'team-m' is no destination of notifications of the operator's "
                "configuration (known: audit, team-ml); did you mean team-ml?"
            ),
            "error: spec.server.image: 'quay.io/else/server:1' has none of the prefixes in server.allowedImagePrefixes",
            (
                "error: spec.server.pod.serviceAccountAnnotations.eks.amazonaws.com/role-arn: has none of the prefixes "
                "in server.allowedServiceAccountAnnotations"
            ),
        ]


def test_what_the_configuration_allows_is_no_error(lines, tmp_path):
    server = {"token": {"secretName": "t"}, "image": "ghcr.io/serin-dev/serin-server:1"}
    found = lines(
        "--config",
        str(tmp_path / "c.yaml"),
        analysis={"prometheus": "main"},
        notifications=["audit"],
        server=server,
    )
    assert (found[0], found[1][-1]) == (0, "OK: no problems found")


def test_a_class_that_the_run_does_not_have_is_an_error_with_a_suggestion(lines, tmp_path):
    code, found = lines("--run", str(tmp_path))
    assert code == 1
    assert found[0] == (
        "error: spec.thresholds.perClass.Grocery: the run has no class 'Grocery'; did you mean Groceries?"
    )
    assert not [line for line in found if "Dining" in line]


def test_a_folder_that_is_no_run_is_wrong_usage(tmp_path, lines):
    assert lines("--run", str(tmp_path / "nothing"))[0] == 2
    lines()
    (tmp_path / "classes.json").write_text("7")
    said = CliRunner().invoke(lint.app, ["-f", str(tmp_path / "m.yaml"), "--run", str(tmp_path)])
    assert (said.exit_code, said.stderr.count("\n")) == (2, 1)


def test_the_duration_of_each_stage_is_estimated_for_the_traffic(lines):
    canary = {"shadowSoak": "1h", "steps": [{"percent": 10, "soak": "1h"}, {"percent": 100, "soak": "1h"}]}
    _, found = lines("--requests-per-day", "6000", canary=canary)
    (whole,) = [line for line in found if "with this traffic" in line]
    assert whole.startswith("note: spec.canary: with this traffic a rollout takes at least 1")
    assert ": 1h15m36s in shadow, 12h36m at 10 %, 1h15m36s at 100 %" in whole
    _, again = lines("--requests-per-second", str(6000 / 86_400), canary=canary)
    assert again == found


def test_traffic_is_given_once(lines):
    assert lines("--requests-per-day", "6000", "--requests-per-second", "1")[0] == 2
