"""The categories of made-up transactions: what their shops are called, what is paid there, what people write."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Kind:
    """A category: what its shops are called, what people write, what it costs, how much of it is bought online."""

    name: str
    share: float
    words: tuple[str, ...]
    notes: tuple[str, ...]
    amount: float
    """Median, in the currency of the card."""
    online: float


KINDS: Final = (
    Kind(
        "Groceries",
        18,
        ("market", "foods", "grocer", "fresh", "superstore"),
        ("weekly food", "milk and bread", "vegetables"),
        48,
        0.08,
    ),
    Kind(
        "Dining",
        17,
        ("pizza", "grill", "sushi", "cafe", "bistro", "kitchen"),
        ("team lunch", "dinner", "coffee with client"),
        24,
        0.10,
    ),
    Kind(
        "Transport",
        12,
        ("taxi", "parking", "transit", "cab", "rail"),
        ("ride to airport", "parking fee", "monthly pass"),
        17,
        0.35,
    ),
    Kind("Fuel", 7, ("gas", "petro", "fuel", "energy"), ("fuel for van", "diesel", "tank"), 55, 0.0),
    Kind(
        "Utilities",
        7,
        ("hydro", "water", "telecom", "power", "wireless"),
        ("phone bill", "electricity march", "internet"),
        95,
        0.7,
    ),
    Kind(
        "Health",
        7,
        ("pharmacy", "dental", "clinic", "drugs", "optical"),
        ("prescription", "vaccine", "eye test"),
        38,
        0.12,
    ),
    Kind(
        "Travel",
        6,
        ("hotel", "air", "inn", "tours", "suites"),
        ("flight booking", "two nights", "conference stay"),
        260,
        0.6,
    ),
    Kind(
        "Software",
        6,
        ("cloud", "software", "hosting", "apps", "data"),
        ("subscription", "licence renewal", "seats for team"),
        42,
        0.97,
    ),
    Kind(
        "Office",
        6,
        ("stationery", "office", "print", "paper", "copy"),
        ("toner", "paper and pens", "desk lamp"),
        62,
        0.4,
    ),
    Kind(
        "Shopping", 6, ("outlet", "boutique", "mart", "shoes", "fashion"), ("gift", "winter jacket", "shoes"), 70, 0.45
    ),
    Kind(
        "Home",
        5,
        ("hardware", "lumber", "garden", "paint", "tools"),
        ("screws and paint", "plants", "drill bits"),
        58,
        0.15,
    ),
    Kind("Leisure", 5, ("cinema", "gym", "books", "sports", "tickets"), ("concert", "gym fee", "novel"), 31, 0.5),
)
