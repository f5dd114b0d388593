"""Each alert fires when it should, with promtool; it has a runbook, and a command that exists."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml
from monitoring.alert_cases import CASES

from serin_cli.catalog import SECTIONS
from serin_localcluster.build import FOLDER, build
from serin_monitoring.alerts import RUNBOOKS, every
from serin_monitoring.files import MANIFESTS, files

ROOT = Path(__file__).parents[2]
RULES = MANIFESTS / "alerts" / "rules.yaml"
RUNBOOK = (ROOT / "docs" / "runbooks.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def promtool():
    return build(["promtool"])["promtool"][0]


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=False)


def written():
    """Return the rules of the committed file by the names of their alerts."""
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def test_the_generated_files_are_those_of_the_generator():
    for path, contents in files().items():
        assert path.read_text(encoding="utf-8") == contents, f"{path.name}: run `make monitoring`"


def expected(case):
    """Return the alert of a case as promtool compares it: labels, and annotations as texts."""
    if case.labels is None:
        return []
    rule = written()[case.alert]
    model = case.named.get("serin_model", "/").split("/")
    names = {"namespace": model[0], "name": model[1]} if case.named else {}
    labels = case.labels | case.named | names | rule["labels"]

    def filled(text):
        text = re.sub(r"\{\{ \$labels\.(\w+) \}\}", lambda found: labels[found[1]], text)
        return re.sub(r"\{\{ \$value[^}]*\}\}", case.value or "no value is given", text)

    annotations = {key: filled(text) for key, text in rule["annotations"].items()}
    return [{"exp_labels": labels, "exp_annotations": annotations}]


def test_each_alert_fires_when_it_should_and_only_then(promtool, tmp_path):
    groups = [
        {
            "name": f"{case.alert} {number}",
            "interval": "1m",
            "input_series": [{"series": name, "values": values} for name, values in case.series.items()],
            "alert_rule_test": [
                {"eval_time": f"{case.minutes}m", "alertname": case.alert, "exp_alerts": expected(case)}
            ],
        }
        for number, case in enumerate(CASES)
    ]
    file = tmp_path / "cases.yaml"
    file.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": groups}))
    done = run(promtool, "test", "rules", str(file))
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_cases_in_which_it_fires_and_in_which_it_does_not():
    for alert in every():
        fires = {case.labels is not None for case in CASES if case.alert == alert.name}
        assert fires == {True, False}, alert.name


def test_promtool_finds_no_mistake_in_the_rules(promtool):
    done = run(promtool, "check", "rules", "--lint=all", "--lint-fatal", str(RULES))
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_is_that_of_the_prometheus_of_the_tests():
    versions = {
        re.search(r"prometheus/prometheus (v[0-9.]+)", (folder / "go.mod").read_text())[1]
        for folder in (FOLDER, FOLDER / "promtool")
    }
    assert len(versions) == 1


def test_every_alert_has_a_section_of_the_runbook_and_none_is_left_over():
    sections = re.findall(r"^## (Serin\w+)$", RUNBOOK, re.MULTILINE)
    assert sections == [alert.name for alert in every()]
    for section in RUNBOOK.split("\n## Serin")[1:]:
        labels = re.findall(r"^\*\*(\w+)\.\*\*", section, re.MULTILINE)
        assert labels == ["Meaning", "Check", "Action"], section[:40]
    urls = [rule["annotations"]["runbook_url"] for rule in written().values()]
    assert urls == [f"{RUNBOOKS}#{alert.name.lower()}" for alert in every()]


def test_the_page_lists_every_alert_with_its_severity():
    page = (ROOT / "docs" / "monitoring.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| \[(\w+)\]\(runbooks\.md#(\w+)\) \| (\w+) \|", page, re.MULTILINE)
    assert listed == [(alert.name, alert.name.lower(), alert.severity) for alert in every()]
    assert f"{len(listed)} alerts are shipped" in page


def test_commands_of_alerts_and_runbooks_exist():
    commands = {name for section in SECTIONS.values() for name in section}
    texts = [RUNBOOK, RULES.read_text(encoding="utf-8")]
    used = {name for text in texts for name in re.findall(r"kubectl serin ([a-z-]+)", text)}
    assert used
    assert used <= commands
    for alert in every():
        assert alert.command.startswith("kubectl ")


def test_every_metric_of_an_alert_is_documented():
    page = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    used = {
        name
        for rule in written().values()
        for name in re.findall(r"\b((?:serin|lm)_\w+)(?=[{\[)])", rule["expr"])
        if not name.startswith(("serin_model", "serin_run"))
    }
    assert len(used) > 10
    assert [name for name in used if f"`{name}`" not in page] == []
