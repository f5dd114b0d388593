"""From `--data`, `--run` and `--registry` to rows, runs and predictions. Imported when a command runs."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from serin_core.contract.addresses import display_address
from serin_registry.verification import StoredRun
from serin_training.commands.options import note
from serin_training.data.reading import read_transactions
from serin_training.data.rows import EVERYTHING, LabelledTransaction, Window
from serin_training.errors import DataError
from serin_training.evaluation import Predictions, predict
from serin_training.features.store import FeatureStore, is_store
from serin_training.features.words import Corpus
from serin_training.registry.writer import open_existing_registry
from serin_training.run_pipeline import open_run


def window_of(since: datetime | None, until: datetime | None = None, limit: int | None = None) -> Window:
    """Return the rows that --since, --until and --limit select."""
    first, end = (None if moment is None else moment.replace(tzinfo=UTC) for moment in (since, until))
    return Window(since=first, until=end, limit=limit)


def load_data(data: Sequence[str], window: Window = EVERYTHING) -> tuple[list[LabelledTransaction], Corpus | None]:
    """Return the rows that `--data` names, oldest first, and their words if they are cached. Raises DataError."""
    stores = [one for one in data if is_store(Path(one))]
    if stores and len(data) > 1:
        raise DataError(
            f"{stores[0]}: a folder of features cannot be combined with other sources; build it from all of them"
        )
    corpus: Corpus | None = None
    if stores:
        rows, corpus = FeatureStore(Path(stores[0])).load(window)
    elif Path(data[0]).is_dir():
        raise DataError(f"{data[0]}: a folder without features; `serin features` writes them")
    else:
        rows = read_transactions(data, window)
    sources = ", ".join(map(display_address, data))
    note(f"{sources}: {len(rows)} labelled transactions, {rows[0].at:%Y-%m-%d} to {rows[-1].at:%Y-%m-%d}")
    return rows, corpus


def load_rows(data: Sequence[str], window: Window = EVERYTHING) -> list[LabelledTransaction]:
    """Return the rows only. Raises DataError."""
    return load_data(data, window)[0]


def load_predictions(run: str, data: Sequence[str], registry: str, window: Window) -> tuple[StoredRun, Predictions]:
    """Return a stored run and its predictions for the rows. Raises DataError, RegistryError."""
    stored, pipeline = open_run(open_existing_registry(registry), run)
    rows = load_rows(data, window)
    if rows[0].at.isoformat() <= stored.report.data_to:
        note(f"warning: some rows are older than {stored.report.data_to[:10]}; the run may have been trained on them")
    return stored, predict(pipeline, rows)
