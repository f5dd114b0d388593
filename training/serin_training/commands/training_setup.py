"""What `train` and `retrain` prepare, and what they show at the end. Imported when a command runs."""

import os
import secrets
from datetime import UTC, datetime

from serin_core.contract import environment
from serin_core.model.acceptance import Limits
from serin_registry.verification import read_run
from serin_training.errors import OptionError
from serin_training.html_report.page import render
from serin_training.registry.writer import Registry
from serin_training.training import TrainedRun, TrainingConfig


def training_config(*, seed: int, calibrate: bool, deploy: bool) -> TrainingConfig:
    """Return the options of a new run, with the minimum scores of the environment. Raises OptionError."""
    defaults = Limits()
    limits = Limits(
        f1_macro=_share(environment.DEPLOY_F1.name, defaults.f1_macro),
        f1_min=_share(environment.DEPLOY_F1_MIN.name, defaults.f1_min),
    )
    run_id, now = f"run_{secrets.token_hex(4)}", datetime.now(UTC)
    return TrainingConfig(run_id=run_id, now=now, seed=seed, calibrate=calibrate, deploy=deploy, limits=limits)


def _share(name: str, default: float) -> float:
    text = os.environ.get(name, str(default))
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise OptionError(f"{name} is {text!r}; it must be a number from 0 to 1")
    return value


def html_report(trained: TrainedRun, registry: Registry | None, previous: str | None, *, with_examples: bool) -> str:
    """Return the HTML report of a run, compared with the previous run if there is one."""
    stable = None if registry is None or previous is None else read_run(registry, previous).report
    return render(trained, stable, with_examples=with_examples)


def summary_of(trained: TrainedRun, where: str | None) -> str:
    """Return the result of a training in one line."""
    report, worst = trained.report, trained.evaluated.scores().worst
    place = "not stored" if where is None else f"stored as {where}"
    return (
        f"{trained.name}: macro F1 {report.val_f1_macro:.3f}, worst class {report.val_f1_min:.3f} ({worst}), "
        f"accuracy {report.val_accuracy:.3f}; {report.deploy_reason}; {place}"
    )


def next_command(trained: TrainedRun) -> str:
    """Return the command that follows a training whose run is stored."""
    if trained.report.passed_acceptance_gate:
        return rollout_command(trained.name)
    return "serin data suggest-labels --data DATA"


def rollout_command(run: str) -> str:
    """Return the kubectl command that starts the rollout of a run."""
    return f"kubectl serin set-run NAME {run}"
