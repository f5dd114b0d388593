"""Synthetic card payments, the same for the same seed; no real data is used.

They have what makes real payments hard: names cut at 22 characters, store numbers, payment processors in front of
names, shops with two categories, new shops, habits of users, drift from month to month, wrong labels.
"""

import itertools
import random
from bisect import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from serin_training.synthetic.categories import CATEGORIES, Category

START: Final = datetime(2024, 1, 1, tzinfo=UTC)
MAX_NAME: Final = 22
"""Characters of a merchant that terminals print."""
MISLABELLED: Final = 0.05
REFUNDED: Final = 0.02
DESCRIBED: Final = 0.45
"""Share of transactions with a description."""
INFORMATIVE: Final = 0.8
"""Share of descriptions that tell what was bought."""
FAVOURITES: Final = 14
"""Favourite merchants of a user."""
LOYAL: Final = 0.75
"""Share of a user's payments to favourite merchants."""
OPENING_LATER: Final = 0.35
"""Share of merchants that open after the first day."""
TWO_CATEGORIES: Final = 0.16
"""Share of merchants with a second category."""
NAMED: Final = 0.45
"""Share of merchants whose name tells what they sell."""


_ONSETS: Final = ("b", "br", "c", "d", "f", "g", "gr", "h", "k", "l", "m", "n", "p", "r", "s", "st", "t", "v", "w", "z")
_RIMES: Final = ("al", "an", "ar", "el", "en", "er", "il", "in", "o", "ol", "on", "or", "u", "un", "y", "ay", "ee")
_CITIES: Final = ("TORONTO", "OTTAWA", "HALIFAX", "LONDON", "MARKHAM", "BARRIE", "GUELPH")
_NEUTRAL: Final = ("see receipt", "approved", "as discussed", "for unit 4", "ref 2291", "month end")
_PROCESSORS: Final = ("SQ *", "TST* ", "PAYPAL *", "SP ")


@dataclass(frozen=True, slots=True)
class SyntheticTransaction:
    """A transaction in the columns that training reads."""

    txn_id: str
    user_id: str
    timestamp: str
    merchant: str
    description: str
    amount: str
    channel: str
    category: str


@dataclass(frozen=True, slots=True)
class _Merchant:
    name: str
    category: Category
    second: Category | None
    opens: float
    """Opening time, from 0 (start) to 1 (end)."""
    is_chain: bool
    processor: str
    is_online: bool
    weight: float


def generate(*, rows: int, seed: int = 0, months: int = 18, users: int = 600) -> Iterator[SyntheticTransaction]:
    """Yield `rows` transactions of `users` users in time order, spread over `months` months."""
    rng = random.Random(seed)  # noqa: S311 - synthetic data, no secrets
    merchants = _merchants(rng, number=max(120, rows // 40))
    shoppers = [_Shopper(rng, number, merchants) for number in range(users)]
    activity = list(itertools.accumulate(1 / (rank + 5) for rank in range(users)))
    length = timedelta(days=30.4 * months)
    moments = sorted(rng.random() for _ in range(rows))
    for number, moment in enumerate(moments):
        shopper = shoppers[bisect(activity, rng.random() * activity[-1])]
        merchant = shopper.choose(rng, moment)
        yield _transaction(rng, number=number, at=START + moment * length, shopper=shopper, merchant=merchant)


class _Shopper:
    def __init__(self, rng: random.Random, number: int, merchants: Sequence[_Merchant]) -> None:
        self.name = f"u{number:04d}"
        self._merchants = merchants
        self._weights = list(itertools.accumulate(merchant.weight for merchant in merchants))
        self._favourites = [self._any(rng) for _ in range(FAVOURITES)]

    def _any(self, rng: random.Random) -> _Merchant:
        return self._merchants[bisect(self._weights, rng.random() * self._weights[-1])]

    def choose(self, rng: random.Random, moment: float) -> _Merchant:
        """Return the merchant of the next payment: one that is open at `moment`, most often a favourite."""
        for _ in range(20):
            found = rng.choice(self._favourites) if rng.random() < LOYAL else self._any(rng)
            if found.opens <= moment:
                # Habits change: now and then a new place becomes a favourite.
                if rng.random() < 0.02:  # noqa: PLR2004 - once in fifty payments
                    self._favourites[rng.randrange(FAVOURITES)] = found
                return found
        return min(self._favourites, key=lambda merchant: merchant.opens)


def _merchants(rng: random.Random, *, number: int) -> list[_Merchant]:
    found: list[_Merchant] = []
    used = set[str]()
    shares = list(itertools.accumulate(category.share for category in CATEGORIES))
    while len(found) < number:
        category = CATEGORIES[bisect(shares, rng.random() * shares[-1])]
        brand = _brand(rng)
        name = f"{brand} {rng.choice(category.words)}" if rng.random() < NAMED else brand
        if name in used:
            continue
        used.add(name)
        others = [other for other in CATEGORIES if other is not category]
        found.append(
            _Merchant(
                name=name.upper(),
                category=category,
                second=rng.choice(others) if rng.random() < TWO_CATEGORIES else None,
                opens=rng.random() if rng.random() < OPENING_LATER else 0.0,
                is_chain=rng.random() < 0.4,  # noqa: PLR2004 - of merchants
                processor=rng.choice(_PROCESSORS) if rng.random() < 0.25 else "",  # noqa: PLR2004 - of merchants
                is_online=rng.random() < category.online,
                weight=1 / (rng.randrange(number) + 8),
            )
        )
    return found


def _brand(rng: random.Random) -> str:
    words = ["".join(rng.choice(_ONSETS) + rng.choice(_RIMES) for _ in range(rng.choice((1, 2, 2, 3))))]
    if rng.random() < 0.3:  # noqa: PLR2004 - of brands
        words.append(rng.choice(("and sons", "group", "co", "direct", "plus", "one")))
    return " ".join(words)


def _transaction(
    rng: random.Random, *, number: int, at: datetime, shopper: _Shopper, merchant: _Merchant
) -> SyntheticTransaction:
    category = merchant.category
    if merchant.second is not None and rng.random() < 0.3:  # noqa: PLR2004 - of sales of a merchant with two categories
        category = merchant.second
    label = rng.choice(CATEGORIES) if rng.random() < MISLABELLED else category
    amount = category.amount * rng.lognormvariate(0, 0.7) * (-1 if rng.random() < REFUNDED else 1)
    return SyntheticTransaction(
        txn_id=f"t{number:07d}",
        user_id=shopper.name,
        timestamp=at.replace(hour=_hour(rng, category), minute=rng.randrange(60)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        merchant=_printed(rng, merchant),
        description=_description(rng, category),
        amount=f"{amount:.2f}",
        channel="online" if merchant.is_online else "pos",
        category=label.name,
    )


def _hour(rng: random.Random, category: Category) -> int:
    middle = 13 if category.name in ("Dining", "Office") else 16
    return min(23, max(0, round(rng.gauss(middle, 4))))


def _printed(rng: random.Random, merchant: _Merchant) -> str:
    parts = [f"{merchant.processor}{merchant.name}"]
    if merchant.is_chain:
        parts.append(f"#{rng.randrange(1, 400):04d}")
    if rng.random() < 0.4:  # noqa: PLR2004 - of receipts
        parts.append(rng.choice(_CITIES))
    return " ".join(parts)[:MAX_NAME].strip()


def _description(rng: random.Random, category: Category) -> str:
    if rng.random() >= DESCRIBED:
        return ""
    return rng.choice(category.descriptions if rng.random() < INFORMATIVE else _NEUTRAL)
