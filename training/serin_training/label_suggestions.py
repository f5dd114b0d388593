"""Which transactions to label next: those of the merchants that most rows without a label have.

A label teaches a model about its merchant, so it is worth as much as the merchant has rows. This needs no model, and is
as good as choosing by a model's confidence (docs/decisions/0172-labels-of-frequent-merchants.md).
"""

from collections.abc import Iterable
from dataclasses import dataclass

from serin_core.model.features import merchant_key
from serin_training.data.rows import Row


@dataclass(slots=True)
class Merchant:
    """The rows of one merchant."""

    newest: Row
    rows: int = 0
    labelled: int = 0


@dataclass(frozen=True, slots=True)
class LabelSuggestions:
    """Transactions to label, and what they are worth."""

    rows: int
    """All rows."""
    labelled: int
    """Those with a label."""
    known: int
    """Those whose merchant has a label on any row."""
    merchants: tuple[Merchant, ...]
    """Merchants without a label, those with most rows first."""

    @property
    def known_after(self) -> int:
        """Return the number of rows whose merchant has a label once the suggested ones have one."""
        return self.known + sum(merchant.rows for merchant in self.merchants)


def suggest_labels(rows: Iterable[Row], *, count: int) -> LabelSuggestions:
    """Return at most `count` transactions, the newest one of each merchant. Rows without a merchant are left out."""
    merchants: dict[str, Merchant] = {}
    total = labelled = 0
    for row in rows:
        total += 1
        labelled += row.category is not None
        key = merchant_key(row.transaction.merchant)
        if not key:
            continue
        merchant = merchants.setdefault(key, Merchant(row))
        merchant.rows += 1
        merchant.labelled += row.category is not None
        if row.at > merchant.newest.at:
            merchant.newest = row
    known = sum(merchant.rows for merchant in merchants.values() if merchant.labelled)
    unknown = ((key, merchant) for key, merchant in merchants.items() if not merchant.labelled)
    ordered = sorted(unknown, key=lambda one: (-one[1].rows, one[0]))
    return LabelSuggestions(total, labelled, known, tuple(merchant for _, merchant in ordered[:count]))
