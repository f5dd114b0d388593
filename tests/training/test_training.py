"""Training: from a CSV to a run in a registry."""

import json
import os
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import joblib
import lightgbm
import numpy as np
import pytest
from training.conftest import write_csv

from serin_core.model import manifest as runs
from serin_core.model.acceptance import Limits
from serin_core.model.calibration import IDENTITY, Calibration
from serin_core.model.encoder import Encoder, probabilities
from serin_core.model.manifest import Manifest
from serin_core.model.parity import parse_parity
from serin_core.model.report import Report
from serin_core.model.values import unix_time
from serin_registry.errors import RegistryError
from serin_training.data.reading import read_transactions
from serin_training.data.rows import Window
from serin_training.errors import DataError
from serin_training.registry.directory import DirectoryRegistry
from serin_training.registry.publish import publish, run_files
from serin_training.splits import split_by_time
from serin_training.synthetic.generator import generate
from serin_training.training import TrainingConfig, train

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def config(run_id="run_0123abcd", **changes):
    return TrainingConfig(run_id=run_id, now=NOW, **changes)


def at(path):
    return DirectoryRegistry(path, uri=str(path))


@pytest.fixture(scope="session")
def source(tmp_path_factory):
    return write_csv(tmp_path_factory.mktemp("data") / "transactions.csv", generate(rows=12_000, seed=2))


@pytest.fixture(scope="session")
def rows(source):
    return read_transactions(source)


@pytest.fixture(scope="session")
def trained(rows):
    return train(rows, config())


@pytest.fixture(scope="session")
def directory(trained, tmp_path_factory):
    return Path(publish(trained, at(tmp_path_factory.mktemp("registry"))))


@pytest.fixture(scope="session")
def many(tmp_path_factory):
    rows = read_transactions(write_csv(tmp_path_factory.mktemp("many") / "all.csv", generate(rows=30_000, seed=1)))
    return rows, train(rows, config())


def test_an_honest_model_on_generated_transactions_is_good_but_not_perfect(many):
    _, trained = many
    assert 0.80 < trained.report.val_f1_macro < 0.93
    assert trained.report.passed_acceptance_gate


def test_the_same_rows_and_seed_give_the_same_run(rows, trained):
    again = train(rows, config())
    assert again.pipeline.trees.text == trained.pipeline.trees.text
    assert again.report == trained.report
    assert again.parity == trained.parity


def test_no_row_has_two_jobs_and_the_newest_judge(rows):
    split = split_by_time(rows)
    assert len(split.fit) + len(split.calibrate) + len(split.evaluate) == len(rows)
    assert split.fit[-1].at <= split.calibrate[0].at
    assert split.calibrate[-1].at <= split.evaluate[0].at


def test_more_classes_than_can_be_learned_are_refused(rows):
    many = [replace(rows[at % len(rows)], category=f"c{at % 1001}") for at in range(10 * 1001)]
    with pytest.raises(DataError, match="the training rows have 1,001 categories of 5 rows or more; at most 1,000"):
        split_by_time(many)


def expected_calibration_error(answers, categories):
    """Mean distance, over 15 bins of confidence, between confidence and share of right answers (Guo et al., 2017)."""
    confidence = np.array([confidence for _, confidence in answers])
    right = np.array([label == category for (label, _), category in zip(answers, categories, strict=True)])
    bins = np.minimum((confidence * 15).astype(int), 14)
    return sum(
        abs(confidence[bins == one].mean() - right[bins == one].mean()) * (bins == one).mean() for one in set(bins)
    )


def test_calibration_brings_confidence_nearer_to_how_often_answers_are_right(many):
    rows, trained = many
    judged = split_by_time(rows).evaluate
    transactions, categories = [row.transaction for row in judged], [row.category for row in judged]
    raw = trained.pipeline.predict_proba(transactions)
    uncalibrated = replace(trained.pipeline, calibration=IDENTITY)
    before, after = (
        expected_calibration_error(pipeline.predictions(raw, [row.at for row in judged]), categories)
        for pipeline in (uncalibrated, trained.pipeline)
    )
    assert after < min(before, 0.03)


def test_a_run_whose_calibration_is_worse_than_none_has_none_and_says_so(tmp_path):
    rows = read_transactions(write_csv(tmp_path / "few.csv", generate(rows=2000, seed=5)))
    found = train(rows, config(outside=False))
    assert any(one.startswith("calibration made the calibration error worse (") for one in found.report.warnings)
    assert not found.report.calibration_enabled
    assert found.report.val_calibration_error == found.report.val_calibration_error_uncalibrated
    assert found.evaluated.calibrated == found.evaluated.raw
    files = run_files(found)
    assert json.loads(files[runs.CALIBRATION]) == {}
    assert runs.CALIBRATOR not in files
    assert found.report.aging.rate == 0


def test_confidence_of_newer_rows_is_discounted_by_the_age_of_the_run(many):
    rows, trained = many
    report = trained.report
    assert report.aging.known_to == unix_time(split_by_time(rows).calibrate[-1].at)
    assert report.aging.rate > 0
    raw = trained.pipeline.predict_proba([row.transaction for row in rows[-500:]])
    fresh, discounted = (
        np.array([confidence for _, confidence in trained.pipeline.predictions(raw, times)])
        for times in ([None] * 500, [row.at for row in rows[-500:]])
    )
    sure = fresh > 0.5
    assert (discounted[sure] < fresh[sure]).all()
    assert (discounted[~sure] == fresh[~sure]).all()


def test_a_report_whose_time_cannot_be_read_is_refused(trained):
    damaged = trained.report.model_copy(update={"known_to": "yesterday"}).model_dump_json()
    with pytest.raises(runs.RunError, match=r"meta\.json: .*known_to.*ISO 8601"):
        Report.parse(damaged.encode())


def test_a_name_that_fewer_than_three_users_paid_never_enters_a_run(rows, trained):
    users = {}
    split = split_by_time(rows)
    for row in (*split.fit, *split.calibrate):
        for word in row.transaction.merchant.casefold().split():
            users.setdefault(word, set()).add(row.transaction.user_id)
    rare = {word for word, who in users.items() if len(who) < 3 and word.isalpha()}
    assert len(rare) > 5
    known = {token[2:] for token in trained.pipeline.encoder.places if token.startswith("m:")}
    assert not rare & known


def test_a_run_below_the_gate_is_stored_but_latest_stays(rows, trained, tmp_path):
    publish(trained, at(tmp_path))
    poor = train(rows, config(run_id="run_ffffffff", limits=Limits(f1_macro=0.999)))
    assert not poor.report.deployed
    assert "macro F1" in poor.report.deploy_reason
    publish(poor, at(tmp_path))
    root = tmp_path / runs.RUNS_DIRECTORY
    assert (root / runs.LATEST).readlink().name == trained.name
    assert (root / poor.name / runs.MANIFEST).exists()


def test_a_run_holds_what_serving_needs_and_its_manifest_names_every_file(directory, trained):
    manifest = Manifest.parse((directory / runs.MANIFEST).read_bytes())
    files = {path.name: path.read_bytes() for path in directory.iterdir() if path.name != runs.MANIFEST}
    assert set(files) == set(manifest.files)
    assert set(runs.SERVING) <= set(files)
    runs.verify(manifest, run=directory.name, files=files)
    assert Report.parse(files[runs.REPORT]) == trained.report


def test_what_serving_reads_answers_as_the_pipeline_of_training_bit_for_bit(directory):
    parity = parse_parity((directory / runs.PARITY).read_bytes())
    encoder = Encoder.from_files(
        json.loads((directory / runs.ENCODER).read_text()), (directory / runs.WEIGHTS).read_bytes()
    )
    aging = Report.parse((directory / runs.REPORT).read_bytes()).aging
    calibration = Calibration.from_json(json.loads((directory / runs.CALIBRATION).read_text()), aging)
    classes = runs.parse_classes((directory / runs.CLASSES).read_bytes())
    booster = lightgbm.Booster(model_file=str(directory / runs.MODEL))
    assert len(parity) >= 20
    for row in parity:
        scores, numbers = encoder.scores(row.transaction()), encoder.numbers(row.transaction())
        corrections = booster.predict(np.array([numbers]), raw_score=True)[0]
        assert (tuple(scores.tolist()), tuple(numbers)) == (row.scores, row.numbers)
        assert tuple(corrections.tolist()) == row.corrections
        raw = probabilities(scores, corrections).tolist()
        at = None if row.timestamp is None else unix_time(row.timestamp)
        assert calibration.rank(classes, raw, at=at)[0] == (row.label, row.confidence)


def test_parity_rows_are_nobodys_transactions(directory, rows):
    known = {(row.transaction.merchant, row.transaction.amount) for row in rows}
    for row in parse_parity((directory / runs.PARITY).read_bytes()):
        assert (row.merchant, row.amount) not in known


def test_the_joblib_pipeline_answers_like_any_classifier(directory, rows):
    pipeline = joblib.load(directory / runs.PIPELINE)
    answers = pipeline.predict([row.transaction for row in rows[:5]])
    assert len(answers) == 5


def test_a_run_of_the_same_name_is_never_overwritten(trained, tmp_path):
    publish(trained, at(tmp_path))
    with pytest.raises(RegistryError, match="never overwritten"):
        publish(trained, at(tmp_path))


def test_a_registry_that_cannot_be_written_leaves_nothing_behind(trained, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RegistryError, match="was not stored"):
        publish(trained, at(tmp_path / "file"))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_disc_that_fills_up_leaves_no_half_written_run(trained, tmp_path, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RegistryError, match="No space left on device"):
        publish(trained, at(tmp_path))
    assert list((tmp_path / runs.RUNS_DIRECTORY).iterdir()) == []


def test_a_window_of_time_and_the_newest_rows_can_be_chosen(source, rows):
    middle = rows[6000].at
    since = read_transactions(source, Window(since=middle))
    assert min(row.at for row in since) == middle
    newest = read_transactions(source, Window(limit=700))
    assert [row.transaction for row in newest] == [row.transaction for row in rows[-700:]]


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [(100, "100 labelled rows are too few"), (0, "no row with a category")],
)
def test_too_few_rows_are_refused(tmp_path, rows, complaint):
    with pytest.raises(DataError, match=complaint):
        train(read_transactions(write_csv(tmp_path / "few.csv", generate(rows=rows, seed=2))), config())


def test_generated_transactions_are_the_same_for_the_same_seed_and_look_like_real_ones():
    made = list(generate(rows=5000, seed=9))
    assert made == list(generate(rows=5000, seed=9))
    assert made != list(generate(rows=5000, seed=10))
    assert max(len(one.merchant) for one in made) == 22
    assert any("#" in one.merchant for one in made)
    first, last = ({one.merchant for one in made[part]} for part in (slice(0, 2500), slice(2500, None)))
    assert len(last - first) > 100, "shops that nobody had seen before"
    labels = {}
    for one in made:
        labels.setdefault(one.merchant, Counter())[one.category] += 1
    assert sum(len(counts) > 1 for counts in labels.values()) > 50, "merchants with several categories"
    assert [one.timestamp[:10] for one in made] == sorted(one.timestamp[:10] for one in made)
