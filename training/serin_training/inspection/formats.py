"""Formats of times, the decimal sign and the sign of purchases, from the texts of a column."""

import re
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import product
from typing import Final, Literal

from serin_training.data.data_map import ISO, read_amount, read_time
from serin_training.errors import DataError
from serin_training.inspection.findings import Certainty, Finding

_DAYS: Final = (
    *(f"{a}{sign}{b}{sign}{c}" for sign in "./-" for a, b, c in (("%d", "%m", "%Y"), ("%d", "%m", "%y"))),
    *(f"{a}{sign}{b}{sign}{c}" for sign in "./-" for a, b, c in (("%m", "%d", "%Y"), ("%m", "%d", "%y"))),
    *(sign.join(("%Y", "%m", "%d")) for sign in "./-"),
    *(sign.join(("%y", "%m", "%d")) for sign in "./-"),
    *("%Y%m%d", "%d%m%Y", "%m%d%Y"),
    *("%d %b %Y", "%d %B %Y", "%d-%b-%Y", "%d-%b-%y", "%d %b %y", "%b %d, %Y", "%B %d, %Y", "%b %d %Y"),
)
_CLOCKS: Final = (
    *("", " %H:%M", " %H:%M:%S", ", %H:%M", ", %H:%M:%S", "T%H:%M:%S", " %H:%M:%S %z", " %H.%M"),
    *(" %I:%M %p", " %I:%M:%S %p", ", %I:%M %p"),
)
_FORMATS: Final = (ISO, *("".join(pair) for pair in product(_DAYS, _CLOCKS)), "%Y%m%d%H%M%S")
_TRIED: Final = 40
"""Texts by which formats are chosen; the others are read by what remains."""
_MOST: Final = 0.8
_LONGEST: Final = 40
_EXAMPLES: Final = 2
_DIGITS_ALONE: Final = re.compile(r"[0-9]{5}|[0-9]{10}|[0-9]{13}")
Number = Literal[".", ","]


@cache
def _formats_of(text: str) -> frozenset[str]:
    """Return the formats by which a text is a time."""
    if len(text) > _LONGEST or sum(sign.isdecimal() for sign in text) < 3:  # noqa: PLR2004 - of a day and a year
        return frozenset()
    return frozenset(one for one in _FORMATS if _reads(text, one))


def _reads(text: str, time: str) -> bool:
    try:
        read_time(text, time)
    except ValueError:
        return False
    return True


def has_offset(text: str, time: str) -> bool:
    """Return whether a time has an offset; one that cannot be read is named when the rows are read."""
    return not _reads(text, time) or read_time(text, time).tzinfo is not None


def is_time(text: str) -> bool:
    """Return whether a text is a time in any known format."""
    return bool(_formats_of(text.strip()))


def amounts_of(text: str) -> dict[str, float]:
    """Return the values of a text by decimal sign; none if it is not an amount."""
    found = {}
    for decimal in ".,":
        try:
            found[decimal] = read_amount(text, decimal)
        except ValueError:
            continue
    return found


def is_amount(text: str) -> bool:
    """Return whether a text is an amount with any decimal sign."""
    return bool(amounts_of(text))


def formats_of(texts: Iterable[str], place: str) -> tuple[str, ...]:
    """Return the formats that read most of a column's first texts. Raises DataError if there is none."""
    tried = [text for text in dict.fromkeys(texts) if text][:_TRIED]
    counts = {one: sum(one in _formats_of(text) for text in tried) for one in _FORMATS}
    best = max(counts.values())
    if not best or best < _MOST * len(tried):
        raise DataError(f"{place}: {_no_time(tried)}")
    return tuple(one for one, count in counts.items() if count == best)


def is_read_by(text: str, formats: Iterable[str]) -> bool:
    """Return whether a text is a time by one of some formats."""
    return any(_reads(text, one) for one in formats)


def find_time(texts: Sequence[str], formats: Sequence[str]) -> Finding:
    """Return which of some formats is that of all texts of a column; at least one must read one."""
    right = {one: sum(_reads(text, one) for text in texts) for one in formats}
    fitting = _distinct([one for one in formats if right[one] == max(right.values())], texts)
    example = next(text for text in texts if _reads(text, fitting[0]))
    if len(fitting) == 1:
        return Finding("time", fitting[0], Certainty.SURE, f"no other format reads every time, such as {example}")
    dotted = [one for one in fitting if one.startswith("%d.")]
    if dotted:
        return Finding("time", dotted[0], Certainty.LIKELY, f"{example}: with dots the day is written first")
    readings = ", ".join(f"{read_time(example, one):%Y-%m-%d} as {one}" for one in fitting)
    why = f"{example} is {readings}, and no time of the file decides it"
    return Finding("time", fitting[0], Certainty.UNDECIDED, why, tuple(fitting))


def _no_time(texts: Sequence[str]) -> str:
    shown = ", ".join(repr(text[:_LONGEST]) for text in texts[:_EXAMPLES])
    if texts and all(_DIGITS_ALONE.fullmatch(text) for text in texts):
        return (
            f"digits alone ({shown}) could be the day number of a spreadsheet or seconds since 1970; export times as "
            "2026-01-31 or 31.01.2026"
        )
    return f"no known format of times reads {shown or 'it: it is empty'}; write `time` in a map yourself"


def _distinct(formats: Sequence[str], texts: Sequence[str]) -> list[str]:
    """Return the formats without those that read every text as one before them does."""
    found: dict[tuple[object, ...], str] = {}
    for one in formats:
        found.setdefault(tuple(read_time(text, one) for text in texts if _reads(text, one)), one)
    return list(found.values())


def find_decimal(texts: Iterable[str]) -> Finding:
    """Return the decimal sign from the distinct texts of amounts."""
    read = {".": 0, ",": 0}
    only: dict[str, str] = {}
    differing = ""
    for text in texts:
        values = amounts_of(text)
        for decimal in values:
            read[decimal] += 1
        if len(values) == 1:
            only.setdefault(next(iter(values)), text)
        elif len(set(values.values())) > 1:
            differing = differing or text
    best = "," if read[","] > read["."] else "."
    if best in only:
        certainty = Certainty.SURE if len(only) == 1 else Certainty.LIKELY
        return Finding("decimal", best, certainty, f"{only[best].strip()} is an amount by it")
    if differing:
        by_dot, by_comma = amounts_of(differing).values()
        why = f'{differing.strip()} is {by_dot:g} by "." and {by_comma:g} by ",", and no amount of the file decides it'
        return Finding("decimal", ".", Certainty.UNDECIDED, why, (".", ","))
    return Finding("decimal", ".", Certainty.ASSUMED, "no amount has one")


def find_purchases(negative: int, positive: int) -> Finding:
    """Return the sign of purchases from the number of amounts below and above zero."""
    counts = f"{negative} amounts are negative, {positive} positive"
    share = negative / max(negative + positive, 1)
    if negative == 0:
        return Finding("purchases", "positive", Certainty.LIKELY, "no amount is negative")
    if share >= _MOST:
        return Finding("purchases", "negative", Certainty.LIKELY, counts)
    if share <= 1 - _MOST:
        return Finding("purchases", "positive", Certainty.LIKELY, counts)
    return Finding("purchases", "negative", Certainty.UNDECIDED, counts, ("negative", "positive"))
