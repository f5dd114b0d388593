"""pipeline.joblib: a scikit-learn pipeline with the predictions of the run."""

import json
import subprocess
import sys

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted
from training.retraining.test_retrain import NOW

from serin_core.model import manifest
from serin_core.model.parity import parse_parity
from serin_training.registry.publish import run_files
from serin_training.training import TrainingConfig, train


@pytest.fixture(scope="module")
def trained(few_rows):
    return train(few_rows, TrainingConfig(run_id="run_0123abcd", now=NOW))


@pytest.fixture(scope="module")
def files(trained):
    return run_files(trained)


@pytest.fixture(scope="module")
def path(files, tmp_path_factory):
    found = tmp_path_factory.mktemp("run") / manifest.PIPELINE
    found.write_bytes(files[manifest.PIPELINE])
    return found


@pytest.fixture(scope="module")
def pipeline(path):
    return joblib.load(path)


def test_another_process_predicts_the_parity_rows_bit_for_bit(path, files):
    program = (
        "import json, sys, joblib\n"
        "from sklearn.pipeline import Pipeline\n"
        "from serin_core.model.parity import parse_parity\n"
        "pipeline = joblib.load(sys.argv[1])\n"
        "assert type(pipeline) is Pipeline\n"
        "rows = [row.transaction() for row in parse_parity(sys.stdin.buffer.read())]\n"
        "labels, probabilities = pipeline.predict(rows).tolist(), pipeline.predict_proba(rows)\n"
        "places = [pipeline.classes_.tolist().index(label) for label in labels]\n"
        "print(json.dumps([labels, [float(row[at]) for row, at in zip(probabilities, places)]]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], input=files[manifest.PARITY], capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    labels, confidence = json.loads(done.stdout)
    parity = parse_parity(files[manifest.PARITY])
    assert labels == [row.label for row in parity]
    assert confidence == [row.confidence for row in parity]


def test_it_predicts_what_the_run_predicts(pipeline, trained, few_rows):
    transactions = [row.transaction for row in few_rows[-500:]]
    wanted = trained.pipeline.predictions(trained.pipeline.predict_proba(transactions), [None] * len(transactions))
    labels, probabilities = pipeline.predict(transactions), pipeline.predict_proba(transactions)
    assert labels.tolist() == [label for label, _ in wanted]
    columns = [pipeline.classes_.tolist().index(label) for label in labels]
    assert probabilities[np.arange(500), columns].tolist() == [confidence for _, confidence in wanted]


def test_it_behaves_as_a_classifier(pipeline, trained, few_rows):
    transactions = [row.transaction for row in few_rows[:50]]
    check_is_fitted(pipeline)
    assert isinstance(pipeline, Pipeline)
    assert tuple(pipeline.classes_) == trained.pipeline.classes
    probabilities = pipeline.predict_proba(transactions)
    assert probabilities.shape == (50, len(trained.pipeline.classes))
    assert (probabilities >= 0).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-12)
    assert pipeline.score(transactions, [row.category for row in few_rows[:50]]) > 0.3
    assert len(pipeline[:-1].get_feature_names_out()) == pipeline[:-1].transform(transactions).shape[1]


def test_it_is_cloned_and_fitted_again_without_a_change(pipeline, few_rows):
    transactions, categories = [row.transaction for row in few_rows[:50]], [row.category for row in few_rows[:50]]
    copy = clone(pipeline).fit(transactions[:10], categories[:10])
    assert copy.predict_proba(transactions).tolist() == pipeline.predict_proba(transactions).tolist()
    assert copy.get_params()["classifier__classes"] == pipeline.get_params()["classifier__classes"]


def test_it_takes_mappings_and_data_frames(pipeline, few_rows):
    fields = ("merchant", "description", "amount", "channel", "timestamp")
    records = [{name: getattr(row.transaction, name) for name in fields} for row in few_rows[:20]]
    wanted = pipeline.predict_proba([row.transaction for row in few_rows[:20]]).tolist()
    assert pipeline.predict_proba(records).tolist() == wanted
    assert pipeline.predict_proba(pd.DataFrame(records)).tolist() == wanted
