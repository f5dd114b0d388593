"""Keyword rules from labelled transactions: merchants that are frequent and nearly always of one class."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Final

from serin_core.model.features import merchant_key
from serin_core.model.keyword_rules import Rules
from serin_training.data.rows import LabelledTransaction
from serin_training.errors import DataError

MIN_LETTERS: Final = 3
"""A shorter keyword would match too many other names."""


def suggest_rules(rows: Sequence[LabelledTransaction], *, min_rows: int, purity: float) -> Rules:
    """Return one keyword per merchant with at least `min_rows` rows, a share `purity` of them in one class.

    Within each class the most frequent keywords come first. Raises DataError if no merchant qualifies.
    """
    labels: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        key = merchant_key(row.transaction.merchant)
        if len(key) >= MIN_LETTERS:
            labels[key][row.category] += 1
    chosen: dict[str, list[str]] = defaultdict(list)
    for key, counts in sorted(labels.items(), key=lambda entry: (-entry[1].total(), entry[0])):
        label, most = counts.most_common(1)[0]
        if counts.total() >= min_rows and most >= purity * counts.total():
            chosen[label].append(key)
    if not chosen:
        raise DataError(
            f"no merchant has at least {min_rows} rows with {purity:.0%} of them in one class; lower these limits"
        )
    return Rules.parse({"classes": dict(chosen)})
