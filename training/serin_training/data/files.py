"""Files as data sources: CSV, plain or gzip, in UTF-8 (other encodings are refused), and Parquet, batch by batch."""

import csv
import gzip
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from serin_core.contract.addresses import display_address, without_secrets
from serin_training.data.rows import Label, Row
from serin_training.data.validation import COLUMNS, check_columns, check_records
from serin_training.errors import DataError

_GZIP: Final = b"\x1f\x8b"
_BATCH: Final = 20_000


@dataclass(frozen=True, slots=True)
class File:
    """Implements rows.DataSource except rows(), which depends on the file format."""

    path: Path

    @property
    def name(self) -> str:
        """Path of the file, without secrets."""
        return display_address(str(self.path))

    def fingerprint(self) -> str:
        """Return size and modification time. Raises DataError."""
        try:
            found = self.path.stat()
        except OSError as error:
            raise DataError(f"{self.name}: {error.strerror or error}; give a readable file") from None
        return f"{found.st_size} bytes, {found.st_mtime_ns}"

    def feedback(self) -> Iterator[tuple[str, Label]]:
        """Return nothing: a file has categories, but no feedback."""
        return iter(())


@dataclass(frozen=True, slots=True)
class CsvFile(File):
    """Implements rows.DataSource."""

    def rows(self) -> Iterator[Row]:
        """Yield the rows. Raises DataError."""
        path, line = self.name, 1

        def numbered(reader: "csv.DictReader[str]") -> Iterator[tuple[int, Mapping[str, Any]]]:
            nonlocal line
            for record in reader:
                line = reader.line_num
                if None in record or None in record.values():
                    raise DataError(
                        f"{path}, line {line}: not as many fields as in the header; quote fields that contain a comma"
                    )
                yield line, record

        try:
            with _open(self.path) as text:
                reader = csv.DictReader(text)
                if not reader.fieldnames:
                    raise DataError(f"{path}: the file is empty; give a CSV file with the columns {', '.join(COLUMNS)}")
                check_columns(path, reader.fieldnames)
                yield from check_records(path, numbered(reader), unit="line")
        except UnicodeDecodeError as error:
            raise DataError(
                f"{path}: byte {error.object[error.start]:#04x} near line {line} is not UTF-8; save the file as UTF-8"
            ) from None
        except (gzip.BadGzipFile, EOFError) as error:
            raise DataError(f"{path}: the gzip file is damaged ({' '.join(str(error).split())})") from None
        except OSError as error:
            raise DataError(f"{path}: {error.strerror or error}; give a readable file") from None
        except csv.Error as error:
            raise DataError(
                f"{path}, near line {line}: not valid CSV ({error}); required columns: {', '.join(COLUMNS)}"
            ) from None


def _open(path: Path) -> io.TextIOWrapper:
    file = path.open("rb")
    is_gzip = file.read(2) == _GZIP
    file.seek(0)
    source = io.BufferedReader(gzip.GzipFile(fileobj=file)) if is_gzip else file
    return io.TextIOWrapper(source, encoding="utf-8-sig", newline="")


@dataclass(frozen=True, slots=True)
class ParquetFile(File):
    """Implements rows.DataSource."""

    def rows(self) -> Iterator[Row]:
        """Yield the rows. Raises DataError."""
        try:
            with pq.ParquetFile(self.path) as file:
                _check_schema(self.name, file.schema_arrow)
                batches = file.iter_batches(batch_size=_BATCH, columns=list(COLUMNS))
                records = (record for batch in batches for record in batch.to_pylist())
                yield from check_records(self.name, enumerate(records, start=1))
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
