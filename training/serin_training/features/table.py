"""A part as a Parquet table: one row per labelled transaction, with its words.

Columns: those of a CSV source, `at` in UTC, and one list of words for each block. Any Parquet reader can open it.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import pyarrow as pa

from serin_core.model.features import Transaction
from serin_training.data.rows import LabelledTransaction
from serin_training.features.words import Words

_BLOCKS: Final = ("merchant_words", "merchant_pieces", "description_words")
_FIELDS: Final = ("txn_id", "user_id", "merchant", "description", "amount", "channel")
"""Of a transaction, stored as they are."""
_TEXT: Final = pa.dictionary(pa.int32(), pa.string())
SCHEMA: Final = pa.schema(
    [
        ("txn_id", pa.string()),
        ("user_id", pa.string()),
        ("at", pa.timestamp("us", tz="UTC")),
        ("timestamp", pa.string()),
        ("merchant", pa.string()),
        ("description", pa.string()),
        ("amount", pa.float64()),
        ("channel", _TEXT),
        ("category", _TEXT),
        ("is_accepted", pa.bool_()),
        *((name, pa.list_(_TEXT)) for name in _BLOCKS),
    ]
)


def to_table(rows: Sequence[LabelledTransaction]) -> pa.Table:
    """Extract the words of rows and return both as a table."""
    words = Words.of([row.transaction for row in rows])
    columns: dict[str, Any] = {name: [getattr(row.transaction, name) for row in rows] for name in _FIELDS}
    columns |= {
        "at": [row.at for row in rows],
        "timestamp": [_iso(row.transaction.timestamp) for row in rows],
        "category": [row.category for row in rows],
        "is_accepted": [row.is_accepted for row in rows],
    }
    columns |= dict(zip(_BLOCKS, _lists(words), strict=True))
    return pa.table(columns, schema=SCHEMA)


def _iso(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()


def _lists(words: Words) -> list[Any]:
    """Return one Arrow list per block, over one dictionary."""
    vocabulary = pa.array(words.vocabulary, type=pa.string())
    ends = np.cumsum(words.sizes.ravel(), dtype=np.int64).reshape(words.sizes.shape)
    found = []
    for block in range(words.sizes.shape[1]):
        sizes = words.sizes[:, block]
        starts = ends[:, block] - sizes
        # Indices of this block's words among all words of the part.
        chosen = np.repeat(starts - np.concatenate(([0], np.cumsum(sizes)[:-1])), sizes) + np.arange(sizes.sum())
        values = pa.DictionaryArray.from_arrays(pa.array(words.places[chosen]), vocabulary)
        offsets = np.concatenate(([0], np.cumsum(sizes))).astype(np.int32)
        found.append(pa.ListArray.from_arrays(pa.array(offsets), values))
    return found


def rows_of(table: pa.Table) -> list[LabelledTransaction]:
    """Return the labelled transactions of a table."""
    found = []
    for at, timestamp, category, is_accepted, *values in zip(
        *(table[name].to_pylist() for name in ("at", "timestamp", "category", "is_accepted", *_FIELDS)), strict=True
    ):
        time = None if timestamp is None else datetime.fromisoformat(timestamp)
        transaction = Transaction(**dict(zip(_FIELDS, values, strict=True)), timestamp=time)
        found.append(LabelledTransaction(transaction, at.astimezone(UTC), category, is_accepted=is_accepted))
    return found


def words_of(table: pa.Table) -> Words:
    """Return the words of a table's rows."""
    places: list[Any] = []
    sizes = []
    vocabulary: dict[str, int] = {}
    for name in _BLOCKS:
        lists = table[name].combine_chunks()
        values = lists.flatten()
        if not pa.types.is_dictionary(values.type):
            values = values.dictionary_encode()
        mapping = np.array([vocabulary.setdefault(word, len(vocabulary)) for word in values.dictionary.to_pylist()])
        indices = values.indices.to_numpy(zero_copy_only=False)
        places.append(mapping[indices].astype(np.int32) if len(indices) else np.zeros(0, dtype=np.int32))
        sizes.append(lists.value_lengths().to_numpy(zero_copy_only=False).astype(np.int32))
    by_row = np.stack(sizes, axis=1) if sizes else np.zeros((0, len(_BLOCKS)), dtype=np.int32)
    # Reordered from block by block to row by row; the words of a block keep their order.
    owner = np.concatenate(
        [np.repeat(np.arange(len(size)) * len(_BLOCKS) + block, size) for block, size in enumerate(sizes)]
    )
    order = np.argsort(owner, kind="stable")
    return Words(tuple(vocabulary), np.concatenate(places)[order], by_row)
