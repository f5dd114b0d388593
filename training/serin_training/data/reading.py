"""All sources as one: `--data` in a person's words to labelled transactions, oldest first.

Where several sources name one transaction, the first of them tells what it was, and all of them how it is labelled.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from serin_core.contract.addresses import display_address
from serin_training.data.csv_file import CsvFile
from serin_training.data.database import DATABASES, Database
from serin_training.data.parquet_file import ParquetFile
from serin_training.data.rows import EVERYTHING, LabelledTransaction, Row, Said, Source, Window, settle
from serin_training.errors import DataError

_PARQUET: Final = (".parquet", ".pq")


def open_source(data: Path | str) -> Source:
    """Answer the source that a text names: a CSV or Parquet file, or a database by URL. Raises DataError."""
    text = str(data)
    if text.startswith(DATABASES):
        return Database.parse(text)
    if "://" in text:
        scheme = display_address(text).partition("://")[0]
        raise DataError(f"{scheme}:// is not known; give a file, or one of {', '.join(DATABASES)}")
    path = Path(text)
    return ParquetFile(path) if path.suffix in _PARQUET else CsvFile(path)


def stream_transactions(sources: Sequence[Source], window: Window = EVERYTHING) -> Iterator[LabelledTransaction]:
    """Answer the labelled transactions of all sources that lie in the window's time, in the sources' order.

    One source is read row by row; of several, the rows are joined in memory. Raises DataError.
    """
    said: dict[str, Said] = {}
    for source in sources:
        for txn_id, one in source.feedback():
            said[txn_id] = _best(said.get(txn_id), one) or one
    rows = sources[0].rows() if len(sources) == 1 else _joined(sources)
    for row in rows:
        found = _best(row.said, said.get(row.transaction.txn_id))
        if found is not None and window.holds(row.at):
            yield row.labelled(found.label)


def _joined(sources: Sequence[Source]) -> Iterator[Row]:
    rows: dict[str, Row] = {}
    for source in sources:
        for row in source.rows():
            txn_id = row.transaction.txn_id
            first = rows.get(txn_id)
            if first is None:
                rows[txn_id] = row
            else:
                rows[txn_id] = Row(first.transaction, first.at, _best(first.said, row.said))
    return iter(rows.values())


def _best(*said: Said | None) -> Said | None:
    return settle([one for one in said if one is not None])


def read_transactions(data: Sequence[str] | Path | str, window: Window = EVERYTHING) -> list[LabelledTransaction]:
    """Read the labelled rows of one source or of several, oldest first. Raises DataError, also where there is none."""
    several = [str(data)] if isinstance(data, Path | str) else list(data)
    sources = [open_source(one) for one in several]
    rows = window.choose(list(stream_transactions(sources, window)))
    if not rows:
        where = ", ".join(source.name for source in sources)
        raise DataError(f"{where}: no row with a category is left to read; needed are labelled transactions")
    return rows
