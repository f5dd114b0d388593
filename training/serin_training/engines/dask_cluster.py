"""Training on the workers of a Dask cluster: that of a scheduler's address, or local processes.

Words are extracted by all workers, each linear model is fitted by one of them, and the trees are grown by all with
LightGBM's Dask estimator. Words and counts are exactly those of one machine. Trees are grown on histograms that are
added in another order, and may differ in the last digits.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import numpy as np

from serin_core.contract.addresses import display_address, without_secrets
from serin_core.model.encoder import starting_point
from serin_core.model.features import Transaction
from serin_training.arrays import Floats, Ints
from serin_training.engines.local import CHUNK, LocalEngine
from serin_training.errors import EngineError
from serin_training.features.words import Words
from serin_training.linear import Linear, TrainingSet, fit_linear
from serin_training.trees import MAX_ROWS, PARAMETERS, ROUNDS, Trees, best_round, stop_at

_SECONDS: Final = 20
_LOCAL: Final = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": None}


class DaskEngine(LocalEngine):
    """The workers of a Dask cluster."""

    def __init__(self, client: Any) -> None:
        """Use a connected distributed.Client."""
        self._client = client

    def extract(self, transactions: Sequence[Transaction], progress: Callable[[int, int], None]) -> list[Words]:
        """Extract the words on the workers, part by part."""
        parts = [transactions[start : start + CHUNK] for start in range(0, len(transactions), CHUNK)]
        with _as_engine_error():
            found = list(self._client.gather(self._client.map(Words.of, parts, pure=False)))
        progress(len(transactions), len(transactions))
        return found

    def fit(self, training_sets: Iterable[TrainingSet], *, seed: int) -> Iterator[Linear]:
        """Fit the models on the workers, all at once."""
        with _as_engine_error():
            # Scattered first: a training set is too large for the task graph.
            sent = [self._client.scatter(one, hash=False) for one in training_sets]
            fitted = [self._client.submit(fit_linear, one, seed=seed, pure=False) for one in sent]
            del sent
            for one in fitted:
                yield one.result()

    def grow(
        self, numbers: Floats, scores: Floats, labels: Ints, *, seed: int, progress: Callable[[int, int], None]
    ) -> Trees:
        """Grow the trees on all workers, or here if a class is missing from the rows to learn from."""
        numbers, scores, labels = numbers[-MAX_ROWS:], scores[-MAX_ROWS:], labels[-MAX_ROWS:]
        first = stop_at(len(labels))
        if len(np.unique(labels[:first])) < scores.shape[1]:
            # The estimator numbers the classes it sees, so all must be present.
            return super().grow(numbers, scores, labels, seed=seed, progress=progress)
        start = starting_point(scores)
        with _as_engine_error():
            booster = self._grow(numbers[:first], start[:first], labels[:first], seed=seed)
        rounds = best_round(_losses(booster, numbers[first:], start[first:], labels[first:]))
        progress(rounds, ROUNDS)
        return Trees(str(booster.model_to_string(num_iteration=rounds)))

    def _grow(self, numbers: Floats, start: Floats, labels: Ints, *, seed: int) -> Any:
        from dask import array  # noqa: PLC0415 - only this engine needs it
        from lightgbm.dask import DaskLGBMClassifier  # noqa: PLC0415

        workers = max(1, len(self._client.scheduler_info()["workers"]))
        rows = -(-len(labels) // workers)
        renamed = {"min_data_in_leaf": "min_child_samples", "lambda_l2": "reg_lambda", "verbose": "verbosity"}
        known = {renamed.get(name, name): value for name, value in PARAMETERS.items() if name != "num_threads"}
        model = DaskLGBMClassifier(
            client=self._client, n_estimators=ROUNDS, tree_learner="data", random_state=seed, **known
        )
        # Internally it uses the current client, not the given one.
        with self._client.as_current():
            fitted = model.fit(
                array.from_array(numbers, chunks=(rows, numbers.shape[1])),
                array.from_array(labels, chunks=rows),
                init_score=array.from_array(start, chunks=(rows, start.shape[1])),
            )
        return fitted.booster_


def _losses(booster: Any, numbers: Floats, start: Floats, labels: Ints) -> Iterator[float]:
    """Yield the log loss after each round."""
    total, right = start.copy(), np.arange(len(labels))
    for number in range(booster.current_iteration()):
        total += booster.predict(numbers, raw_score=True, start_iteration=number, num_iteration=1)
        top = total.max(axis=1)
        yield float(np.mean(np.log(np.exp(total - top[:, None]).sum(axis=1)) + top - total[right, labels]))


@contextmanager
def connect(scheduler: str | None) -> Iterator[DaskEngine]:
    """Yield an engine on the scheduler's cluster, or on two local processes without one. Raises EngineError."""
    try:
        from distributed import Client, LocalCluster  # noqa: PLC0415 - only this engine needs it
    except ModuleNotFoundError as error:
        raise EngineError(f"the engine dask needs {error.name}: pip install 'serin[dask]'") from None
    try:
        cluster = None if scheduler is not None else LocalCluster(**_LOCAL)
        client = Client(cluster if scheduler is None else scheduler, timeout=_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        message = without_secrets(" ".join(str(error).split()), scheduler or "")[:160]
        where = display_address(scheduler or "on this machine")
        raise EngineError(f"the Dask scheduler {where} cannot be reached: {message}") from None
    try:
        _wait_for_a_worker(client, scheduler)
        yield DaskEngine(client)
    finally:
        client.close()
        if cluster is not None:
            cluster.close()


def _wait_for_a_worker(client: Any, scheduler: str | None) -> None:
    try:
        client.wait_for_workers(1, timeout=_SECONDS)
    except TimeoutError:
        where = display_address(scheduler or "on this machine")
        raise EngineError(f"the Dask scheduler {where} has no worker; start one with `dask worker {where}`") from None


@contextmanager
def _as_engine_error() -> Iterator[None]:
    try:
        yield
    except (OSError, RuntimeError, ValueError) as error:
        message = without_secrets(" ".join(f"{type(error).__name__}: {error}".split()))[:300]
        raise EngineError(f"the Dask cluster failed: {message}") from None
