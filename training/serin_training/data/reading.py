"""All data sources as one: from the texts of `--data` to labelled transactions, oldest first.

If several sources have the same transaction, its fields come from the first, and its label from all of them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from serin_core.contract.addresses import display_address
from serin_training.data.data_map import NATIVE, DataMap
from serin_training.data.database import DATABASES, Database
from serin_training.data.files import CsvFile, ParquetFile
from serin_training.data.rows import (
    EVERYTHING,
    DataSource,
    Label,
    LabelledTransaction,
    Row,
    Window,
    best_label,
)
from serin_training.data.statements import SUFFIXES, StatementFile
from serin_training.errors import DataError

_PARQUET: Final = (".parquet", ".pq")


def open_source(data: Path | str, data_map: DataMap = NATIVE) -> DataSource:
    """Return the source that a text names: a CSV or Parquet file, or the URL of a database. Raises DataError."""
    text = str(data)
    if text.startswith(DATABASES):
        return Database.parse(text, data_map)
    if "://" in text:
        scheme = display_address(text).partition("://")[0]
        raise DataError(f"{scheme}:// is not known; give a file, or one of {', '.join(DATABASES)}")
    path = Path(text)
    match path.suffix.lower():
        case suffix if suffix in _PARQUET:
            return ParquetFile(path, data_map)
        case suffix if suffix in SUFFIXES:
            return StatementFile(path, data_map)
    return CsvFile(path, data_map)


def stream_rows(sources: Sequence[DataSource]) -> Iterator[Row]:
    """Yield the transactions of all sources, with or without a label, in the order of the sources.

    One source is read row by row; the rows of several are joined in memory. Raises DataError.
    """
    feedback: dict[str, Label] = {}
    for source in sources:
        for txn_id, one in source.feedback():
            feedback[txn_id] = best_label(feedback.get(txn_id), one) or one
    rows = sources[0].rows() if len(sources) == 1 else _joined(sources)
    for row in rows:
        yield replace(row, label=best_label(row.label, feedback.get(row.transaction.txn_id)))


def stream_transactions(sources: Sequence[DataSource], window: Window = EVERYTHING) -> Iterator[LabelledTransaction]:
    """Yield the labelled transactions of all sources within the window's time. Raises DataError."""
    for row in stream_rows(sources):
        if row.category is not None and window.holds(row.at):
            yield row.labelled(row.category)


def _joined(sources: Sequence[DataSource]) -> Iterator[Row]:
    rows: dict[str, Row] = {}
    for source in sources:
        for row in source.rows():
            txn_id = row.transaction.txn_id
            first = rows.get(txn_id)
            if first is None:
                rows[txn_id] = row
            else:
                rows[txn_id] = Row(first.transaction, first.at, best_label(first.label, row.label))
    return iter(rows.values())


def read_transactions(
    data: Sequence[str] | Path | str, window: Window = EVERYTHING, data_map: DataMap = NATIVE
) -> list[LabelledTransaction]:
    """Return the labelled rows of one or several sources, oldest first. Raises DataError, also if there are none."""
    several = [str(data)] if isinstance(data, Path | str) else list(data)
    return read_sources([open_source(one, data_map) for one in several], window)


def read_sources(sources: Sequence[DataSource], window: Window = EVERYTHING) -> list[LabelledTransaction]:
    """Return the labelled rows of sources, oldest first. Raises DataError, also if there are none."""
    rows = window.choose(list(stream_transactions(sources, window)))
    if not rows:
        where = ", ".join(source.name for source in sources)
        raise DataError(f"{where}: no row with a category{window}; labelled transactions are required")
    return rows
