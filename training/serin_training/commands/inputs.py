"""From `--data`, `--run` and `--registry` to rows, runs and predictions. Imported when a command runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from serin_core.contract.addresses import display_address
from serin_registry.verification import StoredRun
from serin_training.commands.options import note
from serin_training.data.data_map import NATIVE, DataMap
from serin_training.data.described_rows import assumed_zone, check_categories, described_rows, zone_warning
from serin_training.data.reading import open_source, read_sources, stream_rows
from serin_training.data.rows import EVERYTHING, LabelledTransaction, Row, Window
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


@dataclass(frozen=True, slots=True)
class Loaded:
    """What `--data` names."""

    rows: list[LabelledTransaction]
    """Oldest first."""
    corpus: Corpus | None
    """Their words, if they are cached."""
    assumptions: tuple[str, ...]
    """How the sources were read, one line each, for users and the report."""


def load_data(data: Sequence[str], window: Window = EVERYTHING, data_map: DataMap = NATIVE) -> Loaded:
    """Return what `--data` names, and print how it was read. Raises DataError."""
    stores = [one for one in data if is_store(Path(one))]
    if stores and len(data) > 1:
        raise DataError(
            f"{stores[0]}: a folder of features cannot be combined with other sources; build it from all of them"
        )
    if stores and data_map != NATIVE:
        raise DataError(f"{stores[0]}: features were read already; give --map and --zone to `serin features`")
    corpus: Corpus | None = None
    if stores:
        store = FeatureStore(Path(stores[0]))
        rows, corpus = store.load(window)
        assumptions = store.assumptions()
    elif Path(data[0]).is_dir():
        raise DataError(f"{data[0]}: a folder without features; `serin features` writes them")
    else:
        opened = [open_source(one, data_map) for one in data]
        rows = read_sources(opened, window)
        assumptions = tuple(line for source in opened for line in source.assumptions())
    sources = ", ".join(map(display_address, data))
    zone = assumed_zone(rows)
    times = f"{rows[0].at:%Y-%m-%d} to {rows[-1].at:%Y-%m-%d}" + (f"; {zone}" if zone else "")
    note(f"{sources}: {len(rows)} labelled transactions, {times}")
    check_categories(rows)
    odd = tuple(described_rows(rows))
    for line in (*assumptions, *odd):
        note(line)
    return Loaded(rows, corpus, (*assumptions, *([zone] if zone else []), *odd))


def load_rows(
    data: Sequence[str], window: Window = EVERYTHING, data_map: DataMap = NATIVE
) -> list[LabelledTransaction]:
    """Return the rows only. Raises DataError."""
    return load_data(data, window, data_map).rows


def load_served(data: Sequence[str], window: Window, data_map: DataMap = NATIVE) -> list[Row]:
    """Return all transactions that `--data` names, also those without a label, oldest first. Raises DataError."""
    streamed = stream_rows([open_source(one, data_map) for one in data])
    rows = sorted((row for row in streamed if window.holds(row.at)), key=lambda row: (row.at, row.transaction.txn_id))
    labels = sum(row.label is not None for row in rows)
    note(f"{', '.join(map(display_address, data))}: {len(rows)} transactions, {labels} with a label or feedback")
    return rows


def load_predictions(
    run: str, data: Sequence[str], registry: str, window: Window, data_map: DataMap = NATIVE
) -> tuple[StoredRun, Predictions]:
    """Return a stored run and its predictions for the rows. Raises DataError, RegistryError."""
    stored, pipeline = open_run(open_existing_registry(registry), run)
    rows = load_rows(data, window, data_map)
    if rows[0].at.isoformat() <= stored.report.data_to:
        note(f"warning: some rows are older than {stored.report.data_to[:10]}; the run may have been trained on them")
    compare_times(stored, rows)
    return stored, predict(pipeline, rows)


def compare_times(stored: StoredRun, rows: Sequence[LabelledTransaction]) -> None:
    """Print a warning if these times say their zone and those of the run did not, or the reverse."""
    warning = zone_warning(stored.report.share_without_offset, rows)
    if warning:
        note(f"warning: {warning}")
