"""Categories of synthetic transactions: names of their shops, usual amounts, usual descriptions."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Category:
    """A category of purchases."""

    name: str
    share: float
    """Relative frequency of its merchants."""
    words: tuple[str, ...]
    """Words in the names of its merchants."""
    descriptions: tuple[str, ...]
    amount: float
    """Median, in the currency of the card."""
    online: float
    """Share of merchants that sell online."""


CATEGORIES: Final = (
    Category(
        "Groceries",
        18,
        ("market", "foods", "grocer", "fresh", "superstore"),
        ("weekly food", "milk and bread", "vegetables"),
        48,
        0.08,
    ),
    Category(
        "Dining",
        17,
        ("pizza", "grill", "sushi", "cafe", "bistro", "kitchen"),
        ("team lunch", "dinner", "coffee with client"),
        24,
        0.10,
    ),
    Category(
        "Transport",
        12,
        ("taxi", "parking", "transit", "cab", "rail"),
        ("ride to airport", "parking fee", "monthly pass"),
        17,
        0.35,
    ),
    Category("Fuel", 7, ("gas", "petro", "fuel", "energy"), ("fuel for van", "diesel", "tank"), 55, 0.0),
    Category(
        "Utilities",
        7,
        ("hydro", "water", "telecom", "power", "wireless"),
        ("phone bill", "electricity march", "internet"),
        95,
        0.7,
    ),
    Category(
        "Health",
        7,
        ("pharmacy", "dental", "clinic", "drugs", "optical"),
        ("prescription", "vaccine", "eye test"),
        38,
        0.12,
    ),
    Category(
        "Travel",
        6,
        ("hotel", "air", "inn", "tours", "suites"),
        ("flight booking", "two nights", "conference stay"),
        260,
        0.6,
    ),
    Category(
        "Software",
        6,
        ("cloud", "software", "hosting", "apps", "data"),
        ("subscription", "licence renewal", "seats for team"),
        42,
        0.97,
    ),
    Category(
        "Office",
        6,
        ("stationery", "office", "print", "paper", "copy"),
        ("toner", "paper and pens", "desk lamp"),
        62,
        0.4,
    ),
    Category(
        "Shopping", 6, ("outlet", "boutique", "mart", "shoes", "fashion"), ("gift", "winter jacket", "shoes"), 70, 0.45
    ),
    Category(
        "Home",
        5,
        ("hardware", "lumber", "garden", "paint", "tools"),
        ("screws and paint", "plants", "drill bits"),
        58,
        0.15,
    ),
    Category("Leisure", 5, ("cinema", "gym", "books", "sports", "tickets"), ("concert", "gym fee", "novel"), 31, 0.5),
)
