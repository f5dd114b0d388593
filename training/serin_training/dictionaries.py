"""Fitting the encoder: log-odds of tokens and merchant keys, and the vectors that the trees learn from.

A dictionary knows the labels of the rows it was counted on. Rows that teach the trees are therefore encoded out of
fold, by dictionaries that did not count them; else the trees learn to trust the tables more than they deserve. Never
computes a number of a vector itself: that is serin_core.features, as in serving.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Final
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from serin_core.features import (
    MIN_USERS,
    Encoder,
    Transaction,
    description_tokens,
    merchant_key,
    merchant_tokens,
)
from serin_training.reading import Labelled

FOLDS: Final = 5
SMOOTHING: Final = 2.0
"""Rows by which every count is drawn to the share of its class: a word seen once says little."""
_DIGITS: Final = 4
_SCRAMBLED: Final = 0.04
"""The share of rows whose merchant is unreadable to the trees, so that they learn to doubt what no dictionary knows."""
_APART: Final = 0.2
"""The share of merchants whose rows stay together in one fold: to these rows their own merchant is one never seen."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Words:
    """Which rows hold which words: parallel arrays, one entry a row and word."""

    vocabulary: tuple[str, ...]
    row: Ints
    word: Ints


@dataclass(frozen=True, slots=True)
class Counted:
    """Labelled rows with their words looked up once, ready to be counted in any selection."""

    transactions: tuple[Transaction, ...]
    classes: tuple[str, ...]
    labels: Ints
    users: Ints
    """A number a user, -1 where a row has none."""
    channels: Ints
    channel_names: tuple[str, ...]
    tokens: _Words
    keys: _Words

    def encoder(self, chosen: NDArray[np.bool_]) -> Encoder:
        """Fit the tables on the chosen rows, a mask over all rows."""
        names = self.channel_names
        used = _users_a_word(self.channels, self.users, chosen=chosen, words=len(names))
        prior = np.bincount(self.labels[chosen], minlength=len(self.classes)) + 1.0
        share = prior / prior.sum()
        return Encoder(
            classes=self.classes,
            channels=tuple(name for name, users in zip(names, used, strict=True) if users >= MIN_USERS and name),
            by_token=self._table(self.tokens, chosen, share),
            by_key=self._table(self.keys, chosen, share),
        )

    def _table(self, words: _Words, chosen: NDArray[np.bool_], share: Floats) -> dict[str, list[float]]:
        """Answer log-odds of each class given a word, less the log-odds of the class.

        p = (rows of the class with the word + SMOOTHING * share) / (rows with the word + SMOOTHING)
        """
        width = len(self.classes)
        entries = chosen[words.row]
        row, word = words.row[entries], words.word[entries]
        counts = np.bincount(word * width + self.labels[row], minlength=len(words.vocabulary) * width)
        users = _users_a_word(word, self.users[row], chosen=None, words=len(words.vocabulary))
        kept = np.flatnonzero(users >= MIN_USERS)
        by_class = counts.reshape(-1, width)[kept].astype(np.float64)
        p = (by_class + SMOOTHING * share) / (by_class.sum(axis=1, keepdims=True) + SMOOTHING)
        odds = np.log(p / (1 - p)) - np.log(share / (1 - share))
        rows: list[list[float]] = np.round(odds, _DIGITS).tolist()
        return {words.vocabulary[place]: values for place, values in zip(kept.tolist(), rows, strict=True)}


def count(rows: Sequence[Labelled], classes: tuple[str, ...]) -> Counted:
    """Look up the words of all rows."""
    transactions = tuple(row.transaction for row in rows)
    place = {label: number for number, label in enumerate(classes)}
    _, users = _numbered(one.user_id or "" for one in transactions)
    channel_names, channels = _numbered(one.channel for one in transactions)
    has_user = np.array([bool(one.user_id) for one in transactions])
    return Counted(
        transactions=transactions,
        classes=classes,
        labels=np.array([place[row.category] for row in rows], dtype=np.int64),
        users=np.where(has_user, users, -1),
        channels=channels,
        channel_names=channel_names,
        tokens=_look_up(transactions, lambda one: [*merchant_tokens(one), *description_tokens(one)]),
        keys=_look_up(transactions, lambda one: [merchant_key(one.merchant)]),
    )


def vectors(encoder: Encoder, transactions: Iterable[Transaction]) -> Floats:
    """Answer Encoder.vector of each transaction, one a row."""
    return np.array([encoder.vector(one) for one in transactions], dtype=np.float64).reshape(-1, len(encoder.names))


def out_of_fold_vectors(counted: Counted, *, seed: int) -> Floats:
    """Answer the vector of each row by an encoder that was fitted without the row's fold, a few of them scrambled."""
    folds = _folds(counted, seed=seed)
    transactions = _scramble(counted.transactions, seed=seed)
    found: Floats | None = None
    for fold in range(FOLDS):
        inside = folds == fold
        encoded = vectors(counted.encoder(~inside), (transactions[place] for place in np.flatnonzero(inside).tolist()))
        if found is None:
            found = np.zeros((len(folds), encoded.shape[1]))
        found[inside] = encoded
    assert found is not None  # noqa: S101 - FOLDS is at least 1
    return found


def _scramble(transactions: Sequence[Transaction], *, seed: int) -> list[Transaction]:
    """Answer the transactions, the letters of some merchants in any order."""
    chance = Random(seed)  # noqa: S311 - variety, not secrecy
    return [
        replace(one, merchant="".join(chance.sample(one.merchant, k=len(one.merchant))))
        if chance.random() < _SCRAMBLED
        else one
        for one in transactions
    ]


def _folds(counted: Counted, *, seed: int) -> Ints:
    """Answer a fold a row: one for all rows of some merchants, any for each row of the others."""
    key_of_row = counted.keys.word[np.argsort(counted.keys.row, kind="stable")]
    hashes = np.array([crc32(f"{seed} {key}".encode()) for key in counted.keys.vocabulary], dtype=np.int64)
    by_row = np.random.default_rng(seed).integers(FOLDS, size=len(counted.labels))
    together = (hashes // FOLDS % 1000) < _APART * 1000
    return np.where(together[key_of_row], hashes[key_of_row] % FOLDS, by_row)


def _numbered(texts: Iterable[str]) -> tuple[tuple[str, ...], Ints]:
    names: dict[str, int] = {}
    numbers = [names.setdefault(text, len(names)) for text in texts]
    return tuple(names), np.array(numbers, dtype=np.int64)


def _look_up(transactions: Iterable[Transaction], words: Callable[[Transaction], list[str]]) -> _Words:
    numbers: dict[str, int] = {}
    rows: list[int] = []
    found: list[int] = []
    for row, transaction in enumerate(transactions):
        for word in words(transaction):
            rows.append(row)
            found.append(numbers.setdefault(word, len(numbers)))
    return _Words(tuple(numbers), row=np.array(rows, dtype=np.int64), word=np.array(found, dtype=np.int64))


def _users_a_word(word: Ints, users: Ints, *, chosen: NDArray[np.bool_] | None, words: int) -> Ints:
    """Answer how many different users used each word."""
    known = users >= 0 if chosen is None else chosen & (users >= 0)
    many = int(users.max(initial=0)) + 1
    pairs = np.unique(word[known] * many + users[known])
    return np.bincount(pairs // many, minlength=words)
