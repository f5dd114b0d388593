"""The same training on a Dask cluster: a scheduler and two workers, each a process of its own."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from distributed import Client
from training.conftest import write_csv
from training.retraining.test_retrain import NOW
from typer.testing import CliRunner

from serin_training.commands.main import app
from serin_training.data.reading import read_transactions
from serin_training.engines.dask_cluster import connect
from serin_training.engines.local import LocalEngine
from serin_training.features.words import merge
from serin_training.synthetic.generator import generate
from serin_training.training import TrainingConfig, train

DASK = [str(Path(sys.executable).parent / "dask")]


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory):
    """Start a scheduler and two workers on loopback; end them by their ids."""
    folder = tmp_path_factory.mktemp("dask")
    environment = {**os.environ, "DASK_DISTRIBUTED__SCHEDULER__DASHBOARD__STATUS__TASK_STREAM_LENGTH": "10"}
    started = []

    def start(*arguments):
        process = subprocess.Popen(
            [*DASK, *arguments, "--host", "127.0.0.1"],
            cwd=folder,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    first = start("scheduler", "--port", "0", "--no-dashboard")
    address = next(
        found[0] for line in first.stderr if (found := re.search(r"tcp://127\.0\.0\.1:\d+", line)) is not None
    )
    for _ in range(2):
        start("worker", address, "--nthreads", "1", "--no-dashboard", "--nworkers", "1")
    with Client(address, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=60)
    yield address
    for process in reversed(started):
        process.terminate()
        process.wait(timeout=30)


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    return read_transactions(write_csv(tmp_path_factory.mktemp("rows") / "all.csv", generate(rows=25_000, seed=3)))


def test_workers_count_exactly_what_one_machine_counts(scheduler, rows):
    transactions = [row.transaction for row in rows]
    users = [one.user_id for one in transactions]
    with connect(scheduler) as engine:
        there = merge(engine.extract(transactions, lambda *_: None), users)
    here = merge(LocalEngine().extract(transactions, lambda *_: None), users)
    everything = np.arange(len(rows))
    assert there.words == here.words
    assert (there.users_by_word(everything) == here.users_by_word(everything)).all()
    assert (there.matrix != here.matrix).nnz == 0


def test_a_run_trained_by_workers_is_as_good_as_one_of_one_machine(scheduler, rows):
    here = train(rows, TrainingConfig(run_id="run_0123abcd", now=NOW))
    with connect(scheduler) as engine:
        there = train(rows, TrainingConfig(run_id="run_0123abcd", now=NOW), engine=engine)
    assert there.report.features == here.report.features
    assert abs(there.report.val_f1_macro - here.report.val_f1_macro) <= 0.005


@pytest.mark.parametrize(
    ("options", "complaint", "status"),
    [
        (("--engine", "dask", "--scheduler", "tcp://127.0.0.1:1"), "cannot be reached", 1),
        (("--scheduler", "tcp://127.0.0.1:1"), "only the engine dask has a scheduler", 2),
    ],
)
def test_a_cluster_that_cannot_be_had_is_said_in_one_line(few, monkeypatch, options, complaint, status):
    monkeypatch.setattr("serin_training.engines.dask_cluster._SECONDS", 1)
    result = CliRunner().invoke(app, ["train", "--data", str(few), *options])
    assert result.exit_code == status
    assert complaint in result.stderr
    assert "Traceback" not in result.stderr
