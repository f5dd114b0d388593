"""Made-up transactions that look like real ones, the same for the same seed. No row of anybody's is in them.

What makes real ones hard is in here: names cut at 22 characters, store numbers, processors in front of names, shops
that sell under two categories, shops that nobody has seen before, habits of users, months that drift, people who
mislabel.
"""

import itertools
import random
from bisect import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from serin_training.synthetic.categories import KINDS, Kind

START: Final = datetime(2024, 1, 1, tzinfo=UTC)
CUT: Final = 22
"""Terminals print at most so many characters of a merchant."""
MISLABELLED: Final = 0.05
REFUNDED: Final = 0.02
DESCRIBED: Final = 0.45
"""The share of transactions with a description; of these, so many say what was bought: TELLING."""
TELLING: Final = 0.8
FAVOURITES: Final = 14
LOYAL: Final = 0.75
"""The share of a user's payments that go to favourite merchants."""
LATECOMERS: Final = 0.35
"""The share of merchants that open only after the first month."""
TWO_SIDED: Final = 0.16
"""The share of merchants that sell under a second category."""
NAMED: Final = 0.45
"""The share of merchants whose name says what they sell."""


_ONSETS: Final = ("b", "br", "c", "d", "f", "g", "gr", "h", "k", "l", "m", "n", "p", "r", "s", "st", "t", "v", "w", "z")
_RIMES: Final = ("al", "an", "ar", "el", "en", "er", "il", "in", "o", "ol", "on", "or", "u", "un", "y", "ay", "ee")
_CITIES: Final = ("TORONTO", "OTTAWA", "HALIFAX", "LONDON", "MARKHAM", "BARRIE", "GUELPH")
_NEUTRAL: Final = ("see receipt", "approved", "as discussed", "for unit 4", "ref 2291", "month end")
_PROCESSORS: Final = ("SQ *", "TST* ", "PAYPAL *", "SP ")


@dataclass(frozen=True, slots=True)
class Made:
    """One made-up transaction, in the columns that training reads."""

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
    kind: Kind
    second: Kind | None
    opens: float
    """When it opens, as a share of the whole time."""
    is_chain: bool
    processor: str
    is_online: bool
    weight: float


def generate(*, rows: int, seed: int = 0, months: int = 18, users: int = 600) -> Iterator[Made]:
    """Make so many transactions in time order, spread over so many months."""
    rng = random.Random(seed)  # noqa: S311 - made-up shoppers, no secrets
    merchants = _merchants(rng, most=max(120, rows // 40))
    people = [_Person(rng, number, merchants) for number in range(users)]
    activity = list(itertools.accumulate(1 / (rank + 5) for rank in range(users)))
    length = timedelta(days=30.4 * months)
    moments = sorted(rng.random() for _ in range(rows))
    for number, moment in enumerate(moments):
        person = people[bisect(activity, rng.random() * activity[-1])]
        merchant = person.choose(rng, moment)
        yield _transaction(rng, number=number, at=START + moment * length, person=person, merchant=merchant)


class _Person:
    def __init__(self, rng: random.Random, number: int, merchants: Sequence[_Merchant]) -> None:
        self.name = f"u{number:04d}"
        self._merchants = merchants
        self._weights = list(itertools.accumulate(merchant.weight for merchant in merchants))
        self._favourites = [self._any(rng) for _ in range(FAVOURITES)]

    def _any(self, rng: random.Random) -> _Merchant:
        return self._merchants[bisect(self._weights, rng.random() * self._weights[-1])]

    def choose(self, rng: random.Random, moment: float) -> _Merchant:
        """Answer where the next payment goes: mostly to a favourite, and only where it is open by then."""
        for _ in range(20):
            found = rng.choice(self._favourites) if rng.random() < LOYAL else self._any(rng)
            if found.opens <= moment:
                # Habits change: now and then a new place becomes a favourite.
                if rng.random() < 0.02:  # noqa: PLR2004 - once in fifty payments
                    self._favourites[rng.randrange(FAVOURITES)] = found
                return found
        return min(self._favourites, key=lambda merchant: merchant.opens)


def _merchants(rng: random.Random, *, most: int) -> list[_Merchant]:
    made: list[_Merchant] = []
    used = set[str]()
    shares = list(itertools.accumulate(kind.share for kind in KINDS))
    while len(made) < most:
        kind = KINDS[bisect(shares, rng.random() * shares[-1])]
        brand = _brand(rng)
        name = f"{brand} {rng.choice(kind.words)}" if rng.random() < NAMED else brand
        if name in used:
            continue
        used.add(name)
        others = [other for other in KINDS if other is not kind]
        made.append(
            _Merchant(
                name=name.upper(),
                kind=kind,
                second=rng.choice(others) if rng.random() < TWO_SIDED else None,
                opens=rng.random() if rng.random() < LATECOMERS else 0.0,
                is_chain=rng.random() < 0.4,  # noqa: PLR2004 - of merchants
                processor=rng.choice(_PROCESSORS) if rng.random() < 0.25 else "",  # noqa: PLR2004 - of merchants
                is_online=rng.random() < kind.online,
                weight=1 / (rng.randrange(most) + 8),
            )
        )
    return made


def _brand(rng: random.Random) -> str:
    words = ["".join(rng.choice(_ONSETS) + rng.choice(_RIMES) for _ in range(rng.choice((1, 2, 2, 3))))]
    if rng.random() < 0.3:  # noqa: PLR2004 - of brands
        words.append(rng.choice(("and sons", "group", "co", "direct", "plus", "one")))
    return " ".join(words)


def _transaction(rng: random.Random, *, number: int, at: datetime, person: _Person, merchant: _Merchant) -> Made:
    kind = merchant.kind
    if merchant.second is not None and rng.random() < 0.3:  # noqa: PLR2004 - of a two-sided merchant's sales
        kind = merchant.second
    label = rng.choice(KINDS) if rng.random() < MISLABELLED else kind
    amount = kind.amount * rng.lognormvariate(0, 0.7) * (-1 if rng.random() < REFUNDED else 1)
    return Made(
        txn_id=f"t{number:07d}",
        user_id=person.name,
        timestamp=at.replace(hour=_hour(rng, kind), minute=rng.randrange(60)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        merchant=_printed(rng, merchant),
        description=_note(rng, kind),
        amount=f"{amount:.2f}",
        channel="online" if merchant.is_online else "pos",
        category=label.name,
    )


def _hour(rng: random.Random, kind: Kind) -> int:
    middle = 13 if kind.name in ("Dining", "Office") else 16
    return min(23, max(0, round(rng.gauss(middle, 4))))


def _printed(rng: random.Random, merchant: _Merchant) -> str:
    parts = [f"{merchant.processor}{merchant.name}"]
    if merchant.is_chain:
        parts.append(f"#{rng.randrange(1, 400):04d}")
    if rng.random() < 0.4:  # noqa: PLR2004 - of receipts
        parts.append(rng.choice(_CITIES))
    return " ".join(parts)[:CUT].strip()


def _note(rng: random.Random, kind: Kind) -> str:
    if rng.random() >= DESCRIBED:
        return ""
    return rng.choice(kind.notes if rng.random() < TELLING else _NEUTRAL)
