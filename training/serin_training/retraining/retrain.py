"""The steps of retraining: find a reason, train, compare, propose.

A run that its acceptance gate holds back, or that is worse than the current one on the same rows, is stored but never
proposed, and `latest` does not move to it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from serin_registry.verification import StoredRun
from serin_training.data.rows import LabelledTransaction
from serin_training.data_drift import drift_of
from serin_training.evaluation import predict
from serin_training.features.words import Corpus
from serin_training.progress import ProgressCallback
from serin_training.retraining.policy import NEW_LABELS, compare_runs, reasons
from serin_training.retraining.targets import Target
from serin_training.run_pipeline import RunPipeline
from serin_training.training import TrainedRun, TrainingConfig, train

Note = Callable[[str], None]
"""Shows one line to the user."""


@dataclass(frozen=True, slots=True)
class CurrentRun:
    """The run that a new one must not be worse than."""

    stored: StoredRun
    pipeline: RunPipeline

    @property
    def trained_until(self) -> datetime:
        """Time of the newest row that the run has seen."""
        return datetime.fromisoformat(self.stored.report.data_to)


@dataclass(frozen=True, slots=True)
class RetrainedRun:
    """A new run and its comparison with the current one."""

    trained: TrainedRun
    comparison: str
    """In one line."""
    is_good: bool
    """Whether the run may be proposed."""


def retraining_reasons(
    current: CurrentRun, rows: Sequence[LabelledTransaction], *, now: datetime, is_forced: bool, note: Note
) -> list[str]:
    """Return and show the reasons to train again; an empty list if nothing has to be done."""
    newer = [row for row in rows if row.at > current.trained_until]
    can_compare = newer and current.stored.report.profile is not None
    drift = drift_of(current.stored, current.pipeline, newer) if can_compare else None
    found = reasons(current.stored.report, current.pipeline.classes, newer, drift, now=now)
    if not found and not is_forced:
        few = f"only {len(newer)} new labels since this run (of more than {NEW_LABELS})" if newer else None
        verdict = "" if drift is None else f"; drift: {drift.verdict}"
        note(f"{current.stored.name}: skipped: {few or 'no new labels since this run'}{verdict}")
        return []
    found = found or ["requested with --force"]
    for reason in found:
        note(f"retraining: {reason}")
    return found


def retrain(
    current: CurrentRun,
    rows: Sequence[LabelledTransaction],
    corpus: Corpus | None,
    config: TrainingConfig,
    progress: ProgressCallback,
) -> RetrainedRun:
    """Train, and compare with the current run on the same newest rows; the arguments are those of `train`.

    Raises DataError, EngineError.
    """
    trained = train(rows, config, progress, corpus=corpus)
    comparison = compare_runs(
        predict(current.pipeline, trained.evaluated.rows), trained.evaluated, trained_until=current.trained_until
    )
    is_good = trained.report.passed_acceptance_gate and comparison.is_not_worse
    if not is_good:
        worse = f"worse than {current.stored.name}: {comparison}"
        trained = trained.held_back(worse if trained.report.passed_acceptance_gate else trained.report.deploy_reason)
    return RetrainedRun(trained, str(comparison), is_good)


def propose(retrained: RetrainedRun, target: Target, why: Sequence[str], note: Note) -> None:
    """Propose a stored run if it is good, and show what was done. Raises KubernetesApiError, GitError."""
    trained = retrained.trained
    if not retrained.is_good:
        note(f"{trained.name}: not proposed: {trained.report.deploy_reason}")
        return
    done = target.propose(trained.name, "\n".join([*why, retrained.comparison]))
    if done:
        note(done)
