"""The workers of a Dask cluster: one that is given by its scheduler's address, or processes of this machine.

Parts of rows are looked up by the workers, each linear model is fitted by one of them, and the trees are grown by all
with LightGBM's own Dask estimator. What is looked up and how parts are merged is the code of one machine; so are all
counts. Trees are grown on histograms that are added in another order, and may differ in late digits.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import numpy as np

from serin_core.contract.addresses import display_address, without_secrets
from serin_core.model.encoder import starting_point
from serin_core.model.features import Transaction
from serin_training.engines.engine import CHUNK
from serin_training.errors import EngineError
from serin_training.features.words import Floats, Ints, Words
from serin_training.linear import Linear, TrainingSet, fit_linear
from serin_training.trees import MOST_ROWS, PARAMETERS, ROUNDS, Trees, best_round, grow, stop_at

_SECONDS: Final = 20
_OWN: Final = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": None}


class DaskEngine:
    """Implements engine.Engine."""

    def __init__(self, client: Any) -> None:
        """Take a connected distributed.Client."""
        self._client = client

    def look_up(self, transactions: Sequence[Transaction], tell: Callable[[int, int], None]) -> list[Words]:
        """Let the workers look up the words, a part each."""
        parts = [transactions[start : start + CHUNK] for start in range(0, len(transactions), CHUNK)]
        with _complaining():
            found = list(self._client.gather(self._client.map(Words.of, parts, pure=False)))
        tell(len(transactions), len(transactions))
        return found

    def fit(self, lessons: Iterable[TrainingSet], *, seed: int) -> Iterator[Linear]:
        """Let each model be fitted by a worker, all at once."""
        with _complaining():
            # Scattered first: a lesson is too large to stand in the graph.
            sent = [self._client.scatter(lesson, hash=False) for lesson in lessons]
            fitted = [self._client.submit(fit_linear, one, seed=seed, pure=False) for one in sent]
            del sent
            for one in fitted:
                yield one.result()

    def grow(
        self, numbers: Floats, scores: Floats, labels: Ints, *, seed: int, tell: Callable[[int, int], None]
    ) -> Trees:
        """Grow the trees on all workers; where a class has no row among those that teach, here."""
        numbers, scores, labels = numbers[-MOST_ROWS:], scores[-MOST_ROWS:], labels[-MOST_ROWS:]
        first = stop_at(len(labels))
        if len(np.unique(labels[:first])) < scores.shape[1]:
            # The estimator numbers the classes that it sees: all must be there.
            return grow(numbers, scores, labels, seed=seed, tell=tell)
        start = starting_point(scores)
        with _complaining():
            booster = self._grow(numbers[:first], start[:first], labels[:first], seed=seed)
        rounds = best_round(_losses(booster, numbers[first:], start[first:], labels[first:]))
        tell(rounds, ROUNDS)
        return Trees(str(booster.model_to_string(num_iteration=rounds)))

    def _grow(self, numbers: Floats, start: Floats, labels: Ints, *, seed: int) -> Any:
        from dask import array  # noqa: PLC0415 - only where this engine is wanted
        from lightgbm.dask import DaskLGBMClassifier  # noqa: PLC0415

        workers = max(1, len(self._client.scheduler_info()["workers"]))
        rows = -(-len(labels) // workers)
        renamed = {"min_data_in_leaf": "min_child_samples", "lambda_l2": "reg_lambda", "verbose": "verbosity"}
        known = {renamed.get(name, name): value for name, value in PARAMETERS.items() if name != "num_threads"}
        model = DaskLGBMClassifier(
            client=self._client, n_estimators=ROUNDS, tree_learner="data", random_state=seed, **known
        )
        # Deep inside it asks for the current client, whichever it was given.
        with self._client.as_current():
            fitted = model.fit(
                array.from_array(numbers, chunks=(rows, numbers.shape[1])),
                array.from_array(labels, chunks=rows),
                init_score=array.from_array(start, chunks=(rows, start.shape[1])),
            )
        return fitted.booster_


def _losses(booster: Any, numbers: Floats, start: Floats, labels: Ints) -> Iterator[float]:
    """Answer the log loss after each round, as long as somebody asks."""
    total, right = start.copy(), np.arange(len(labels))
    for number in range(booster.current_iteration()):
        total += booster.predict(numbers, raw_score=True, start_iteration=number, num_iteration=1)
        top = total.max(axis=1)
        yield float(np.mean(np.log(np.exp(total - top[:, None]).sum(axis=1)) + top - total[right, labels]))


@contextmanager
def connect(scheduler: str | None) -> Iterator[DaskEngine]:
    """Use the cluster of a scheduler's address; without one, two processes of this machine. Raises EngineError."""
    try:
        from distributed import Client, LocalCluster  # noqa: PLC0415 - only where this engine is wanted
    except ModuleNotFoundError as error:
        raise EngineError(f"the engine dask needs {error.name}: install serin[dask]") from None
    try:
        cluster = None if scheduler is not None else LocalCluster(**_OWN)
        client = Client(cluster if scheduler is None else scheduler, timeout=_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        reason = without_secrets(" ".join(str(error).split()), scheduler or "")[:160]
        where = display_address(scheduler or "of this machine")
        raise EngineError(f"the Dask scheduler {where} cannot be reached: {reason}") from None
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
        where = display_address(scheduler or "of this machine")
        raise EngineError(f"the Dask scheduler {where} has no worker; start one with `dask worker {where}`") from None


@contextmanager
def _complaining() -> Iterator[None]:
    try:
        yield
    except (OSError, RuntimeError, ValueError) as error:
        told = without_secrets(" ".join(f"{type(error).__name__}: {error}".split()))[:300]
        raise EngineError(f"the Dask cluster did not do its work: {told}") from None
