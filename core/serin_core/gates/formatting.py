"""Numbers in messages: one format for shares, one for counts."""


def percent(share: float) -> str:
    """Return a share with at most two decimals: `70 %`, `98.25 %`."""
    return f"{100 * share:.2f}".rstrip("0").rstrip(".") + " %"


def quoted(text: str) -> str:
    """Return the words of another system as the end of a sentence: `: "tests failed"`; "" for none."""
    return f': "{text}"' if text else ""


def count(number: float) -> str:
    """Return a count; shares of users, divided over processes, keep one decimal."""
    return f"{number:,.1f}".removesuffix(".0")
