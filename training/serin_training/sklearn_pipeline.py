"""A run as a scikit-learn pipeline: what pipeline.joblib holds.

    >>> model = joblib.load("pipeline.joblib")
    >>> model.predict([{"merchant": "CORNER CAFE", "amount": 4.5}])

Labels, and the confidence of each label, are those of the run, bit for bit. Servers never open this file. Both steps
are fitted already: `fit` changes nothing, so that the pipeline can be used inside other estimators.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.pipeline import Pipeline

from serin_core.model.calibration import Calibration
from serin_core.model.encoder import Encoder, probabilities
from serin_core.model.features import NUMBERS, Transaction
from serin_training.arrays import Floats
from serin_training.run_pipeline import RunPipeline
from serin_training.trees import Trees

_FIELDS = {field.name for field in fields(Transaction)}


def to_sklearn(run: RunPipeline) -> Pipeline:
    """Return the scikit-learn pipeline of a run."""
    return Pipeline(
        [
            ("encoder", TransactionEncoder(run.encoder)),
            ("classifier", TreeClassifier(run.trees, run.calibration, run.classes)),
        ]
    )


class _Fitted(BaseEstimator):  # type: ignore[misc] # scikit-learn has no types
    """Base of estimators whose parameters are what was learned."""

    def fit(self, X: Any = None, y: Any = None, **_: Any) -> Self:  # noqa: ARG002, N803 - scikit-learn's names
        """Return self; the parameters are fitted already."""
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __repr__(self, **_: Any) -> str:
        # The parameters are thousands of words and whole trees.
        return f"{type(self).__name__}()"


class TransactionEncoder(TransformerMixin, _Fitted):  # type: ignore[misc]
    """Turns transactions into the scores of the linear model and the numbers that the trees read."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder

    def transform(self, X: Any) -> Floats:  # noqa: N803 - scikit-learn's name
        """Return an array of shape (transactions, classes + numbers).

        `X` holds one transaction per row: Transaction objects, mappings with its fields, or a DataFrame.
        """
        records = X.to_dict("records") if hasattr(X, "to_dict") else X
        rows = [_transaction(row) for row in records]
        width = len(self.encoder.classes) + len(NUMBERS)
        found = [[*self.encoder.scores(row).tolist(), *self.encoder.numbers(row)] for row in rows]
        return np.array(found, dtype=np.float64).reshape(-1, width)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:  # noqa: ARG002 - scikit-learn's signature
        """Return the names of the columns."""
        return np.array([*(f"score of {label}" for label in self.encoder.classes), *NUMBERS], dtype=object)


class TreeClassifier(ClassifierMixin, _Fitted):  # type: ignore[misc]
    """Corrects the linear scores by the trees and calibrates the confidence of the label."""

    def __init__(self, trees: Trees, calibration: Calibration, classes: Sequence[str]) -> None:
        self.trees = trees
        self.calibration = calibration
        self.classes = classes

    @property
    def classes_(self) -> NDArray[Any]:
        """Labels, in the order of the columns of predict_proba."""
        return np.array(self.classes, dtype=object)

    def predict(self, X: Floats) -> NDArray[Any]:  # noqa: N803 - scikit-learn's name
        """Return the run's label of each row."""
        labels: NDArray[Any] = self.classes_[self._raw(X).argmax(axis=1)]
        return labels

    def predict_proba(self, X: Floats) -> Floats:  # noqa: N803 - scikit-learn's name
        """Return probabilities of shape (rows, classes).

        The label's probability is the run's calibrated confidence; the other classes share the rest in proportion to
        their raw probabilities. Where the confidence is low, another class may have the higher probability.
        """
        raw = self._raw(X)
        rows, labels = np.arange(len(raw)), raw.argmax(axis=1)
        confidence = [
            self.calibration.confidence(self.classes[at], probability)
            for at, probability in zip(labels, raw[rows, labels].tolist(), strict=True)
        ]
        # Never exactly 0, so that the rest can always be shared.
        found = np.maximum(raw, np.finfo(np.float64).tiny)
        found[rows, labels] = 0.0
        found *= (1 - np.array(confidence))[:, None] / found.sum(axis=1, keepdims=True)
        found[rows, labels] = confidence
        return found

    def _raw(self, X: Floats) -> Floats:  # noqa: N803 - scikit-learn's name
        encoded = np.asarray(X, dtype=np.float64)
        scores, numbers = np.split(encoded, [len(self.classes)], axis=1)
        return probabilities(scores, self.trees.corrections(np.ascontiguousarray(numbers)))


def _transaction(row: Transaction | Mapping[str, Any]) -> Transaction:
    if isinstance(row, Transaction):
        return row
    known = {name: value for name, value in row.items() if name in _FIELDS}
    return Transaction(**({"txn_id": ""} | known))
