"""Files as data sources: CSV, plain or gzip, and Parquet, batch by batch."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from serin_core.contract.addresses import display_address, without_secrets
from serin_training.data.csv_records import read_records, rows_of
from serin_training.data.data_map import COLUMNS, NATIVE, DataMap
from serin_training.data.rows import Label, Row
from serin_training.data.validation import check_records
from serin_training.errors import DataError

_BATCH: Final = 20_000


@dataclass(frozen=True, slots=True)
class File:
    """Implements rows.DataSource except rows(), which depends on the file format."""

    path: Path
    data_map: DataMap = NATIVE

    @property
    def name(self) -> str:
        """Path of the file, without secrets."""
        return display_address(str(self.path))

    def fingerprint(self) -> str:
        """Return size and modification time, and a hash of the map if there is one. Raises DataError."""
        try:
            found = self.path.stat()
        except OSError as error:
            raise DataError(f"{self.name}: {error.strerror or error}; give a readable file") from None
        mapped = "" if self.data_map == NATIVE else f", map {_hash(self.data_map)}"
        return f"{found.st_size} bytes, {found.st_mtime_ns}{mapped}"

    def feedback(self) -> Iterator[tuple[str, Label]]:
        """Return nothing: a file has categories, but no feedback."""
        return iter(())

    def assumptions(self) -> tuple[str, ...]:
        """Return how the file is read, if not in Serin's own format."""
        return self.data_map.assumptions(self.path.name)


def _hash(data_map: DataMap) -> str:
    return hashlib.sha256(data_map.model_dump_json().encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class CsvFile(File):
    """Implements rows.DataSource."""

    def rows(self) -> Iterator[Row]:
        """Yield the rows. Raises DataError."""
        records = read_records(self.path, self.name, self.data_map)
        first = next(records, None)
        if first is None:
            raise DataError(f"{self.name}: the file is empty; give a CSV file with the columns {', '.join(COLUMNS)}")
        header = first[1]
        if not self.data_map.header:
            records, header = chain([first], records), [str(number) for number in range(1, len(header) + 1)]
        elif not self.data_map.is_native:
            header = [name.strip() for name in header]
        self.data_map.check_columns(self.name, header)
        rows = rows_of(self.name, self.data_map, header, records)
        yield from check_records(self.name, rows, unit="line", data_map=self.data_map)


@dataclass(frozen=True, slots=True)
class ParquetFile(File):
    """Implements rows.DataSource."""

    def rows(self) -> Iterator[Row]:
        """Yield the rows. Raises DataError."""
        try:
            with pq.ParquetFile(self.path) as file:
                _check_schema(self.name, file.schema_arrow, self.data_map)
                batches = file.iter_batches(batch_size=_BATCH, columns=list(self.data_map.needed))
                records = (record for batch in batches for record in batch.to_pylist())
                yield from check_records(self.name, enumerate(records, start=1), data_map=self.data_map)
        except OSError as error:
            message = error.strerror or without_secrets(" ".join(str(error).split()), str(self.path))[:200]
            raise DataError(f"{self.name}: {message}; give a Parquet file") from None
        except pa.ArrowInvalid as error:
            raise DataError(f"{self.name}: not a Parquet file ({' '.join(str(error).split())[:200]})") from None


def _check_schema(name: str, schema: Any, data_map: DataMap) -> None:
    data_map.check_columns(name, schema.names)
    for target, column in data_map.columns.items():
        kind = schema.field(column).type
        if pa.types.is_dictionary(kind):
            kind = kind.value_type
        # A map says how texts are numbers.
        if not _fits(target, kind) and (data_map.is_native or not _is_text(kind)):
            wanted = {"timestamp": "a timestamp, a date or text", "amount": "a number"}.get(target, "text or a number")
            raise DataError(f"{name}: column {column} is of type {kind}; {wanted} is required")


def _is_text(kind: Any) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind))


def _fits(target: str, kind: Any) -> bool:
    is_number = bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))
    match target:
        case "timestamp":
            return _is_text(kind) or bool(pa.types.is_timestamp(kind) or pa.types.is_date(kind))
        case "amount" | "debit" | "credit":
            return is_number
        case _:
            return _is_text(kind) or bool(pa.types.is_integer(kind))
