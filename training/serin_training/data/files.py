"""Files as data sources: CSV, plain or gzip, and Parquet, batch by batch."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from serin_core.contract.addresses import display_address, without_secrets
from serin_core.model.values import FIRST_YEAR, LAST_YEAR
from serin_training.data.csv_records import read_records, rows_of
from serin_training.data.data_map import COLUMNS, CREDIT, DEBIT, NATIVE, DataMap
from serin_training.data.rows import Label, Row
from serin_training.data.validation import check_records
from serin_training.errors import DataError

_BATCH: Final = 20_000
_TICKS: Final = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
"""In a second, by unit."""
_RANGE: Final = tuple(int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) for year in (FIRST_YEAR, LAST_YEAR + 1))
_NUMBER: Final = "a number"
_WANTED: Final = {
    "timestamp": "a timestamp, a date or text",
    "amount": _NUMBER,
    DEBIT: _NUMBER,
    CREDIT: _NUMBER,
}


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
                records = self._records(file)
                yield from check_records(self.name, enumerate(records, start=1), data_map=self.data_map)
        except OSError as error:
            message = error.strerror or without_secrets(" ".join(str(error).split()), str(self.path))[:200]
            raise DataError(f"{self.name}: {message}; give a Parquet file") from None
        except pa.ArrowInvalid as error:
            raise DataError(f"{self.name}: not a Parquet file ({' '.join(str(error).split())[:200]})") from None

    def _records(self, file: Any) -> Iterator[dict[str, Any]]:
        start = 1
        for batch in file.iter_batches(batch_size=_BATCH, columns=list(self.data_map.needed)):
            found = batch
            for at, field in enumerate(batch.schema):
                if pa.types.is_timestamp(field.type):
                    times = self._microseconds(batch.column(at), field, start)
                    found = found.set_column(at, field.name, times)
            yield from found.to_pylist()
            start += batch.num_rows

    def _microseconds(self, times: Any, field: Any, start: int) -> Any:
        """Return times in a unit that Python has, whatever the writer's. Raises DataError."""
        ticks = times.cast(pa.int64())
        first, end = (_TICKS[field.type.unit] * second for second in _RANGE)
        outside = pc.index(pc.or_kleene(pc.less(ticks, first), pc.greater_equal(ticks, end)), value=True).as_py()
        if outside >= 0:
            raise DataError(
                f"{self.name}, row {start + outside}: {field.name} is out of range ({FIRST_YEAR} to {LAST_YEAR})"
            )
        return times.cast(pa.timestamp("us", tz=field.type.tz), safe=False)


def _check_schema(name: str, schema: Any, data_map: DataMap) -> None:
    data_map.check_columns(name, schema.names)
    for target, column in data_map.columns.items():
        kind = schema.field(column).type
        if pa.types.is_dictionary(kind):
            kind = kind.value_type
        if pa.types.is_timestamp(kind):
            _check_zone(name, column, pa.timestamp("us", tz=kind.tz))
        # A map says how texts are numbers.
        if not _fits(target, kind) and (data_map.is_native or not _is_text(kind)):
            wanted = _WANTED.get(target, "text or a whole number")
            raise DataError(f"{name}: column {column} is of type {kind}; {wanted} is required")


def _check_zone(name: str, column: str, kind: Any) -> None:
    """Raise DataError if a column's time zone is unknown."""
    try:
        pa.scalar(0, kind).as_py()
    except (KeyError, ValueError, OSError):
        raise DataError(
            f"{name}: column {column} has the time zone {kind.tz!r}, which is unknown; write UTC or an IANA zone"
        ) from None


def _is_text(kind: Any) -> bool:
    is_text = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, pa.types.is_null)
    return any(one(kind) for one in is_text)


def _fits(target: str, kind: Any) -> bool:
    is_number = bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))
    match target:
        case "timestamp":
            return _is_text(kind) or bool(pa.types.is_timestamp(kind) or pa.types.is_date(kind))
        case "amount" | "debit" | "credit":
            return is_number
        case _:
            return _is_text(kind) or bool(pa.types.is_integer(kind)) or isinstance(kind, pa.UuidType)
