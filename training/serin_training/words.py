"""The words of rows, read once, as a sparse matrix; and which of them a run may know.

A word enters a run when at least MIN_USERS users used it. What a word is, and how blocks are scaled, is serin_core's.
"""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from serin_core.encoder import BLOCKS, blocks
from serin_core.features import MIN_USERS, Transaction

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Corpus:
    """All words of some rows."""

    words: tuple[str, ...]
    matrix: csr_matrix
    """One row a transaction and one column a word: SCALE / sqrt(words in the block), or 0."""
    users: Ints
    """A number a user, by row; -1 where a row has none."""

    def known(self, rows: Ints) -> Ints:
        """Answer the columns of the words that at least MIN_USERS users used in these rows."""
        chosen = self.matrix[rows]
        users = np.repeat(self.users[rows], np.diff(chosen.indptr))
        has_user = users >= 0
        return _used_by_several(chosen.indices[has_user].astype(np.int64), users[has_user], of=len(self.words))


def read_words(transactions: Sequence[Transaction]) -> Corpus:
    """Look up the words of all transactions."""
    places: dict[str, int] = {}
    columns, values, ends = array("i"), array("d"), array("q", [0])
    for one in transactions:
        for words, scale in zip(blocks(one), BLOCKS, strict=True):
            if words:
                columns.extend([places.setdefault(word, len(places)) for word in words])
                values.extend([scale / sqrt(len(words))] * len(words))
        ends.append(len(columns))
    matrix = csr_matrix(
        (np.frombuffer(values), np.frombuffer(columns, dtype=np.int32), np.frombuffer(ends, dtype=np.int64)),
        shape=(len(transactions), len(places)),
    )
    return Corpus(words=tuple(places), matrix=matrix, users=_numbered([one.user_id for one in transactions]))


def find_channels(transactions: Sequence[Transaction]) -> tuple[str, ...]:
    """Answer the channels that at least MIN_USERS users used, in alphabetical order."""
    names = sorted({one.channel for one in transactions} - {""})
    place = {name: at for at, name in enumerate(names)}
    told = [one for one in transactions if one.user_id and one.channel]
    channels = np.array([place[one.channel] for one in told], dtype=np.int64)
    return tuple(
        names[at] for at in _used_by_several(channels, _numbered([one.user_id for one in told]), of=len(names))
    )


def _numbered(users: Sequence[str | None]) -> Ints:
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(user, len(numbers)) if user else -1 for user in users], dtype=np.int64)


def _used_by_several(words: Ints, users: Ints, *, of: int) -> Ints:
    many = int(users.max(initial=0)) + 1
    pairs = np.unique(words * many + users)
    return np.flatnonzero(np.bincount(pairs // many, minlength=of) >= MIN_USERS)
