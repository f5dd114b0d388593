"""Extracting the words of transactions, part by part; and which words a run may know.

Parts are extracted independently and merged afterwards: the same code for one machine, for workers of a cluster, and
for cached parts. Counts do not depend on how the rows are divided into parts.

A word enters a run if at least MIN_USERS users used it. `serin_core.model` defines what a word is and how the blocks of
words (of merchant and description) are scaled.
"""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from serin_core.model.encoder import BLOCKS, blocks
from serin_core.model.features import MIN_USERS, Transaction
from serin_training.arrays import Ints


@dataclass(frozen=True, slots=True)
class Words:
    """The words of one part's transactions."""

    vocabulary: Sequence[str]
    """The different words of the part."""
    places: NDArray[np.int32]
    """Index of each word in the vocabulary, row by row and block by block."""
    sizes: NDArray[np.int32]
    """Number of words of each block, of shape (rows, blocks)."""

    @classmethod
    def of(cls, transactions: Sequence[Transaction]) -> Self:
        """Extract the words of transactions."""
        vocabulary: dict[str, int] = {}
        places, sizes = array("i"), array("i")
        for one in transactions:
            for words in blocks(one):
                places.extend([vocabulary.setdefault(word, len(vocabulary)) for word in words])
                sizes.append(len(words))
        return cls(
            vocabulary=tuple(vocabulary),
            places=np.frombuffer(places, dtype=np.int32),
            sizes=np.frombuffer(sizes, dtype=np.int32).reshape(-1, len(BLOCKS)),
        )


@dataclass(frozen=True, slots=True)
class Corpus:
    """The words of some rows."""

    words: tuple[str, ...]
    matrix: csr_matrix
    """Shape (transactions, words): scale of the block / sqrt(words in the block), or 0."""
    users: Ints
    """User number by row; -1 without a user."""

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.users)

    def users_by_word(self, rows: Ints) -> Ints:
        """Return the number of users of each word in these rows."""
        chosen = self.matrix[rows]
        users = np.repeat(self.users[rows], np.diff(chosen.indptr))
        has_user = users >= 0
        return _users_by_word(chosen.indices[has_user].astype(np.int64), users[has_user], of=len(self.words))

    def known(self, rows: Ints) -> Ints:
        """Return the columns of the words that at least MIN_USERS users used in these rows."""
        return np.flatnonzero(self.users_by_word(rows) >= MIN_USERS)

    def select(self, rows: Ints) -> "Corpus":
        """Return these rows, in this order, with the same columns."""
        return Corpus(self.words, self.matrix[rows], self.users[rows])


def merge(parts: Sequence[Words], users: Sequence[str | None]) -> Corpus:
    """Merge parts; `users` are those of all their rows."""
    columns: dict[str, int] = {}
    found = []
    for part in parts:
        column = [columns.setdefault(word, len(columns)) for word in part.vocabulary]
        found.append(np.array(column, dtype=np.int32)[part.places])
    sizes = np.concatenate([part.sizes for part in parts]) if parts else np.zeros((0, len(BLOCKS)), dtype=np.int32)
    scaled = np.array(BLOCKS) / np.sqrt(np.maximum(sizes, 1))
    matrix = csr_matrix(
        (
            np.repeat(scaled.ravel(), sizes.ravel()),
            np.concatenate(found) if found else np.zeros(0, dtype=np.int32),
            np.concatenate(([0], np.cumsum(sizes.sum(axis=1, dtype=np.int64)))),
        ),
        shape=(len(sizes), len(columns)),
    )
    return Corpus(words=tuple(columns), matrix=matrix, users=_numbered(users))


def find_channels(transactions: Sequence[Transaction]) -> tuple[str, ...]:
    """Return the channels that at least MIN_USERS users used, in alphabetical order."""
    names = sorted({one.channel for one in transactions} - {""})
    place = {name: at for at, name in enumerate(names)}
    known = [one for one in transactions if one.user_id and one.channel]
    channels = np.array([place[one.channel] for one in known], dtype=np.int64)
    users = _users_by_word(channels, _numbered([one.user_id for one in known]), of=len(names))
    return tuple(names[at] for at in np.flatnonzero(users >= MIN_USERS))


def _numbered(users: Sequence[str | None]) -> Ints:
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(user, len(numbers)) if user else -1 for user in users], dtype=np.int64)


def _users_by_word(words: Ints, users: Ints, *, of: int) -> Ints:
    many = int(users.max(initial=0)) + 1
    pairs = np.unique(words * many + users)
    counted: Ints = np.bincount(pairs // many, minlength=of).astype(np.int64)
    return counted
