"""The demo's transactions: 70 % to train on, later ones as traffic with their categories as feedback."""

import csv
import gzip
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

Row = Mapping[str, str]
TRAINING_SHARE = 0.7
MAX_TRAINING_ROWS = 40_000
"""The newest rows before the split; more would only make the demo longer."""
MAX_TRAFFIC_ROWS = 20_000
COLUMNS = ("txn_id", "user_id", "timestamp", "merchant", "description", "amount", "channel", "category")


class DataError(ValueError):
    """The demo cannot use a file. The message is one line."""


@dataclass(frozen=True, slots=True)
class Halves:
    """Transactions to train on, and later ones as traffic."""

    training: Sequence[Row]
    traffic: Sequence[Row]


def split(path: Path) -> Halves:
    """Read a CSV (or .csv.gz) and split it by time. Raises DataError."""
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: {error}") from None
    missing = [column for column in COLUMNS if not rows or column not in rows[0]]
    if missing:
        raise DataError(f"{path}: columns {', '.join(missing)} are missing; required: {', '.join(COLUMNS)}")
    rows.sort(key=lambda row: row["timestamp"])
    middle = int(len(rows) * TRAINING_SHARE)
    return Halves(training=rows[:middle][-MAX_TRAINING_ROWS:], traffic=rows[middle:][:MAX_TRAFFIC_ROWS])


def write(path: Path, rows: Iterable[Row]) -> None:
    """Write rows as a CSV that `serin train` reads."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows({column: row[column] for column in COLUMNS} for row in rows)


def outdated(rows: Sequence[Row]) -> list[Row]:
    """Return the same transactions with the categories of an outdated taxonomy.

    The most frequent classes, 70 % of all transactions, each have the name of the next one. A model learns these names
    as easily as the present ones and passes its acceptance gate, but is wrong in production.
    """
    counts = Counter(row["category"] for row in rows)
    moved: list[str] = []
    for category, _ in counts.most_common():
        if moved and sum(counts[one] for one in moved) > 0.7 * len(rows):
            break
        moved.append(category)
    renamed = dict(zip(moved, moved[1:] + moved[:1], strict=True))
    return [{**row, "category": renamed.get(row["category"], row["category"])} for row in rows]


def without_descriptions(rows: Iterable[Row]) -> list[Row]:
    """Return the same transactions without descriptions."""
    return [{**row, "description": ""} for row in rows]


def garbled(row: Row) -> Row:
    """Return a transaction with a terminal number as its merchant, as after a software update of payment terminals.

    The merchant's name moves into the description, so that a model that reads both still finds it.
    """
    number = sum(row["merchant"].encode()) % 9000 + 1000
    return {**row, "merchant": f"ECR {number}", "description": f"{row['merchant']} {row['description']}".strip()}
