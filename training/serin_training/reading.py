"""Reading labelled transactions from a CSV file, plain or gzip. Never guesses an encoding, and never repairs a row."""

import csv
import gzip
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from serin_core.features import Transaction
from serin_training.errors import DataError

COLUMNS: Final = ("txn_id", "user_id", "timestamp", "merchant", "description", "amount", "channel", "category")
_GZIP: Final = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class Labelled:
    """A transaction, when it happened, and the category that a person gave it."""

    transaction: Transaction
    at: datetime
    """In UTC; a timestamp without an offset is taken as UTC."""
    category: str


@dataclass(frozen=True, slots=True)
class Window:
    """Which rows of a file count: from `since` (inclusive) until `until` (exclusive), of these the newest `limit`."""

    since: datetime | None = None
    until: datetime | None = None
    limit: int | None = None

    def choose(self, rows: Sequence[Labelled]) -> list[Labelled]:
        """Answer the rows that count, oldest first."""
        chosen = [
            row
            for row in rows
            if (self.since is None or row.at >= self.since) and (self.until is None or row.at < self.until)
        ]
        chosen.sort(key=lambda row: (row.at, row.transaction.txn_id))
        return chosen if self.limit is None else chosen[max(0, len(chosen) - self.limit) :]


EVERYTHING: Final = Window()


def read_transactions(path: Path | str, window: Window = EVERYTHING) -> list[Labelled]:
    """Read the labelled rows of a CSV (UTF-8, columns COLUMNS in any order, may be gzip), oldest first.

    Rows without a category are left out. Raises DataError.
    """
    path = Path(path)
    rows = window.choose(list(_read_rows(path)))
    if not rows:
        raise DataError(f"{path}: no row with a category is left to read; needed are labelled transactions")
    return rows


def _read_rows(path: Path) -> Iterator[Labelled]:
    lines: dict[str, int] = {}
    try:
        with _open(path) as text:
            reader = csv.DictReader(text)
            _check_header(path, reader.fieldnames)
            for row in reader:
                place = f"{path}, line {reader.line_num}"
                if None in row or None in row.values():
                    raise DataError(f"{place}: it has not as many fields as the header; quote fields that hold a comma")
                known = lines.setdefault(row["txn_id"], reader.line_num)
                if known != reader.line_num:
                    raise DataError(
                        f"{place}: txn_id {row['txn_id']!r} stood already on line {known}; each must be unique"
                    )
                if row["category"].strip():
                    yield _parse(row, place)
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8") from None
    except (gzip.BadGzipFile, EOFError) as error:
        raise DataError(f"{path}: the gzip file is damaged ({' '.join(str(error).split())})") from None
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}; needed is a CSV file that can be read") from None
    except csv.Error as error:
        raise DataError(f"{path}: it is no CSV ({error}); needed are the columns {', '.join(COLUMNS)}") from None


def _open(path: Path) -> io.TextIOWrapper:
    file = path.open("rb")
    is_gzip = file.read(2) == _GZIP
    file.seek(0)
    source = io.BufferedReader(gzip.GzipFile(fileobj=file)) if is_gzip else file
    return io.TextIOWrapper(source, encoding="utf-8-sig", newline="")


def _check_header(path: Path, found: Sequence[str] | None) -> None:
    if not found:
        raise DataError(f"{path}: it is empty; needed is a CSV with the columns {', '.join(COLUMNS)}")
    missing = [column for column in COLUMNS if column not in found]
    if missing:
        raise DataError(f"{path}: no column {', '.join(missing)}; needed are {', '.join(COLUMNS)}")
    if len(set(found)) != len(found):
        raise DataError(f"{path}: a column stands twice in the header; needed is each of {', '.join(COLUMNS)} once")


def _parse(row: Mapping[str, str], place: str) -> Labelled:
    timestamp = parse_time(row["timestamp"], place=f"{place}: timestamp")
    try:
        amount = float(row["amount"])
    except ValueError:
        amount = math.nan
    if not math.isfinite(amount):
        raise DataError(f"{place}: amount {row['amount']!r} is no number; write it as 12.50 or -12.50")
    transaction = Transaction(
        txn_id=row["txn_id"],
        merchant=row["merchant"],
        description=row["description"],
        amount=amount,
        channel=row["channel"],
        user_id=row["user_id"] or None,
        timestamp=timestamp,
    )
    return Labelled(transaction=transaction, at=as_utc(timestamp), category=row["category"].strip())


def parse_time(text: str, *, place: str) -> datetime:
    """Read an ISO 8601 date or time. Raises DataError that begins with `place`."""
    try:
        time = datetime.fromisoformat(text.strip())
        as_utc(time)
    except (ValueError, OverflowError):
        raise DataError(f"{place} {text!r} is no time; write it as 2026-01-31 or 2026-01-31T12:00:00+00:00") from None
    return time


def as_utc(time: datetime) -> datetime:
    """Answer a time in UTC; one without an offset is taken as UTC."""
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
