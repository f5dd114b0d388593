"""Runs that stand in for trained ones: they are told what to predict, and say what they were asked.

The kind of a run is in its name: sound ones agree with the rules, wrong ones mostly do not, failing ones raise.
"""

import hashlib
import time
from collections.abc import Mapping

from serin_core.contract.documents import LoadedRun
from serin_core.contract.pod_report import ClassCoverage, Coverage, RunQuality
from serin_core.model.features import Transaction
from serin_core.model.inputs import Inputs
from serin_registry.errors import RegistryUnavailableError
from serin_server.runs.predictor import Prediction, Ranked

KEYWORDS = {
    "Groceries": "grocer",
    "Dining": "diner",
    "Travel": "airline",
    "Rent": "landlord",
    "Health": "pharmacy",
    "Leisure": "cinema",
}
CLASSES = tuple(KEYWORDS)
RULES = "classes:\n" + "".join(f"  {label}: [{keyword}]\n" for label, keyword in KEYWORDS.items())
SOUND, WRONG, FAILING = "5ee", "bad", "fa1"
_QUALITY = RunQuality(
    f1_macro=0.9,
    f1_min=0.8,
    coverage={
        label: ClassCoverage(
            share=1 / len(CLASSES),
            by_threshold={f"0.{percent}": Coverage(coverage=0.94, precision=0.97) for percent in range(50, 100, 5)},
        )
        for label in CLASSES
    },
    classes=CLASSES,
)


def run_id(kind: str, number: int) -> str:
    """Return the name of a run."""
    return f"run_{kind}{number:05x}_{1767225600 + number}"


def is_sound(run: str) -> bool:
    """Return whether a run should be promoted."""
    return run.startswith(f"run_{SOUND}")


def transaction(number: int, user: str) -> Transaction:
    """Return a transaction that exactly one rule matches."""
    return Transaction(txn_id=str(number), merchant=KEYWORDS[CLASSES[number % len(CLASSES)]], amount=1.0, user_id=user)


def rule_for(one: Transaction) -> str:
    """Return what the rules answer."""
    return CLASSES[int(one.txn_id) % len(CLASSES)]


class StandIn:
    """Implements serin_server's Predictor."""

    quality = _QUALITY
    classes = CLASSES
    f1: Mapping[str, float] = dict.fromkeys(CLASSES, 0.9)
    recalibration = None
    input_bins = None

    def __init__(self, run: str) -> None:
        self.run, self.digest = run, f"sha256:{hashlib.sha256(run.encode()).hexdigest()}"
        self.answer: tuple[str, float] | str | None = ""
        """Label and confidence of the last prediction; None if it failed, "" since `forget`."""

    def forget(self) -> None:
        """Forget the last prediction."""
        self.answer = ""

    def predict(self, transaction: Transaction, *, calibrated: bool, now: float | None = None) -> Prediction:
        """See Predictor."""
        del calibrated, now
        number = int(transaction.txn_id)
        spread = number * 2654435761 % 1000
        self.answer = None
        if self.run.startswith(f"run_{FAILING}") and spread < 500:  # noqa: PLR2004 - per mille
            raise ArithmeticError("a failing run fails")
        wrong = 700 if self.run.startswith(f"run_{WRONG}") else 60
        label = CLASSES[(number + (spread >= 1000 - wrong)) % len(CLASSES)]
        # A few are not confident, and users of the panel never are of these.
        confidence = 0.4 if number % 20 == 7 else 0.9  # noqa: PLR2004
        self.answer = (label, confidence)
        return Prediction((Ranked(label, confidence), Ranked("Other", 1 - confidence)))

    def inputs(self, transaction: Transaction) -> Inputs:
        """See Predictor."""
        raise NotImplementedError("a run without input bins")

    def words(self, transaction: Transaction, label: str) -> tuple[str, ...]:
        """See Predictor."""
        del transaction, label
        return ()


class Registry:
    """Reads runs, in threads, unless it is away."""

    def __init__(self) -> None:
        self.is_away = False
        self.seconds = 0.0
        """How long it takes."""

    def __call__(self, wanted: LoadedRun) -> StandIn:
        """Return a run. Raises RegistryUnavailableError."""
        time.sleep(self.seconds)
        if self.is_away:
            raise RegistryUnavailableError("the registry is away")
        return StandIn(wanted.run)
