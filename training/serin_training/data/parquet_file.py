"""A Parquet file, read batch by batch."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from serin_core.contract.addresses import without_secrets
from serin_training.data.file import File
from serin_training.data.rows import Row
from serin_training.data.validation import COLUMNS, Unique, check_columns, check_record
from serin_training.errors import DataError

_BATCH: Final = 20_000


@dataclass(frozen=True, slots=True)
class ParquetFile(File):
    """Implements rows.DataSource."""

    def rows(self) -> Iterator[Row]:
        """Yield the rows. Raises DataError."""
        try:
            with pq.ParquetFile(self.path) as file:
                _check_schema(self.name, file.schema_arrow)
                unique = Unique(self.name, "row")
                number = 0
                for batch in file.iter_batches(batch_size=_BATCH, columns=list(COLUMNS)):
                    for record in batch.to_pylist():
                        number += 1
                        row = check_record(record, f"{self.name}, row {number}")
                        unique.add(row.transaction.txn_id, number)
                        yield row
                unique.check()
        except OSError as error:
            message = error.strerror or without_secrets(" ".join(str(error).split()), str(self.path))[:200]
            raise DataError(f"{self.name}: {message}; give a Parquet file") from None
        except pa.ArrowInvalid as error:
            raise DataError(f"{self.name}: not a Parquet file ({' '.join(str(error).split())[:200]})") from None


def _check_schema(name: str, schema: Any) -> None:
    check_columns(name, schema.names)
    for column in COLUMNS:
        kind = schema.field(column).type
        if pa.types.is_dictionary(kind):
            kind = kind.value_type
        if not _fits(column, kind):
            wanted = {"timestamp": "a timestamp, a date or text", "amount": "a number"}.get(column, "text or a number")
            raise DataError(f"{name}: column {column} is of type {kind}; {wanted} is required")


def _fits(column: str, kind: Any) -> bool:
    is_text: bool = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind)
    is_number: bool = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    match column:
        case "timestamp":
            return is_text or bool(pa.types.is_timestamp(kind) or pa.types.is_date(kind))
        case "amount":
            return is_number
        case _:
            return is_text or bool(pa.types.is_integer(kind))
