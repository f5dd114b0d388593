"""Rules from labelled transactions: merchants that are frequent and nearly always of one class."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Final

from serin_core.model.features import merchant_key
from serin_core.model.keyword_rules import Rules
from serin_training.data.rows import LabelledTransaction
from serin_training.errors import DataError

LEAST_LETTERS: Final = 3
"""A shorter keyword would stand in too many other names."""


def suggest_rules(rows: Sequence[LabelledTransaction], *, least_rows: int, purity: float) -> Rules:
    """Answer one keyword for each merchant key that stands in `least_rows` rows, a share `purity` of them of one class.

    Most frequent keywords first, within each class. Raises DataError where no merchant qualifies.
    """
    labels: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        key = merchant_key(row.transaction.merchant)
        if len(key) >= LEAST_LETTERS:
            labels[key][row.category] += 1
    chosen: dict[str, list[str]] = defaultdict(list)
    for key, counts in sorted(labels.items(), key=lambda entry: (-entry[1].total(), entry[0])):
        label, most = counts.most_common(1)[0]
        if counts.total() >= least_rows and most >= purity * counts.total():
            chosen[label].append(key)
    if not chosen:
        raise DataError(
            f"no merchant stands in {least_rows} rows of which {purity:.0%} are of one class; lower these limits"
        )
    return Rules.parse({"classes": dict(chosen)})
