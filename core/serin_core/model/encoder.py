"""A run's encoder: from a transaction to a score for each class, linear in its words, and to the trees' features.

score = bias + sum over the blocks of  SCALE / sqrt(words in the block) * sum of the known words' weights.
The trees start from log sigmoid(score) and add corrections; the softmax of the sum is the raw probability. An unknown
word adds no weight but counts as a word of its block: an unknown merchant gets a prediction of low confidence.

Sums have a fixed order (numpy adds along the first axis row by row), so that two machines agree on a score bit for bit;
exponentials may differ in the last digit between machines.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from math import sqrt
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from serin_core.model import features
from serin_core.model.features import Transaction
from serin_core.shared_text import shared

BLOCKS: Final = (1.0, 1.0, 0.5)
"""SCALE of the merchant's words, of its character n-grams, and of the description's words."""
Floats = NDArray[np.float64]


class EncoderError(ValueError):
    """An invalid encoder file. The message is one line."""


def blocks(transaction: Transaction) -> tuple[list[str], list[str], list[str]]:
    """Return the words of a transaction by block, in the order of BLOCKS."""
    return (
        features.merchant_words(transaction.merchant),
        features.merchant_pieces(transaction.merchant),
        features.description_words(transaction.description),
    )


def starting_point(scores: Floats) -> Floats:
    """Return the initial scores of the trees: log sigmoid of `scores`, in any shape."""
    start: Floats = -np.logaddexp(0.0, -scores)
    return start


def probabilities(scores: Floats, corrections: Floats) -> Floats:
    """Return raw probabilities from scores and the trees' corrections, with classes along the last axis."""
    total = starting_point(scores) + corrections
    powers = np.exp(total - total.max(axis=-1, keepdims=True))
    result: Floats = powers / powers.sum(axis=-1, keepdims=True)
    return result


@dataclass(frozen=True, slots=True)
class Encoder:
    """The weights of each known word, one for each class."""

    classes: tuple[str, ...]
    channels: tuple[str, ...]
    places: Mapping[str, int]
    """The row of each known word in `weights`."""
    weights: NDArray[np.floating]
    """Shape (words, classes). Files hold float32; sums are float64."""
    bias: Floats
    """Shape (classes,)."""

    def scores(self, transaction: Transaction) -> Floats:
        """Return a score for each class, in the order of `classes`."""
        return self.add_description(self.merchant_scores(transaction.merchant), transaction.description)

    def merchant_scores(self, merchant: str) -> Floats:
        """Return the part of the scores that depends on the merchant only."""
        total = self._add_weights(self.bias, features.merchant_words(merchant), BLOCKS[0])
        return self._add_weights(total, features.merchant_pieces(merchant), BLOCKS[1])

    def add_description(self, merchant_scores: Floats, description: str) -> Floats:
        """Return the scores of a transaction from those of its merchant, which are not modified."""
        if not description:
            return merchant_scores
        return self._add_weights(merchant_scores, features.description_words(description), BLOCKS[2])

    def _add_weights(self, total: Floats, words: Sequence[str], scale: float) -> Floats:
        known = [place for place in map(self.places.get, words) if place is not None]
        if not known:
            return total
        added: Floats = total + np.add.reduce(self.weights.take(known, axis=0), axis=0, dtype=np.float64) * (
            scale / sqrt(len(words))
        )
        return added

    def numbers(self, transaction: Transaction) -> list[float]:
        """Return the numeric features of a transaction, in the order of features.NUMBERS."""
        return features.numbers(transaction, self.channels)

    def knows_merchant(self, merchant: str) -> bool:
        """Return whether the run knows every word and word pair of a merchant's name."""
        return all(word in self.places for word in features.merchant_words(features.merchant_key(merchant)))

    def strongest_words(self, transaction: Transaction, label: str, *, limit: int = 3) -> list[str]:
        """Return the words with the largest weights for a class, largest first. Raises ValueError."""
        at = self.classes.index(label)
        merchant = features.merchant_words(transaction.merchant)
        description = features.description_words(transaction.description)
        weighed: dict[str, float] = {}
        for words, scale in ((merchant, BLOCKS[0]), (description, BLOCKS[2])):
            for word in words:
                place = self.places.get(word)
                weight = 0.0 if place is None else float(self.weights[place, at]) * scale
                if weight > 0:
                    weighed[word[2:]] = max(weight, weighed.get(word[2:], 0.0))
        return sorted(weighed, key=lambda word: (-weighed[word], word))[:limit]

    def to_files(self) -> tuple[dict[str, Any], bytes]:
        """Return the encoder as plain JSON values, and its weights as a .npy file; from_files is the inverse."""
        found = {
            "classes": list(self.classes),
            "channels": list(self.channels),
            "bias": self.bias.tolist(),
            "words": sorted(self.places, key=self.places.__getitem__),
        }
        target = BytesIO()
        np.save(target, self.weights.astype(np.float32), allow_pickle=False)
        return found, target.getvalue()

    @classmethod
    def from_files(cls, found: Any, weights: bytes) -> Self:
        """Return the encoder that to_files has written. Raises EncoderError."""
        wanted = {"classes", "channels", "bias", "words"}
        if not isinstance(found, Mapping) or set(found) != wanted:
            raise EncoderError(f"encoder: expected exactly the keys {', '.join(sorted(wanted))}")
        classes, channels, words = (_strings(found[name], name) for name in ("classes", "channels", "words"))
        bias = found["bias"]
        if not isinstance(bias, list) or not all(isinstance(one, int | float) for one in bias):
            raise EncoderError("encoder: bias must be a list of numbers")
        return cls(
            classes=classes,
            channels=channels,
            # Runs trained on similar data share most words, which are kept in memory once.
            places={shared(word): place for place, word in enumerate(words)},
            weights=_finite(_matrix(weights), (len(words), len(classes)), "weights"),
            bias=_finite(np.array(bias, dtype=np.float64), (len(classes),), "bias"),
        )


def _strings(found: Any, name: str) -> tuple[str, ...]:
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found) or len(set(found)) != len(found):
        raise EncoderError(f"encoder: {name} must be a list of unique strings")
    return tuple(found)


def _matrix(file: bytes) -> NDArray[Any]:
    try:
        found: NDArray[Any] = np.load(BytesIO(file), allow_pickle=False, max_header_size=1000)
    except (ValueError, EOFError, OSError) as error:
        raise EncoderError(f"encoder: its weights are not a .npy file ({' '.join(str(error).split())[:120]})") from None
    if not isinstance(found, np.ndarray) or found.dtype != np.float32:
        raise EncoderError("encoder: its weights must be float32")
    return found


def _finite(found: NDArray[Any], shape: Sequence[int], name: str) -> NDArray[Any]:
    if found.shape != tuple(shape):
        raise EncoderError(f"encoder: {name} have the shape {found.shape}, expected {tuple(shape)}")
    if not np.isfinite(found).all():
        raise EncoderError(f"encoder: {name} must be finite")
    return np.ascontiguousarray(found)
