"""From one transaction to the numbers that a run's trees read: the same code in training and in serving, bit for bit.

Tables of log-odds, fitted by training, turn words into numbers: one table by token (words of the merchant and of the
description, told apart), one by merchant key. A word that no table knows adds nothing. Never reads a label, a user or a
clock, and never uses sum(): from Python 3.12 on it rounds otherwise than 3.11, and two interpreters would disagree.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import isfinite, log1p
from operator import add
from typing import Any, Final, Self

MIN_USERS: Final = 3
"""A token, merchant key or channel enters a run only when at least so many users used it (names of people stay out)."""
KEY_WORDS: Final = 3
"""A merchant key is made of at most this many words."""
STEM_LETTERS: Final = 5
"""Longer words of a description also count by their first letters: people type plurals and cut words."""
PIECE_LETTERS: Final = 3
"""A merchant also counts by pieces of so many letters: terminals cut names, and new shops are named like old ones."""

_PROCESSOR: Final = re.compile(
    r"(?:\s*\b(?:sq|tst|pp|paypal|sumup|zettle|stripe|py|sp|ezi|wpy|ic|dd|gpay|cke|bt|fs)\s?\*\s*)+"
)
_APOSTROPHE: Final = re.compile(r"(?<=\w)['\u2019`](?=\w)")
_WORD: Final = re.compile(r"[^\W\d_]+(?:&[^\W\d_]+)*")
_STORE: Final = re.compile(r"(?<=[^\W\d_])\W*[#*]|(?<=[^\W\d_])\W*\d")
_PLAIN: Final = (
    "log_amount",
    "is_refund",
    "weekday",
    "hour",
    "channel",
    "known_merchant_words",
    "known_description_words",
    "is_key_known",
)


@dataclass(frozen=True, slots=True)
class Transaction:
    """One bank transaction, as the service knows it. `amount` is negative for a refund."""

    txn_id: str
    merchant: str
    description: str = ""
    amount: float = 0.0
    channel: str = ""
    user_id: str | None = None
    timestamp: datetime | None = None


class EncoderError(ValueError):
    """An encoder file that does not fit. The message is one line."""


def normalise(text: str) -> str:
    """Answer the words of a text, one space apart: no case, accents, payment processor, numbers or punctuation.

    normalise(normalise(text)) == normalise(text).
    """
    return " ".join(_words(_plain(text)))


def merchant_key(merchant: str) -> str:
    """Answer the shop behind a merchant: its first words, up to the store number and the place printed behind it."""
    text = _plain(merchant)
    store = _STORE.search(text)
    named = [word for word in _words(text[: store.start()] if store else text) if len(word) > 1]
    return " ".join(named[:KEY_WORDS]) or " ".join(_words(text)[:KEY_WORDS])


def merchant_tokens(transaction: Transaction) -> list[str]:
    """Answer the tokens of a merchant: its words `m:...` and pieces `m^...`, each once, in order."""
    words = _words(_plain(transaction.merchant))
    joined = f"_{'_'.join(words)}_"
    pieces = [f"m^{joined[at : at + PIECE_LETTERS]}" for at in range(len(joined) - PIECE_LETTERS + 1)]
    return list(dict.fromkeys([*(f"m:{word}" for word in words if len(word) > 1), *pieces]))


def description_tokens(transaction: Transaction) -> list[str]:
    """Answer the tokens of a description: its words `d:...` and stems `d~...`, each once, in order."""
    words = [word for word in _words(_plain(transaction.description)) if len(word) > 1]
    stems = [f"d~{word[:STEM_LETTERS]}" for word in words if len(word) > STEM_LETTERS]
    return list(dict.fromkeys([*(f"d:{word}" for word in words), *stems]))


@dataclass(frozen=True, slots=True)
class Encoder:
    """The tables: for each token and each merchant key one log-odds number a class, in the order of `classes`."""

    classes: tuple[str, ...]
    channels: tuple[str, ...]
    by_token: Mapping[str, Sequence[float]]
    by_key: Mapping[str, Sequence[float]]

    @property
    def names(self) -> tuple[str, ...]:
        """Answer the name of every number of a vector, in order."""
        blocks = ("merchant", "description", "key")
        return (*(f"{block} {label}" for block in blocks for label in self.classes), *_PLAIN)

    def vector(self, transaction: Transaction) -> list[float]:
        """Answer the numbers of one transaction: len(self.names) finite floats, for a finite amount."""
        by_merchant, known_merchant = self._add(merchant_tokens(transaction))
        by_description, known_description = self._add(description_tokens(transaction))
        key = self.by_key.get(merchant_key(transaction.merchant))
        when, amount = transaction.timestamp, transaction.amount
        return [
            *by_merchant,
            *by_description,
            *(self._nothing() if key is None else key),
            log1p(abs(amount)),
            1.0 if amount < 0 else 0.0,
            -1.0 if when is None else float(when.weekday()),
            -1.0 if when is None else float(when.hour),
            float(self.channels.index(transaction.channel)) if transaction.channel in self.channels else -1.0,
            float(known_merchant),
            float(known_description),
            0.0 if key is None else 1.0,
        ]

    def strongest_words(self, transaction: Transaction, label: str, *, most: int = 3) -> list[str]:
        """Answer the words of a transaction that speak most for a class, strongest first. Raises ValueError."""
        place = self.classes.index(label)
        weighed: dict[str, float] = {}
        for token in (*merchant_tokens(transaction), *description_tokens(transaction)):
            odds = self.by_token.get(token)
            if odds is not None and odds[place] > 0 and token[1] == ":":
                weighed[token[2:]] = max(odds[place], weighed.get(token[2:], 0.0))
        return sorted(weighed, key=lambda word: (-weighed[word], word))[:most]

    def to_json(self) -> dict[str, Any]:
        """Answer the encoder as plain JSON values; from_json gives the same numbers back, bit for bit."""
        return {
            "classes": list(self.classes),
            "channels": list(self.channels),
            "tokens": {token: list(odds) for token, odds in self.by_token.items()},
            "keys": {key: list(odds) for key, odds in self.by_key.items()},
        }

    @classmethod
    def from_json(cls, found: Any) -> Self:
        """Read what to_json wrote. Raises EncoderError."""
        wanted = {"classes", "channels", "tokens", "keys"}
        if not isinstance(found, Mapping) or set(found) != wanted:
            raise EncoderError(f"encoder: expected exactly the keys {', '.join(sorted(wanted))}")
        classes, channels = (_strings(found[name], name) for name in ("classes", "channels"))
        by_token, by_key = (_table(found[name], name, width=len(classes)) for name in ("tokens", "keys"))
        return cls(classes=classes, channels=channels, by_token=by_token, by_key=by_key)

    def _nothing(self) -> list[float]:
        return [0.0] * len(self.classes)

    def _add(self, tokens: Iterable[str]) -> tuple[list[float], int]:
        rows = [odds for token in tokens if (odds := self.by_token.get(token)) is not None]
        total = list(rows[0]) if rows else self._nothing()
        for odds in rows[1:]:
            total = list(map(add, total, odds))
        return total, len(rows)


def _plain(text: str) -> str:
    """Answer a text without case, accents, apostrophes and payment processors."""
    text = text.casefold()
    if not text.isascii():
        text = "".join(
            sign for sign in unicodedata.normalize("NFKD", text) if not unicodedata.combining(sign)
        ).casefold()
    if "*" in text:
        text = _PROCESSOR.sub(" ", text)
    return _APOSTROPHE.sub("", text)


def _words(plain: str) -> list[str]:
    return _WORD.findall(plain)


def _strings(found: Any, name: str) -> tuple[str, ...]:
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found) or len(set(found)) != len(found):
        raise EncoderError(f"encoder: {name} must be a list of different texts")
    return tuple(found)


def _table(found: Any, name: str, *, width: int) -> dict[str, list[float]]:
    if not isinstance(found, Mapping):
        raise EncoderError(f"encoder: {name} must hold {width} numbers a word")
    table = {}
    for word, odds in found.items():
        is_row = isinstance(odds, list) and len(odds) == width and all(isinstance(one, int | float) for one in odds)
        if not is_row or not all(map(isfinite, odds)):
            raise EncoderError(f"encoder: {name}[{word!r}] must hold {width} finite numbers")
        table[word] = [float(value) for value in odds]
    return table
