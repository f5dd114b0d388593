"""Keyword rules from labelled transactions, and from brands: merchants that are nearly always of one class."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from serin_core.model.features import merchant_key
from serin_core.model.keyword_rules import Rules, text_of
from serin_training.data.rows import LabelledTransaction
from serin_training.errors import DataError

MIN_LETTERS: Final = 3
"""A shorter keyword would match too many other names."""
_MIN_CONTRADICTING: Final = 3
"""Labelled rows of a brand from which on they decide its class."""
_NO_BRANDS: Final[Mapping[str, str]] = {}


def suggest_rules(
    rows: Sequence[LabelledTransaction], *, min_rows: int, purity: float, brands: Mapping[str, str] = _NO_BRANDS
) -> Rules:
    """Return one keyword per merchant with at least `min_rows` rows, a share `purity` of them in one class, and brands.

    `brands` is the class by keyword; where labels of a brand's rows contradict it, they decide. Within each class the
    most frequent keywords come first. Raises DataError if there is no keyword.
    """
    labels: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        key = merchant_key(row.transaction.merchant)
        if len(key) >= MIN_LETTERS:
            labels[key][row.category] += 1
    chosen: dict[str, str] = {}
    for key, counts in sorted(labels.items(), key=lambda entry: (-entry[1].total(), entry[0])):
        label, most = counts.most_common(1)[0]
        if counts.total() >= min_rows and most >= purity * counts.total():
            chosen[key] = label
    for brand, label in _confirmed(brands, rows, purity):
        chosen.setdefault(brand, label)
    if not chosen:
        raise DataError(
            f"no merchant has at least {min_rows} rows with {purity:.0%} of them in one class; lower these limits"
        )
    classes: dict[str, list[str]] = defaultdict(list)
    for keyword, label in chosen.items():
        classes[label].append(keyword)
    return Rules.parse({"classes": dict(classes)})


def _confirmed(
    brands: Mapping[str, str], rows: Sequence[LabelledTransaction], purity: float
) -> Iterator[tuple[str, str]]:
    """Yield brands with their class: that of their labelled rows if there are some; none if these differ."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    longest = max((len(brand.split()) for brand in brands), default=0)
    for row in rows if brands else ():
        words = text_of(row.transaction).split()
        spans = {
            " ".join(words[start:end])
            for start in range(len(words))
            for end in range(start + 1, min(start + longest, len(words)) + 1)
        }
        for brand in spans & brands.keys():
            found[brand][row.category] += 1
    for brand, label in brands.items():
        counts = found[brand]
        if counts.total() < _MIN_CONTRADICTING:
            yield brand, label
            continue
        of_rows, most = counts.most_common(1)[0]
        if most >= purity * counts.total():
            yield brand, of_rows
