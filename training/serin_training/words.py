"""Which words a run knows, and rows as a sparse matrix over them.

A word enters when at least MIN_USERS users used it. What a word is, and how blocks are scaled, is serin_core's, as in
serving.
"""

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from serin_core.encoder import BLOCKS, blocks
from serin_core.features import MIN_USERS, Transaction

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The known words, each with its place."""

    places: dict[str, int]

    def matrix(self, transactions: Iterable[Transaction]) -> csr_matrix:
        """Answer one row a transaction and one column a known word: SCALE / sqrt(words in the block), or 0."""
        columns, values, ends = array("q"), array("d"), array("q", [0])
        for one in transactions:
            for words, scale in zip(blocks(one), BLOCKS, strict=True):
                known = [place for word in words if (place := self.places.get(word)) is not None]
                columns.extend(known)
                values.extend([scale / np.sqrt(len(words))] * len(known) if known else ())
            ends.append(len(columns))
        return csr_matrix(
            (np.array(values), np.array(columns, dtype=np.int32), np.array(ends)),
            shape=(len(ends) - 1, len(self.places)),
        )


def find_vocabulary(transactions: Sequence[Transaction]) -> Vocabulary:
    """Answer the words that at least MIN_USERS users used, in the order in which they come."""
    return Vocabulary({word: place for place, word in enumerate(_used_by_several(_pairs(transactions)))})


def find_channels(transactions: Sequence[Transaction]) -> tuple[str, ...]:
    """Answer the channels that at least MIN_USERS users used, in alphabetical order."""
    return tuple(sorted(_used_by_several((one.channel, one.user_id) for one in transactions if one.channel)))


def _pairs(transactions: Sequence[Transaction]) -> Iterable[tuple[str, str | None]]:
    return ((word, one.user_id) for one in transactions for block in blocks(one) for word in block)


def _used_by_several(pairs: Iterable[tuple[str, str | None]]) -> list[str]:
    """Answer the words of enough users. Of each word no more users are remembered than are needed."""
    users: dict[str, set[str]] = {}
    for word, user in pairs:
        if user:
            known = users.setdefault(word, set())
            if len(known) < MIN_USERS:
                known.add(user)
    return [word for word, known in users.items() if len(known) >= MIN_USERS]
