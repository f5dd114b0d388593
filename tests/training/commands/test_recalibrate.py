"""serin recalibrate: as a shell sees it, and as a server reads the run that it stores."""

import csv
import json
from datetime import datetime

import pytest
from training.conftest import write_csv
from typer.testing import CliRunner

from serin_core.contract.documents import LoadedRun
from serin_core.contract.routing import is_confident
from serin_core.gates.evaluation import expected_low_confidence
from serin_server.runs.loader import RegistryReader
from serin_training.commands.main import app
from serin_training.data.reading import read_transactions
from serin_training.synthetic.generator import generate

FIRST = 4000
THRESHOLD = 0.7


def serin(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def history():
    """Return generated transactions, oldest first; a run is trained on the first of them."""
    return sorted(generate(rows=FIRST + 3000, seed=4), key=lambda one: one.timestamp)


@pytest.fixture(scope="module")
def trained(history, tmp_path_factory):
    """Return the registry with one run, its name, and newer transactions, every fifth of them with a wrong label."""
    folder = tmp_path_factory.mktemp("recalibrate")
    source = write_csv(folder / "old.csv", history[:FIRST])
    assert serin("train", "--data", source, "--registry", folder / "registry").exit_code == 0
    run = (folder / "registry" / "ledger_suggestions" / "latest").resolve().name
    newer = write_csv(folder / "new.csv", history[FIRST:])
    rows = list(csv.DictReader(newer.open()))
    for number, row in enumerate(rows):
        row["category"] = "Travel" if number % 5 == 0 else row["category"]
    with newer.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return folder / "registry", run, newer


@pytest.fixture(scope="module")
def recalibrated(trained):
    registry, run, newer = trained
    result = serin("recalibrate", "--data", newer, "--registry", registry, "--run", run)
    assert result.exit_code == 0, result.stderr
    return result.stdout.strip(), result.stderr


def report_of(registry, run):
    return json.loads((registry / "ledger_suggestions" / run / "meta.json").read_text())


def test_it_stores_a_run_of_its_own_and_moves_latest(trained, recalibrated):
    registry, run, _ = trained
    name, notes = recalibrated
    assert name != run
    assert (registry / "ledger_suggestions" / "latest").resolve().name == name
    report = report_of(registry, name)
    found = report["recalibration"]
    assert found["of"] == run
    assert found["labels"] > 2000
    assert found["confidence_before"] > found["confidence_after"] + 0.05
    assert abs(found["confidence_after"] - found["right"]) < (found["confidence_before"] - found["right"]) / 2
    assert report["created_at"] == report_of(registry, run)["created_at"]
    assert f"recalibrated from {run} by {found['labels']} labels" in notes
    assert f"next: kubectl serin set-run NAME {name}" in notes
    shown = serin("runs", "show", name, "--registry", registry)
    assert f"recalibrated from {run}" in shown.stdout
    assert serin("runs", "verify", name, "--registry", registry).exit_code == 0


def test_a_server_reads_it_and_is_less_sure_of_the_same_predictions(trained, recalibrated):
    registry, run, newer = trained
    before, after = (RegistryReader(str(registry))(LoadedRun(run=one)) for one in (run, recalibrated[0]))
    assert before.recalibration is None
    assert after.recalibration.of == run
    transactions = [row.transaction for row in read_transactions(newer)][:300]
    was, now = ([one.predict(each, calibrated=True).first for each in transactions] for one in (before, after))
    assert [one.label for one in was] == [one.label for one in now]
    assert sum(one.confidence for one in now) < sum(one.confidence for one in was) - 300 * 0.05


def test_its_report_states_the_share_of_low_confidence_that_its_trial_will_show(trained, recalibrated):
    registry, _, newer = trained
    run = RegistryReader(str(registry))(LoadedRun(run=recalibrated[0]))
    rows = read_transactions(newer)[-1000:]
    now = rows[-1].at.timestamp()
    found = [run.predict(row.transaction, calibrated=True, now=now).first for row in rows]
    thresholds = type("Fixed", (), {"of": staticmethod(lambda _: THRESHOLD)})
    low = sum(not is_confident(one.label, one.confidence, thresholds) for one in found) / len(found)
    assert expected_low_confidence(run.quality, {}, THRESHOLD) == pytest.approx(low, abs=0.05)


def test_the_same_labels_change_a_recalibrated_run_no_further(trained, recalibrated):
    registry, _, newer = trained
    runs = len(list((registry / "ledger_suggestions").iterdir()))
    result = serin("recalibrate", "--data", newer, "--registry", registry, "--run", recalibrated[0])
    assert result.exit_code == 0
    assert "skipped" in result.stderr
    assert "would change the mean confidence by 0.000" in result.stderr
    assert len(list((registry / "ledger_suggestions").iterdir())) == runs


def test_a_dry_run_stores_nothing(trained, recalibrated):
    registry, run, newer = trained
    runs = len(list((registry / "ledger_suggestions").iterdir()))
    result = serin("recalibrate", "--data", newer, "--registry", registry, "--run", run, "--dry-run")
    assert "mean confidence" in result.stderr
    assert result.stdout == ""
    assert len(list((registry / "ledger_suggestions").iterdir())) == runs


def test_rows_that_the_run_has_learned_from_do_not_count(trained, history, tmp_path):
    registry, run, _ = trained
    known = datetime.fromisoformat(report_of(registry, run)["known_to"])
    old = [one for one in history if datetime.fromisoformat(one.timestamp).astimezone(known.tzinfo) <= known]
    source = write_csv(tmp_path / "old.csv", old)
    result = serin("recalibrate", "--data", source, "--registry", registry, "--run", run)
    assert result.exit_code == 0
    assert "skipped: 0 of 0 labels" in result.stderr
