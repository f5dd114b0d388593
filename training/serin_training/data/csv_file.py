"""A CSV file, plain or gzip, in UTF-8; other encodings are refused."""

import csv
import gzip
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from serin_training.data.file import File
from serin_training.data.rows import Row
from serin_training.data.validation import COLUMNS, Unique, check_columns, check_record
from serin_training.errors import DataError

_GZIP: Final = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class CsvFile(File):
    """Implements rows.DataSource."""

    def rows(self) -> Iterator[Row]:
        """Yield the rows. Raises DataError."""
        path = self.name
        line = 1
        try:
            with _open(self.path) as text:
                reader = csv.DictReader(text)
                if not reader.fieldnames:
                    raise DataError(f"{path}: the file is empty; give a CSV file with the columns {', '.join(COLUMNS)}")
                check_columns(path, reader.fieldnames)
                unique = Unique(path, "line")
                for record in reader:
                    line = reader.line_num
                    place = f"{path}, line {line}"
                    if None in record or None in record.values():
                        raise DataError(
                            f"{place}: not as many fields as in the header; quote fields that contain a comma"
                        )
                    row = check_record(record, place)
                    unique.add(row.transaction.txn_id, line)
                    yield row
                unique.check()
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
