"""Programs run without what their image leaves out: tests are run again, with imports of it refused."""

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import lightgbm
import numpy as np
import pytest
from dashboard.process import fake_cluster, running

ROOT = Path(__file__).parents[2]
IN_THE_IMAGE = {"PYTHONPATH": str(Path(__file__).parent / "pruned")}
A_POD = "test_a_pod_answers_and_says_what_it_serves"
TREES = """
import json, sys
from pathlib import Path
from serin_server.runs.lightgbm_predictor import FastTrees
trees = FastTrees(Path(sys.argv[1]).read_text(), classes=3, numbers=5)
print(json.dumps([list(trees.corrections(row)) for row in json.loads(sys.argv[2])]))
"""


def run(image, *command, timeout=300):
    environment = os.environ | IN_THE_IMAGE | {"SERIN_PRUNED": image}
    environment.pop("PYTEST_XDIST_WORKER", None)
    return subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
    )


@pytest.mark.parametrize(
    ("image", "module"),
    [
        ("operator", "kubernetes.aio.client.models.v1_pod"),
        ("operator", "kubernetes.client.api.core_v1_api"),
        ("server", "scipy"),
        ("server", "numpy.random"),
        ("server", "lightgbm"),
        ("training", "kubernetes.aio"),
        ("training", "sklearn.tests"),
        ("dashboard", "kubernetes.client.api.apps_v1_api"),
        ("dashboard", "kubernetes.client.models.v1beta1_allocated_device_status"),
        ("dashboard", "aiohttp"),
        ("dashboard", "rich"),
    ],
)
def test_what_is_left_out_cannot_be_imported(image, module):
    done = run(image, "-c", f"import {module}")
    assert "is not in the image" in done.stderr


@pytest.mark.parametrize(
    ("image", "tests"),
    [
        ("operator", ["test_kubernetes_client.py", "test_prometheus_client.py", "test_startup.py", "test_watch.py"]),
        (
            "server",
            [f"test_process.py::{A_POD}", "runs/test_loader.py", "http/test_routes.py", "http/test_operations.py"],
        ),
        ("training", ["retraining", "commands/test_runs.py"]),
        ("cli", ["test_kubernetes_client.py", "test_main.py"]),
    ],
)
def test_tests_of_a_program_pass_without_what_its_image_leaves_out(image, tests):
    paths = [f"tests/{image}/{test}" for test in tests]
    done = run("training" if image == "cli" else image, "-m", "pytest", "-q", "-p", "no:cacheprovider", *paths)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_dashboard_shows_its_pages_without_what_its_image_leaves_out(tmp_path):
    pruned = IN_THE_IMAGE | {"SERIN_PRUNED": "dashboard"}
    with (
        fake_cluster(tmp_path) as kubeconfig,
        running(kubeconfig, "--namespace", "shop", **pruned) as (_, address),
        httpx.Client(base_url=address, timeout=60) as client,
    ):
        with client.stream("GET", "/events") as events:
            next(line for line in events.iter_lines() if line.startswith("event: changed"))
        assert "categories" in client.get("/").text
        page = client.get("/models/shop/categories").text
        assert "cannot be read" not in page
        assert "c-1" in page
        assert "reading it needs the right to get pods/proxy" in page
        assert client.get("/static/style.css").status_code == 200


def test_trees_give_the_same_results_without_scipy(tmp_path):
    chance = np.random.default_rng(0)
    rows, labels = chance.normal(size=(600, 5)), chance.integers(3, size=600)
    parameters = {"objective": "multiclass", "num_class": 3, "verbose": -1, "num_threads": 1}
    booster = lightgbm.train(parameters, lightgbm.Dataset(rows, labels), 12)
    (tmp_path / "trees").write_text(booster.model_to_string())
    asked = rows[:20].tolist()
    done = run("server", "-c", TREES, str(tmp_path / "trees"), json.dumps(asked))
    assert done.returncode == 0, done.stderr
    assert np.array_equal(np.array(json.loads(done.stdout)), booster.predict(np.array(asked), raw_score=True))
