"""The runbook's steps: `make ml-features ml-train ml-eval ml-status ml-thresholds ml-canary ml-smoke`.

Each step uses the programs that a user would. Requests go to the server at --url, or to one that is started for the
step with the latest run of the registry. Without --data, synthetic transactions are generated.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from serin_demo.commands import BIN, CommandError, run
from serin_localcluster.controlplane import free_port
from serin_training.synthetic.generator import generate

FOLDER: Final = Path(".ml")
_START_SECONDS: Final = 60.0
_USERS: Final = 2000
_SEVERAL: Final = 200
_BATCH: Final = 100
_METRICS: Final = (
    "lm_ml_predictions_total",
    "lm_ml_fallback_total",
    "lm_ml_predict_latency_seconds",
    "lm_suggest_compare_total",
    "lm_ml_predict_requests_total",
    "lm_suggest_source_total",
)


@dataclass(frozen=True, slots=True)
class Runbook:
    """The steps, for one data set and one registry."""

    data: Path | None
    registry: Path
    url: str | None
    token: str

    @property
    def features(self) -> Path:
        """The directory of cached features."""
        return FOLDER / "features"

    def source(self) -> Path:
        """Return the given data set, or a synthetic one that is generated once."""
        if self.data is not None:
            return self.data
        made = FOLDER / "transactions.csv"
        if not made.exists():
            FOLDER.mkdir(exist_ok=True)
            run(["serin", "generate", "--rows", "20000", "--out", str(made)])
        return made

    def build(self) -> None:
        """Build the features of new or changed transactions."""
        _show(["serin", "features", "--data", str(self.source()), "--out", str(self.features)])

    def train(self) -> None:
        """Train a run and publish it in the registry."""
        self.build()
        _show(["serin", "train", "--data", str(self.features), "--registry", str(self.registry)])

    def evaluate(self) -> None:
        """Train and evaluate without publishing."""
        self.build()
        _show(["serin", "train", "--data", str(self.features)])

    @contextmanager
    def client(self) -> Iterator[httpx.Client]:
        """Yield a client of the server at --url, or of one that runs until the end of the step."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        if self.url is not None:
            with httpx.Client(base_url=self.url, headers=headers, timeout=10) as client:
                yield client
            return
        if not (self.registry / "ledger_suggestions" / "latest").exists():
            raise CommandError(f"{self.registry}: no run yet; run `make ml-train`, or name a server with URL=")
        rules = FOLDER / "rules.yaml"
        FOLDER.mkdir(exist_ok=True)
        run(["serin", "rules", "suggest", "--data", str(self.source()), "--out", str(rules)])
        with _serving(self.registry, rules) as url, httpx.Client(base_url=url, headers=headers, timeout=10) as client:
            yield client

    def status(self) -> None:
        """Print the runs that the server has loaded."""
        with self.client() as client:
            _print_line(json.dumps(_get(client, "/ml/status"), indent=2, ensure_ascii=False))

    def thresholds(self) -> None:
        """Print the confidence threshold of each class."""
        with self.client() as client:
            _print_line(json.dumps(_get(client, "/ml/thresholds"), indent=2, ensure_ascii=False))

    def canary(self) -> None:
        """Print the share of users that the model serves: configured, and measured with many requests."""
        with self.client() as client:
            configured = _get(client, "/ml/status")["percent"]
            answers = [item["source"] for item in _suggest(client, _USERS)]
            share = answers.count("model") / len(answers)
            _print_line(f"configured: {configured:g} % of users; served by the model: {share:.1%} of {len(answers)}")

    def smoke(self) -> None:
        """Run all steps and print a line for each. Raises CommandError at the first that fails."""
        run(["serin", "features", "--data", str(self.source()), "--out", str(self.features)])
        _print_line("features built")
        report = json.loads(
            run(["serin", "train", "-o", "json", "--data", str(self.features), "--registry", str(self.registry)])
        )
        _require(report["passed_acceptance_gate"], f"acceptance gate not passed: {report['deploy_reason']}")
        _print_line(f"model trained: {report['run_directory']}, macro F1 {report['val_f1_macro']:.3f}")
        with self.client() as client:
            found = _get(client, "/ml/status")
            loaded = [one["run"] for one in found["runs"] if one["state"] == "loaded"]
            _require(loaded, f"the server has no run loaded: {found['runs']}")
            _print_line(f"status checked: {', '.join(loaded)} loaded")
            needed = _get(client, "/ml/thresholds")
            named = [side for side in (needed["stable"], needed["candidate"]) if side]
            classes: dict[str, float] = named[0]["classes"] if named else {}
            _require(classes, "no class has a threshold")
            _print_line(f"thresholds verified: {len(classes)} classes")
            answered = [item for item in _suggest(client, _SEVERAL) if item["candidates"]]
            _require(answered, "no transaction got a suggestion")
            _print_line(f"prediction successful: {len(answered)} of {_SEVERAL} answered")
            exposed = client.get("/metrics").text
            missing = [name for name in _METRICS if f"{name.removesuffix('_total')}" not in exposed]
            _require(not missing, f"metrics missing: {', '.join(missing)}")
            _print_line(f"metrics present: {len(_METRICS)} families")
        _print_line("smoke test PASSED")


def _suggest(client: httpx.Client, many: int) -> list[dict[str, Any]]:
    """Request suggestions for synthetic transactions, each of another user. Raises CommandError."""
    found: list[dict[str, Any]] = []
    names = ("txn_id", "timestamp", "merchant", "description", "channel")
    made = [
        {name: getattr(one, name) for name in names} | {"user_id": f"user-{number}", "amount": float(one.amount)}
        for number, one in enumerate(generate(rows=many, seed=7))
    ]
    for start in range(0, many, _BATCH):
        try:
            answer = client.post("/agent/suggestions", json={"transactions": made[start : start + _BATCH]})
            found += answer.raise_for_status().json()["items"]
        except (httpx.HTTPError, ValueError, KeyError) as error:
            raise CommandError(f"POST {client.base_url}/agent/suggestions: {error}") from None
    return found


@contextmanager
def _serving(registry: Path, rules: Path) -> Iterator[str]:
    """Start a server, yield its address once it is ready, and stop it at the end. Raises CommandError."""
    port = free_port()
    with tempfile.TemporaryFile("w+") as log:
        command = [str(BIN / "serin"), "serve", "--registry", str(registry), "--rules", str(rules), "--store", "none"]
        environment = {"SUGGEST_USE_MODEL_CANARY": "100"} | os.environ
        process = subprocess.Popen(  # noqa: S603 - our own program
            [*command, "--port", str(port)], stdout=log, stderr=log, env=environment
        )
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_until_ready(url, process)
            yield url
        except CommandError as error:
            log.seek(0)
            raise CommandError(f"{error}\n{log.read()[-2000:]}".strip()) from None
        finally:
            process.terminate()
            process.wait(timeout=30)


def _wait_until_ready(url: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{url}/readyz", timeout=2).is_success:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    raise CommandError("the server did not become ready")


def _require(condition: object, message: str) -> None:
    if not condition:
        raise CommandError(message)


def _get(client: httpx.Client, path: str) -> dict[str, Any]:
    try:
        return dict(client.get(path).raise_for_status().json())
    except (httpx.HTTPError, ValueError) as error:
        raise CommandError(f"GET {client.base_url}{path}: {error}") from None


def _show(command: Sequence[str]) -> None:
    """Run a program and let it print its output. Raises CommandError."""
    done = subprocess.run([str(BIN / command[0]), *command[1:]], check=False)  # noqa: S603 - our own program
    if done.returncode:
        raise CommandError(f"{' '.join(command[:2])} failed with {done.returncode}")


def _print_line(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> None:
    """Run one step. The exit status is 0 if it succeeded, else 1 with an error of one line."""
    parser = argparse.ArgumentParser(prog="python -m serin_demo.runbook", description=__doc__)
    steps = {
        "features": Runbook.build,
        "train": Runbook.train,
        "eval": Runbook.evaluate,
        "status": Runbook.status,
        "thresholds": Runbook.thresholds,
        "canary": Runbook.canary,
        "smoke": Runbook.smoke,
    }
    parser.add_argument("step", choices=tuple(steps))
    parser.add_argument("--data", type=Path, help="labelled transactions (default: synthetic ones)")
    parser.add_argument("--registry", type=Path, default=FOLDER / "registry", help="registry (%(default)s)")
    parser.add_argument("--url", help="address of a running server; its token is read from SERIN_TOKEN")
    given = parser.parse_args()
    book = Runbook(given.data, given.registry, given.url, os.environ.get("SERIN_TOKEN", ""))
    try:
        steps[given.step](book)
    except CommandError as error:
        sys.exit(f"{given.step}: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
