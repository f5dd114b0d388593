"""A CSV file, plain or gzip, in UTF-8. Never guesses an encoding."""

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
    """Implements rows.Source."""

    def rows(self) -> Iterator[Row]:
        """Answer its rows. Raises DataError."""
        path = self.name
        line = 1
        try:
            with _open(self.path) as text:
                reader = csv.DictReader(text)
                if not reader.fieldnames:
                    raise DataError(f"{path}: it is empty; needed is a CSV with the columns {', '.join(COLUMNS)}")
                check_columns(path, reader.fieldnames)
                unique = Unique(path, "line")
                for record in reader:
                    line = reader.line_num
                    place = f"{path}, line {line}"
                    if None in record or None in record.values():
                        raise DataError(
                            f"{place}: it has not as many fields as the header; quote fields that hold a comma"
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
            raise DataError(f"{path}: {error.strerror or error}; needed is a file that can be read") from None
        except csv.Error as error:
            raise DataError(
                f"{path}, near line {line}: it is no CSV ({error}); needed are the columns {', '.join(COLUMNS)}"
            ) from None


def _open(path: Path) -> io.TextIOWrapper:
    file = path.open("rb")
    is_gzip = file.read(2) == _GZIP
    file.seek(0)
    source = io.BufferedReader(gzip.GzipFile(fileobj=file)) if is_gzip else file
    return io.TextIOWrapper(source, encoding="utf-8-sig", newline="")
