"""Categories of synthetic transactions: names of their shops, usual amounts, usual descriptions."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Category:
    """A category of purchases."""

    name: str
    share: float
    """Relative frequency of its merchants."""
    amount: float
    """Median, in the currency of the card."""
    online: float
    """Share of merchants that sell online."""
    words: tuple[str, ...]
    """Words in the names of its merchants."""
    descriptions: tuple[str, ...]


# Name, share, amount, share online; words; descriptions.
_TABLE: Final = """
Groceries 18 48 0.08; market foods grocer fresh superstore; weekly food, milk and bread, vegetables
Dining 17 24 0.1; pizza grill sushi cafe bistro kitchen; team lunch, dinner, coffee with client
Transport 12 17 0.35; taxi parking transit cab rail; ride to airport, parking fee, monthly pass
Fuel 7 55 0.0; gas petro fuel energy; fuel for van, diesel, tank
Utilities 7 95 0.7; hydro water telecom power wireless; phone bill, electricity march, internet
Health 7 38 0.12; pharmacy dental clinic drugs optical; prescription, vaccine, eye test
Travel 6 260 0.6; hotel air inn tours suites; flight booking, two nights, conference stay
Software 6 42 0.97; cloud software hosting apps data; subscription, licence renewal, seats for team
Office 6 62 0.4; stationery office print paper copy; toner, paper and pens, desk lamp
Shopping 6 70 0.45; outlet boutique mart shoes fashion; gift, winter jacket, shoes
Home 5 58 0.15; hardware lumber garden paint tools; screws and paint, plants, drill bits
Leisure 5 31 0.5; cinema gym books sports tickets; concert, gym fee, novel
"""


def _parse(line: str) -> Category:
    numbers, words, descriptions = line.split("; ")
    name, share, amount, online = numbers.split()
    return Category(
        name, float(share), float(amount), float(online), tuple(words.split()), tuple(descriptions.split(", "))
    )


CATEGORIES: Final = tuple(map(_parse, _TABLE.strip().splitlines()))
