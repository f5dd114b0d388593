"""The words and numbers of one transaction that a run reads: the same code in training and in serving.

Never reads a label, a user or a clock.
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
"""A word or channel enters a run only when at least so many users used it (names of people stay out)."""
KEY_WORDS: Final = 3
"""A merchant key is made of at most this many words."""
PIECE_LETTERS: Final = (3, 4)
"""A merchant also counts by pieces of so many signs: terminals cut names, and new shops are named like old ones."""
NUMBERS: Final = ("log_amount", "is_refund", "weekday", "hour", "channel")
"""What the trees read, in this order."""
_RECENT: Final = 64
"""So many texts are remembered as last read: rules, scores and reasons all ask for those of one transaction."""

_PROCESSOR: Final = re.compile(
    r"(?:\s*\b(?:sq|tst|pp|paypal|sumup|zettle|stripe|py|sp|ezi|wpy|ic|dd|gpay|cke|bt|fs)\s?\*\s*)+"
)
_APOSTROPHE: Final = re.compile(r"(?<=\w)['\u2019`](?=\w)")
_WORD: Final = re.compile(r"[^\W\d_]+(?:&[^\W\d_]+)*")
_WORD_OR_NUMBER: Final = re.compile(r"[^\W_]+(?:&[^\W_]+)*")
_STORE: Final = re.compile(r"(?<=[^\W\d_])\W*[#*]|(?<=[^\W\d_])\W*\d")


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


def merchant_words(merchant: str) -> list[str]:
    """Answer the words and numbers of a merchant and its pairs of neighbours, as `m:...`, each once, in order."""
    words = _terms(merchant)
    single = [f"m:{word}" for word in words if len(word) > 1]
    pairs = [f"m:{one} {other}" for one, other in pairwise(words)]
    return list(dict.fromkeys(single + pairs))


def merchant_pieces(merchant: str) -> list[str]:
    """Answer the pieces of a merchant, as `m^...`, across its words, each once, in order."""
    joined = f"_{'_'.join(_terms(merchant))}_"
    return list(
        dict.fromkeys(
            [f"m^{joined[at : at + letters]}" for letters in PIECE_LETTERS for at in range(len(joined) - letters + 1)]
        )
    )


def description_words(description: str) -> list[str]:
    """Answer the words and numbers of a description, as `d:...`, each once, in order."""
    return list(dict.fromkeys([f"d:{word}" for word in _terms(description) if len(word) > 1]))


def numbers(transaction: Transaction, channels: tuple[str, ...]) -> list[float]:
    """Answer NUMBERS of one transaction, -1 where one is unknown; finite for a finite amount."""
    when, amount, channel = transaction.timestamp, transaction.amount, transaction.channel
    return [
        log1p(abs(amount)),
        1.0 if amount < 0 else 0.0,
        -1.0 if when is None else float(when.weekday()),
        -1.0 if when is None else float(when.hour),
        float(channels.index(channel)) if channel in channels else -1.0,
    ]


@lru_cache(_RECENT)
def _terms(text: str) -> tuple[str, ...]:
    """Answer the words and numbers of a text, in order."""
    return tuple(_WORD_OR_NUMBER.findall(_plain(text)))


@lru_cache(_RECENT)
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
