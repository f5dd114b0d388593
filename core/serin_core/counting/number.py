"""The one number that a query returns, or a sentence that says what to change in the query."""

from math import isfinite
from typing import Any, Final

from serin_core.counting.reading import Unreadable

NO_DATA: Final = Unreadable("NoData", "the query returned no data: nothing matches it now")
NOT_ONE: Final = "NotOneNumber"
SEVERAL: Final = Unreadable(NOT_ONE, "the query returned several series; wrap it in max() or sum()")
_OTHER_TYPES: Final = {
    "histogram": Unreadable(NOT_ONE, "the query returned a native histogram; wrap it in histogram_quantile()"),
    "string": Unreadable(NOT_ONE, "the query returned a string; write an expression that returns a number"),
    "matrix": Unreadable(NOT_ONE, "the query returned a range of samples; wrap it in avg_over_time() or rate()"),
}


def number_of(result_type: str, result: Any) -> float | Unreadable:
    """Return the number in a result of Prometheus, of any type that an instant query can have.

    A vector of one series is a number, as in an alert rule; its labels do not matter.
    """
    found: float | Unreadable = Unreadable("QueryError", "Prometheus did not return the result of a query")
    match result_type, result:
        case ("scalar", [_, str(text)]) | ("vector", [{"value": [_, str(text)]}]):
            found = _finite(text)
        case "vector", []:
            found = NO_DATA
        case "vector", [_, _, *_]:
            found = SEVERAL
        case ("vector", [{"histogram": _}]) | ("string" | "matrix", _):
            found = _OTHER_TYPES["histogram" if result_type == "vector" else result_type]
    return found


def _finite(text: str) -> float | Unreadable:
    try:
        value = float(text)
    except ValueError:
        return Unreadable("QueryError", "Prometheus returned something that is not a number")
    if isfinite(value):
        return value
    return Unreadable(
        NOT_ONE, f"the query returned {text}, probably divided by 0; compare the divisor first: a / (b > 0)"
    )
