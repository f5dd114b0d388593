"""The steps of training again: look at what is new, find a reason, train, compare, propose.

Never proposes a run that its gate holds back or that is worse than the present one on the same rows; such a run is
stored all the same, and `latest` stays.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from serin_registry.verification import StoredRun
from serin_training.data.rows import LabelledTransaction
from serin_training.data_drift import Drift, drift_of
from serin_training.evaluation import answer
from serin_training.features.words import Corpus
from serin_training.pipeline import Pipeline
from serin_training.progress import ProgressCallback
from serin_training.retraining.policy import compare_runs, reasons
from serin_training.retraining.targets import Destination
from serin_training.training import TrainedRun, TrainingConfig, train

Say = Callable[[str], None]
"""Tells a person one sentence."""


@dataclass(frozen=True, slots=True)
class Present:
    """The run that is trusted now."""

    stored: StoredRun
    pipeline: Pipeline

    @property
    def learned_until(self) -> datetime:
        """Answer when the newest row happened that it has seen."""
        return datetime.fromisoformat(self.stored.report.data_to)

    def newer(self, rows: Sequence[LabelledTransaction]) -> list[LabelledTransaction]:
        """Answer the rows that it has not seen."""
        return [row for row in rows if row.at > self.learned_until]

    def drift(self, newer: list[LabelledTransaction]) -> Drift | None:
        """Answer how these look beside those that it was judged by; None where there is nothing to compare."""
        if not newer or self.stored.report.profile is None:
            return None
        return drift_of(self.stored, self.pipeline, newer)


@dataclass(frozen=True, slots=True)
class Material:
    """What there is to learn from."""

    rows: list[LabelledTransaction]
    corpus: Corpus | None
    """What is known of these very rows' words; None: they are looked up."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A new run, and how it does beside the present one."""

    trained: TrainedRun
    compared: str
    """In a sentence."""
    is_good: bool


def why_again(present: Present, material: Material, *, now: datetime, is_forced: bool, say: Say) -> list[str]:
    """Answer why to train again, at least one reason, and say them; none where there is nothing to do."""
    newer = present.newer(material.rows)
    drift = present.drift(newer)
    found = reasons(present.stored.report, present.pipeline.classes, newer, drift, now=now)
    if not found and not is_forced:
        seen = "" if drift is None else f", which look {drift.verdict}"
        say(f"{present.stored.name}: nothing to do: {len(newer)} new labels{seen}")
        return []
    why = found or ["it is asked for"]
    for reason in why:
        say(f"training again: {reason}")
    return why


def train_again(present: Present, material: Material, wish: TrainingConfig, tell: ProgressCallback) -> Candidate:
    """Train, and compare with the present run on the same newest rows. Raises DataError, EngineError."""
    trained = train(material.rows, wish, tell, corpus=material.corpus)
    compared = compare_runs(
        answer(present.pipeline, trained.judged.rows), trained.judged, learned_until=present.learned_until
    )
    if not trained.report.passed_acceptance_gate:
        trained = trained.held_back(trained.report.deploy_reason)
    elif not compared.is_not_worse:
        trained = trained.held_back(f"it is not as good as {present.stored.name}: {compared}")
    else:
        return Candidate(trained, str(compared), is_good=True)
    return Candidate(trained, str(compared), is_good=False)


def propose(candidate: Candidate, where: Destination, why: Sequence[str], say: Say) -> None:
    """Propose a stored run where it is good, and say so. Raises ClusterError, GitError."""
    trained = candidate.trained
    if not candidate.is_good:
        say(f"{trained.name}: not proposed: {trained.report.deploy_reason}")
        return
    done = where.propose(trained.name, "\n".join([*why, candidate.compared]))
    if done:
        say(done)
