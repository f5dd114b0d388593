"""The runbook's steps: `make ml-features ml-train ml-eval ml-status ml-thresholds ml-canary ml-smoke`.

Each does what its name says with the programs that a person would use; questions go to the server at --url, or to one
that is started on the spot with the registry's latest run and ends with the step. Without data some are made up.
"""

import argparse
import json
import os
import socket
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
from serin_training.synthetic.generator import SyntheticTransaction, generate

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
    """The steps, on one file of data and one registry."""

    data: Path | None
    registry: Path
    url: str | None
    token: str

    @property
    def features(self) -> Path:
        """Answer the folder of features."""
        return FOLDER / "features"

    def source(self) -> Path:
        """Answer the data: what was given, or what is made up once."""
        if self.data is not None:
            return self.data
        made = FOLDER / "transactions.csv"
        if not made.exists():
            FOLDER.mkdir(exist_ok=True)
            run(["serin", "generate", "--rows", "20000", "--out", str(made)])
        return made

    def build(self) -> None:
        """Build the features, or what has changed of them."""
        _show(["serin", "features", "--data", str(self.source()), "--out", str(self.features)])

    def train(self) -> None:
        """Train a run into the registry."""
        self.build()
        _show(["serin", "train", "--data", str(self.features), "--registry", str(self.registry)])

    def evaluate(self) -> None:
        """Train and judge only."""
        self.build()
        _show(["serin", "train", "--data", str(self.features)])

    @contextmanager
    def asking(self) -> Iterator[httpx.Client]:
        """Answer a client of the server that is given, or of one that lives as long as this."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        if self.url is not None:
            with httpx.Client(base_url=self.url, headers=headers, timeout=10) as client:
                yield client
            return
        if not (self.registry / "ledger_suggestions" / "latest").exists():
            raise CommandError(f"{self.registry}: no run to serve yet; `make ml-train` makes one, URL= names a server")
        rules = FOLDER / "rules.yaml"
        FOLDER.mkdir(exist_ok=True)
        run(["serin", "rules", "suggest", "--data", str(self.source()), "--out", str(rules)])
        with _serving(self.registry, rules) as url, httpx.Client(base_url=url, headers=headers, timeout=10) as client:
            yield client

    def status(self) -> None:
        """Print what the server serves."""
        with self.asking() as client:
            _print(_get(client, "/ml/status"))

    def thresholds(self) -> None:
        """Print the confidence that each class needs."""
        with self.asking() as client:
            _print(_get(client, "/ml/thresholds"))

    def canary(self) -> None:
        """Print the share of users that the model answers: wanted, and found by asking for many."""
        with self.asking() as client:
            wanted = _get(client, "/ml/status")["percent"]
            answers = [item["source"] for item in _suggest(client, _USERS)]
            share = answers.count("model") / len(answers)
            _say(f"wanted: {wanted:g} % of users; answered by the model: {share:.1%} of {len(answers)}")

    def smoke(self) -> None:
        """Go through all steps, a line each; raise CommandError at the first that does not hold."""
        self._quiet("features", "--data", str(self.source()), "--out", str(self.features))
        _say("features built")
        report = json.loads(self._quiet("train", "--data", str(self.features), "--registry", str(self.registry)))
        _need(report["passed_acceptance_gate"], f"the run was held back: {report['deploy_reason']}")
        _say(f"model trained: {report['run_directory']}, macro F1 {report['val_f1_macro']:.3f}")
        with self.asking() as client:
            found = _get(client, "/ml/status")
            loaded = [one["run"] for one in found["runs"] if one["state"] == "loaded"]
            _need(loaded, f"the server has no run loaded: {found['runs']}")
            _say(f"status checked: {', '.join(loaded)} loaded")
            needed = _get(client, "/ml/thresholds")
            named = [side for side in (needed["stable"], needed["candidate"]) if side]
            classes: dict[str, float] = named[0]["classes"] if named else {}
            _need(classes, "no class has a threshold")
            _say(f"thresholds verified: {len(classes)} classes")
            answered = [item for item in _suggest(client, _SEVERAL) if item["candidates"]]
            _need(answered, "no transaction got a suggestion")
            _say(f"prediction successful: {len(answered)} of {_SEVERAL} answered")
            exposed = client.get("/metrics").text
            missing = [name for name in _METRICS if f"{name.removesuffix('_total')}" not in exposed]
            _need(not missing, f"metrics missing: {', '.join(missing)}")
            _say(f"metrics present: {len(_METRICS)} families")
        _say("smoke test PASSED")

    def _quiet(self, *arguments: str) -> str:
        return run(["serin", *arguments])


def _suggest(client: httpx.Client, many: int) -> list[dict[str, Any]]:
    """Ask for made-up transactions, each of another user. Raises CommandError."""
    found: list[dict[str, Any]] = []
    made = [vars_of(one, number) for number, one in enumerate(generate(rows=many, seed=7))]
    for start in range(0, many, _BATCH):
        try:
            answer = client.post("/agent/suggestions", json={"transactions": made[start : start + _BATCH]})
            found += answer.raise_for_status().json()["items"]
        except (httpx.HTTPError, ValueError, KeyError) as error:
            raise CommandError(f"POST {client.base_url}/agent/suggestions: {error}") from None
    return found


def vars_of(made: SyntheticTransaction, number: int) -> dict[str, Any]:
    """Answer a made-up transaction as a request holds it."""
    names = ("txn_id", "timestamp", "merchant", "description", "channel")
    return {name: getattr(made, name) for name in names} | {"user_id": f"user-{number}", "amount": float(made.amount)}


@contextmanager
def _serving(registry: Path, rules: Path) -> Iterator[str]:
    """Start a server of this machine, answer its address once it is ready, and end it. Raises CommandError."""
    with socket.socket() as free, tempfile.TemporaryFile("w+") as log:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
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


def _need(holds: object, complaint: str) -> None:
    if not holds:
        raise CommandError(complaint)


def _get(client: httpx.Client, path: str) -> dict[str, Any]:
    try:
        return dict(client.get(path).raise_for_status().json())
    except (httpx.HTTPError, ValueError) as error:
        raise CommandError(f"GET {client.base_url}{path}: {error}") from None


def _show(command: Sequence[str]) -> None:
    """Run a program whose output is the step's own. Raises CommandError."""
    done = subprocess.run([str(BIN / command[0]), *command[1:]], check=False)  # noqa: S603 - our own program
    if done.returncode:
        raise CommandError(f"{' '.join(command[:2])} failed with {done.returncode}")


def _print(found: Any) -> None:
    _say(json.dumps(found, indent=2, ensure_ascii=False))


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> None:
    """Run one step: exit status 0 when it is done, 1 when not, with one line that says why."""
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
    parser.add_argument("--data", type=Path, help="labelled transactions; made up without it")
    parser.add_argument("--registry", type=Path, default=FOLDER / "registry", help="where runs are kept (%(default)s)")
    parser.add_argument("--url", help="a server that runs already; its token is read from SERIN_TOKEN")
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
