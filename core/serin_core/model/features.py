"""Features of a transaction: its words and numbers, computed by the same code in training and in serving.

They depend on neither label, user nor clock.
"""

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import pairwise
from math import log1p
from typing import Final

MIN_USERS: Final = 3
"""Minimum number of users of a word or channel that a run learns; keeps names of persons out."""
KEY_WORDS: Final = 3
"""Maximum number of words of a merchant key."""
PIECE_LETTERS: Final = (3, 4)
"""Lengths of a merchant's character n-grams: terminals truncate names, and names of new shops resemble known ones."""
NUMBERS: Final = ("log_amount", "is_refund", "weekday", "hour", "channel")
"""The numeric features, in the order in which the trees read them."""
_CACHED_TEXTS: Final = 64
"""Rules, scores and reasons all need the words of the same transaction, so that the last texts are cached."""

_PROCESSOR: Final = re.compile(
    r"(?:\s*\b(?:sq|tst|pp|paypal|sumup|zettle|stripe|py|sp|ezi|wpy|ic|dd|gpay|cke|bt|fs)\s?\*\s*)+"
)
_APOSTROPHE: Final = re.compile(r"(?<=\w)['\u2019`](?=\w)")
_WORD: Final = re.compile(r"(?<![^\W_])\d*+[^\W\d_][^\W_]*+(?:&\d*+[^\W\d_][^\W_]*+)*")
_STORE_NUMBER: Final = re.compile(r"(?<=(?:[^\W\d_]|&){3})\d+(?![^\W_&])")
_WORD_OR_NUMBER: Final = re.compile(r"[^\W_]+(?:&[^\W_]+)*")
_STORE: Final = re.compile(r"(?<=[^\W\d_])\W*[#*]|(?<=[^\W\d_])\W*\d")


@dataclass(frozen=True, slots=True)
class Transaction:
    """A bank transaction. `amount` is negative for a refund."""

    txn_id: str
    merchant: str
    description: str = ""
    amount: float = 0.0
    channel: str = ""
    user_id: str | None = None
    timestamp: datetime | None = None


def normalise(text: str) -> str:
    """Return the words of a text, separated by spaces, without case, accents, payment processor, numbers, punctuation.

    Digits within a word stay (q8, a1, 3m, h2o), except a number at the end of three letters or more: it is a store's.
    Idempotent.
    """
    return " ".join(_words(_plain(text)))


def merchant_key(merchant: str) -> str:
    """Return a merchant's name: its first words, without the store number and the place after it."""
    text = _plain(merchant)
    store = _STORE.search(text)
    named = [word for word in _words(text[: store.start()] if store else text) if len(word) > 1]
    return " ".join(named[:KEY_WORDS]) or " ".join(_words(text)[:KEY_WORDS])


def merchant_words(merchant: str) -> list[str]:
    """Return the unique words and numbers of a merchant and its word pairs, as `m:...`, in order."""
    words = _terms(merchant)
    single = [f"m:{word}" for word in words if len(word) > 1]
    pairs = [f"m:{one} {other}" for one, other in pairwise(words)]
    return list(dict.fromkeys(single + pairs))


def merchant_pieces(merchant: str) -> list[str]:
    """Return the unique character n-grams of a merchant, as `m^...`, across its words, in order."""
    joined = f"_{'_'.join(_terms(merchant))}_"
    return list(
        dict.fromkeys(
            [f"m^{joined[at : at + letters]}" for letters in PIECE_LETTERS for at in range(len(joined) - letters + 1)]
        )
    )


def description_words(description: str) -> list[str]:
    """Return the unique words and numbers of a description, as `d:...`, in order."""
    return list(dict.fromkeys([f"d:{word}" for word in _terms(description) if len(word) > 1]))


def numbers(transaction: Transaction, channels: tuple[str, ...]) -> list[float]:
    """Return NUMBERS of a transaction, -1 for an unknown one; finite for a finite amount."""
    when, amount, channel = transaction.timestamp, transaction.amount, transaction.channel
    return [
        log1p(abs(amount)),
        1.0 if amount < 0 else 0.0,
        -1.0 if when is None else float(when.weekday()),
        -1.0 if when is None else float(when.hour),
        float(channels.index(channel)) if channel in channels else -1.0,
    ]


@lru_cache(_CACHED_TEXTS)
def _terms(text: str) -> tuple[str, ...]:
    """Return the words and numbers of a text, in order."""
    return tuple(_WORD_OR_NUMBER.findall(_plain(text)))


@lru_cache(_CACHED_TEXTS)
def _plain(text: str) -> str:
    """Return a text without case, accents, apostrophes and payment processors."""
    text = text.casefold()
    if not text.isascii():
        text = "".join(
            sign for sign in unicodedata.normalize("NFKD", text) if not unicodedata.combining(sign)
        ).casefold()
    if "*" in text:
        text = _PROCESSOR.sub(" ", text)
    return _APOSTROPHE.sub("", text)


def _words(plain: str) -> list[str]:
    # Most texts have no digit within a word, and need no second search.
    return [_STORE_NUMBER.sub("", word) if word[-1].isdecimal() else word for word in _WORD.findall(plain)]
