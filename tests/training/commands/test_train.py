"""serin train, serin rules suggest, serin generate: as a shell sees them."""

import gzip
import json

import pytest
import yaml
from typer.testing import CliRunner

from serin_core.model.keyword_rules import Rules
from serin_training.commands.main import app

HEADER = "txn_id,user_id,timestamp,merchant,description,amount,channel,category\n"


def serin(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="session")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("generated") / "transactions.csv"
    assert serin("generate", "--rows", 4000, "--out", path).exit_code == 0
    return path


def test_train_prints_the_report_on_stdout_alone_and_moves_latest(source, tmp_path):
    result = serin("train", "--data", source, "--registry", tmp_path, "-o", "json")
    assert result.exit_code == 0
    report = json.loads(result.stdout)
    assert report["deployed"] is True
    assert (tmp_path / "ledger_suggestions" / "latest").resolve().name == report["run_directory"]
    assert "macro F1" in result.stderr


def test_the_summary_is_what_runs_show_prints(source, tmp_path):
    result = serin("train", "--data", source, "--registry", tmp_path)
    assert result.exit_code == 0
    shown = serin("runs", "show", "latest", "--registry", tmp_path).stdout.splitlines()
    assert [line for line in shown if not line.startswith("  digest ")] == result.stdout.splitlines()
    assert "at the default threshold 0.7, " in result.stdout
    assert "more labels" in result.stdout
    header = next(line.split() for line in shown if line.split()[:2] == ["CLASS", "F1"])
    assert header == ["CLASS", "F1", "95", "%", "ROWS", "LABELS", "TWICE", "THE", "LABELS"]


def test_a_run_held_back_by_the_gate_is_an_answer_not_an_error(source, tmp_path, monkeypatch):
    monkeypatch.setenv("ML_DEPLOY_THRESHOLD_F1", "0.999")
    result = serin("train", "--data", source, "--registry", tmp_path, "-o", "json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["deployed"] is False
    assert result.stderr.splitlines()[-1] == "next: serin data suggest-labels --data DATA"
    assert not (tmp_path / "ledger_suggestions" / "latest").exists()


def test_train_without_a_registry_stores_nothing(source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = serin("train", "--data", source, "-o", "json")
    assert json.loads(result.stdout)["deployed"] is False
    assert list(tmp_path.iterdir()) == []


def test_a_gzip_file_is_read_too(source, tmp_path):
    packed = tmp_path / "transactions.csv.gz"
    packed.write_bytes(gzip.compress(source.read_bytes()))
    assert serin("train", "--data", packed).exit_code == 0


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "the file is empty; give a CSV file with the columns txn_id, user_id"),
        (
            b"txn_id,user_id,timestamp,merchant,description,amount,channel\n",
            "missing column category; required are",
        ),
        (HEADER.encode("utf-16"), "byte 0xff near line 1 is not UTF-8; save the file as UTF-8"),
        (f"{HEADER}1,u,2026-01-01,Café,,1,pos,Dining\n".encode("latin-1"), "is not UTF-8"),
        (f"{HEADER}1,u,2026-01-01,Cafe,,abc,pos,Dining\n".encode(), "line 2: amount 'abc' is not a number"),
        (f"{HEADER}1,u,yesterday,Cafe,,1,pos,Dining\n".encode(), "line 2: timestamp 'yesterday' is not a time"),
        (f"{HEADER}1,u,2026-01-01,Cafe, with comma,,1,pos,Dining\n".encode(), "not as many fields as in the header"),
        (
            f"{HEADER}1,u,2026-01-01,A,,1,pos,X\n1,u,2026-01-01,A,,1,pos,X\n".encode(),
            "line 3: duplicate txn_id, first seen on line 2",
        ),
        (f"{HEADER}1,u,2026-01-01,A,,1,pos,\n".encode(), "no row with a category"),
        (b"\x1f\x8bnonsense", "gzip file is damaged"),
        (f"{HEADER}1,u,2026-01-01,A,,1,pos,X\n".encode(), "labelled rows are too few"),
    ],
    ids=[
        "empty file",
        "missing column",
        "utf-16",
        "latin-1",
        "amount",
        "time",
        "comma",
        "same id twice",
        "no category",
        "gzip",
        "too few",
    ],
)
@pytest.mark.parametrize("command", [("train", "--registry"), ("rules", "suggest", "--out")], ids=["train", "rules"])
def test_a_file_that_cannot_be_used_is_refused_in_one_line_with_exit_2_and_nothing_written(
    tmp_path, command, content, complaint
):
    source, target = tmp_path / "given.csv", tmp_path / "target"
    source.write_bytes(content)
    result = serin(*command[:-1], "--data", source, command[-1], target)
    if "too few" in complaint and command[0] == "rules":
        complaint = "no merchant has at least"
    assert result.exit_code == 2
    assert complaint in result.stderr
    assert "Traceback" not in result.stderr
    assert len(result.stderr.strip().splitlines()) <= 2
    assert result.stdout == ""
    assert not target.exists()


def test_a_file_that_is_not_there_is_refused(tmp_path):
    result = serin("train", "--data", tmp_path / "nowhere.csv")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "No such file" in result.stderr


@pytest.mark.parametrize("value", ["high", "1.5", "-1"])
def test_a_limit_that_is_no_share_is_refused(source, monkeypatch, value):
    monkeypatch.setenv("ML_DEPLOY_THRESHOLD_F1_MIN", value)
    result = serin("train", "--data", source)
    assert result.exit_code == 2
    assert f"ML_DEPLOY_THRESHOLD_F1_MIN is '{value}'" in result.stderr


def test_suggested_rules_are_read_again_and_are_nearly_always_right(source, tmp_path):
    out = tmp_path / "rules.yaml"
    result = serin("rules", "suggest", "--data", source, "--out", out)
    assert result.exit_code == 0
    rules = Rules.parse(yaml.safe_load(out.read_text()))
    assert len(rules.classes) > 3
    assert "% are right" in result.stderr


def test_generate_writes_to_stdout_without_a_file():
    result = serin("generate", "--rows", 3)
    assert result.stdout.startswith(HEADER)
    assert len(result.stdout.splitlines()) == 4


def test_a_run_is_signed_with_the_key_that_is_named_and_the_key_is_looked_at_first(source, tmp_path):
    assert serin("runs", "keygen", "--out", tmp_path / "keys").exit_code == 0
    given = ("--data", source, "--limit", 2000, "--registry", tmp_path, "-o", "json")
    result = serin("train", *given, "--sign", tmp_path / "keys" / "signing.key")
    assert result.exit_code == 0, result.stderr
    run = json.loads(result.stdout)["run_directory"]
    verified = serin("runs", "verify", run, "--registry", tmp_path, "--key", tmp_path / "keys" / "signing.pub")
    assert verified.exit_code == 0, verified.stderr
    refused = serin("train", "--data", source, "--registry", tmp_path, "--sign", tmp_path / "keys" / "signing.pub")
    assert refused.exit_code == 2
    assert "rows" not in refused.stderr, "nothing was trained in vain"


def test_the_result_names_the_run_as_spec_run_id_takes_it_and_the_next_command(source, tmp_path):
    result = serin("train", "--data", source, "--registry", tmp_path, "-o", "json")
    report = json.loads(result.stdout)
    run = report["run_directory"]
    assert report["run_id"] == run
    stored = json.loads((tmp_path / "ledger_suggestions" / run / "meta.json").read_text())
    assert run.startswith(f"{stored['run_id']}_")
    summary, following = result.stderr.splitlines()[-2:]
    assert summary.startswith(f"{run}: macro F1 {report['val_f1_macro']:.3f}, worst class {report['val_f1_min']:.3f} (")
    assert following == f"next: kubectl serin set-run NAME {run}"
    shown = serin("runs", "show", run.rpartition("_")[0], "--registry", tmp_path)
    assert shown.stdout.splitlines()[0] == run
    assert json.loads(serin("runs", "show", run, "--registry", tmp_path, "-o", "json").stdout)["run_id"] == run


def test_no_next_command_for_a_run_that_is_not_stored(source):
    assert "next:" not in serin("train", "--data", source, "--limit", 2000).stderr


@pytest.mark.parametrize(
    ("value", "options", "is_calibrated"),
    [
        (None, (), True),
        ("true", (), True),
        ("false", (), False),
        ("0", (), False),
        ("false", ("--calibrate",), True),
        ("true", ("--no-calibrate",), False),
    ],
)
def test_ml_calibration_enabled_works_in_training(few, tmp_path, monkeypatch, *, value, options, is_calibrated):
    if value is not None:
        monkeypatch.setenv("ML_CALIBRATION_ENABLED", value)
    result = serin("train", "--data", few, "--registry", tmp_path, "-o", "json", *options)
    assert result.exit_code == 0, result.stderr
    run = json.loads(result.stdout)["run_directory"]
    folder = tmp_path / "ledger_suggestions" / run
    assert json.loads((folder / "meta.json").read_text())["calibration_enabled"] is is_calibrated
    assert (json.loads((folder / "calibration.json").read_text()) != {}) is is_calibrated
    assert (folder / "calibrator.pkl").exists() is is_calibrated


def test_a_value_of_ml_calibration_enabled_that_is_neither_true_nor_false_is_refused(few, monkeypatch):
    monkeypatch.setenv("ML_CALIBRATION_ENABLED", "perhaps")
    result = serin("train", "--data", few)
    assert result.exit_code == 2
    assert "ML_CALIBRATION_ENABLED" in result.stderr
    assert result.stdout == ""
