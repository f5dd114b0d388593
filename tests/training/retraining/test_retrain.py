"""Drift, the reasons to train again, and proposing a run."""

import json
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from training.conftest import write_csv
from typer.testing import CliRunner

from serin_training.commands.drift import exit_status
from serin_training.commands.main import app
from serin_training.data.reading import read_transactions
from serin_training.data_drift import DriftVerdict, compare
from serin_training.data_profile import profile
from serin_training.drift_text import as_text
from serin_training.errors import GitError
from serin_training.evaluation import predict
from serin_training.html_report.page import render
from serin_training.retraining.git_commit import Commit, set_run
from serin_training.retraining.policy import reasons
from serin_training.synthetic.generator import generate
from serin_training.training import TrainingConfig, train

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    """Return generated rows, the older of which a run is trained on."""
    path = write_csv(tmp_path_factory.mktemp("history") / "all.csv", generate(rows=14_000, seed=4))
    return read_transactions(path)


@pytest.fixture(scope="module")
def trained(history):
    return train(history[:10_000], TrainingConfig(run_id="run_0123abcd", now=NOW))


def drift(trained, rows):
    before = trained.report.profile
    answered = predict(trained.pipeline, rows)
    now = profile(trained.pipeline.encoder, answered, edges=before.edges)
    return compare(trained.report, before, now, answered)


def moved(found):
    return {check.name for check in found.checks if check.has_drifted}


@pytest.mark.parametrize(
    ("verdict", "status"),
    [
        (DriftVerdict.STABLE, 0),
        (DriftVerdict.MOVED, 7),
        (DriftVerdict.WORSE, 7),
        (DriftVerdict.TOO_FEW_ROWS, 8),
    ],
)
def test_each_verdict_has_an_exit_status_that_no_error_has(verdict, status):
    assert exit_status(verdict) == status


def test_rows_like_those_before_are_stable(trained, history):
    assert drift(trained, history[8000:10_000]).verdict is DriftVerdict.STABLE
    assert drift(trained, history[10_000:11_000]).verdict is DriftVerdict.STABLE


def test_labels_that_mean_something_else_are_worse(trained, history):
    turned = [
        replace(row, category="Travel" if row.category == "Groceries" else row.category) for row in history[10_000:]
    ]
    found = drift(trained, turned)
    assert found.verdict is DriftVerdict.WORSE
    assert found.checks[-1].name.startswith("macro F1")


def test_other_amounts_and_new_names_have_moved(trained, history):
    dear = [
        replace(row, transaction=replace(row.transaction, amount=row.transaction.amount * 40))
        for row in history[10_000:]
    ]
    assert "log amount" in moved(drift(trained, dear))
    renamed = [
        replace(row, transaction=replace(row.transaction, merchant=row.transaction.merchant[::-1]))
        for row in history[10_000:]
    ]
    assert "new merchants" in moved(drift(trained, renamed))


def test_a_reason_is_said_for_each_of_the_runbooks_cases(trained, history):
    report, classes = trained.report, trained.pipeline.classes
    newer = history[10_000:]
    assert reasons(report, classes, newer[:900], None, now=NOW) == []
    assert reasons(report, classes, newer[:1001], None, now=NOW) == ["1001 new labels, more than 1000"]
    (month,) = reasons(report, classes, newer[:10], None, now=NOW + timedelta(days=31))
    assert month == "the run is 31 days old, and there are 10 new labels"
    unknown = [replace(row, category="Pets") for row in newer[:30]]
    assert reasons(report, classes, unknown, None, now=NOW) == ["new category Pets: 30 rows"]
    turned = [replace(row, category="Travel") for row in newer[:500]]
    (worse,) = [one for one in reasons(report, classes, turned, drift(trained, turned), now=NOW) if "worse" in one]
    assert "macro F1" in worse


MODELS = """\
# The shop's models.
apiVersion: serin.dev/v1alpha1
kind: SuggestionModel
metadata: {name: categories}
spec:
  runID: run_00000000_1  # since March
  shadow: true
---
apiVersion: serin.dev/v1alpha1
kind: SuggestionModel
metadata: {name: others}
spec:
  runID: run_11111111_1
"""
RUN = "run_abcdef01_2"


def test_only_the_value_changes():
    found = set_run(MODELS, model="categories", run=RUN, where="models.yaml")
    assert found == MODELS.replace("run_00000000_1", RUN)


@pytest.mark.parametrize(
    ("text", "model", "complaint"),
    [
        (MODELS, None, "2 documents are SuggestionModel; exactly one is required"),
        (MODELS, "third", "0 documents are SuggestionModel third"),
        ("a: [", None, "not valid YAML"),
        ("kind: SuggestionModel\nspec: {runID: run_00000000_1}\n", None, "runID occurs 0 times"),
    ],
)
def test_a_file_that_does_not_name_exactly_one_run_is_refused(text, model, complaint):
    with pytest.raises(GitError, match=complaint):
        set_run(text, model=model, run=RUN, where="models.yaml")


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "repository"
    folder.mkdir()

    def git(*arguments):
        done = subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True, text=True)
        return done.stdout.strip()

    git("init", "--quiet", "--initial-branch=main")
    git("config", "user.name", "A Person")
    git("config", "user.email", "person@example.com")
    (folder / "models.yaml").write_text(MODELS)
    git("add", "-A")
    git("commit", "--quiet", "-m", "Models")
    return folder, git


def test_a_run_is_proposed_as_one_commit_on_a_branch_and_the_checkout_stays(repository):
    folder, git = repository
    (folder / "models.yaml").write_text("half an edit of somebody\n")
    commit = Commit(folder, "models.yaml", "categories", push=None).commit(RUN, "categories: roll out")
    assert git("rev-parse", f"serin/{RUN}") == commit
    assert git("show", f"serin/{RUN}:models.yaml") == MODELS.replace("run_00000000_1", RUN).strip()
    assert git("rev-parse", "--abbrev-ref", "HEAD") == "main"
    assert (folder / "models.yaml").read_text() == "half an edit of somebody\n"
    assert len(git("worktree", "list").splitlines()) == 1


def test_a_folder_that_is_no_repository_is_refused(tmp_path):
    with pytest.raises(GitError, match="not a git repository"):
        Commit(tmp_path, "models.yaml", None, push=None).commit(RUN, "message")


def serin(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_retrain_does_nothing_without_a_reason_and_proposes_with_one(tmp_path, repository):
    folder, git = repository
    made = list(generate(rows=9000, seed=6))
    source, registry = tmp_path / "all.csv", tmp_path / "registry"
    write_csv(source, made[:7000])
    assert serin("train", "--data", source, "--registry", registry).exit_code == 0
    idle = serin("retrain", "--data", source, "--registry", registry)
    assert (idle.exit_code, idle.stdout) == (0, "")
    assert "skipped: no new labels since this run" in idle.stderr
    write_csv(source, made)
    found = serin(
        "retrain", "--data", source, "--registry", registry,
        "--git", folder, "--file", "models.yaml", "--model", "categories",
    )  # fmt: skip
    assert found.exit_code == 0, found.stderr
    newest = max(one.timestamp for one in made[:7000])
    newer = sum(one.timestamp > newest for one in made)
    assert f"retraining: {newer} new labels, more than 1000" in found.stderr
    run = found.stdout.strip()
    assert run in git("show", f"serin/{run}:models.yaml")
    assert "on the same 1800 newest rows" in git("log", "-1", "--format=%B", f"serin/{run}")
    page = (registry / "ledger_suggestions" / run / "report.html").read_text()
    assert "Compared with run_" in page
    told = serin("drift", "--run", run, "--data", source, "--registry", registry, "-o", "json")
    assert told.exit_code == 0, told.stderr
    assert json.loads(told.stdout)["verdict"] == "stable"
    few = serin("drift", "--run", run, "--data", source, "--registry", registry, "--limit", 60, "-o", "json")
    verdict = DriftVerdict(json.loads(few.stdout)["verdict"])
    assert verdict is not DriftVerdict.STABLE
    assert few.exit_code == exit_status(verdict)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--apply",), "--apply: name the SuggestionModel with --model"),
        (("--apply", "--model", "m", "--git", ".", "--file", "m.yaml"), "in one place only"),
        (("--git", "."), "--git and --file belong together"),
        (("--push", "origin"), "--push: only a commit can be pushed"),
    ],
)
def test_options_that_contradict_each_other_are_refused(tmp_path, options, complaint):
    result = serin("retrain", "--data", tmp_path / "none.csv", "--registry", tmp_path, *options)
    assert result.exit_code == 2
    assert complaint in result.stderr


def test_a_page_without_examples_holds_no_text_of_a_transaction(few, few_rows, tmp_path):
    page = tmp_path / "page.html"
    assert serin("train", "--data", few, "--page", page, "--no-examples").exit_code == 0
    text = page.read_text()
    assert not [row.transaction.merchant for row in few_rows if f"<code>{row.transaction.merchant}" in text]
    assert serin("train", "--data", few, "--page", page).exit_code == 0
    assert "<code>" in page.read_text()


def test_few_rows_without_drift_are_too_few_to_tell(trained, history):
    found = drift(trained, history[10_000:10_100])
    assert not moved(found) - {"weekday", "hour"}, "three days of rows have few weekdays"
    assert found.verdict in {DriftVerdict.TOO_FEW_ROWS, DriftVerdict.MOVED}
    chosen = history[10_000:11_000:10]
    assert drift(trained, chosen).verdict is DriftVerdict.TOO_FEW_ROWS


def test_the_drift_table_names_what_its_columns_hold(trained, history):
    told = as_text("run_0123abcd_1", drift(trained, history[10_000:11_000])).splitlines()
    assert told[0] == "run_0123abcd_1 on 1000 rows: stable"
    assert told[1].split() == ["CHECK", "REFERENCE", "CURRENT", "P-VALUE", "STATISTIC", "LIMIT"]
    assert any(line.startswith("  predicted class ") and "PSI" in line for line in told)
    assert any(line.startswith("  new merchants ") and "Cohen's h" in line for line in told)


def test_warnings_of_one_kind_are_one_line(few_rows):
    warnings = train(few_rows, TrainingConfig(run_id="run_0123abcd", now=NOW)).report.warnings
    assert len([one for one in warnings if "calibration" in one and "too few rows" in one]) == 1
    assert len([one for one in warnings if "acceptance gate" in one]) <= 1


def test_the_html_report_names_rare_classes_months_and_worse_calibration(few_rows):
    trained = train(few_rows, TrainingConfig(run_id="run_0123abcd", now=NOW))
    worse = trained.report.model_copy(
        update={"val_calibration_error": 0.0547, "val_calibration_error_uncalibrated": 0.0307}
    )
    page = render(replace(trained, report=worse), None, with_examples=False)
    rows = trained.evaluated.scores().rows
    rare = [label for label, count in rows.items() if count < 30]
    assert rare
    assert all(f"{label} ({rows[label]})" in page for label in rare)
    assert "0.0307 before calibration: calibration made it worse" in page
    newest = max(f"{row.at:%Y-%m}" for row in trained.evaluated.rows)
    assert f"n={sum(f'{row.at:%Y-%m}' == newest for row in trained.evaluated.rows)}" in page
    assert "Confusion matrix" in page
