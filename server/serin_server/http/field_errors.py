"""What is wrong with the fields of a request, in words for authors of clients instead of pydantic's."""

from collections.abc import Collection, Sequence
from difflib import get_close_matches
from typing import Any, Final

from serin_server.http.problems import FieldError

MAX_ERRORS: Final = 32
"""Errors listed in one response; `detail` has the number of all."""
_MAX_CHARACTERS: Final = 300
_MAX_NAME: Final = 64

_WORDS: Final = {
    **dict.fromkeys(("missing", "model_attributes_type", "model_type", "dict_type"), "a JSON object is required"),
    **dict.fromkeys(("tuple_type", "list_type"), "a list is required"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "true or false is required"),
    "too_long": "at most {max_length} entries are allowed",
    "too_short": "at least {min_length} entry is required",
    "string_type": "text is required",
    "string_too_long": "at most {max_length} characters are allowed",
    "string_too_short": "at least {min_length} character is required",
    "string_pattern_mismatch": "the text does not have the required form",
}
"""Text by pydantic's type of an error; minimum lengths are 1."""

FieldNames = Collection[str]


def field_errors(errors: Sequence[Any], known: dict[int, FieldNames]) -> tuple[FieldError, ...]:
    """Return the first MAX_ERRORS of the errors that pydantic found.

    `known` has the names of the fields of an object by its depth in the body, for "did you mean".
    """
    return tuple(_field_error(error, known) for error in errors[:MAX_ERRORS])


def summary(errors: tuple[FieldError, ...], total: int) -> str:
    """Return the first error with its field, and the number of others, in one line."""
    first = errors[0]
    where = first.pointer.removeprefix("#").removeprefix("/").replace("/", ".") or first.parameter
    more = f" (and {total - 1} more)" if total > 1 else ""
    return f"{where}: {first.detail}{more}" if where else f"{first.detail}{more}"


def printable(text: str, *, longest: int = _MAX_CHARACTERS) -> str:
    """Return text in one line: the name of a field may have line breaks, and surrogates that UTF-8 cannot encode."""
    escaped = "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text[:longest]
    )
    return escaped[:longest]


def _field_error(error: Any, known: dict[int, FieldNames]) -> FieldError:
    source, *path = error["loc"]
    detail = printable(_in_plain_words(error, path, known))
    if source != "body":
        return FieldError(detail, parameter=printable(".".join(map(str, path)), longest=_MAX_NAME))
    pointer = "".join(f"/{_escaped(part)}" for part in path)
    return FieldError(detail, pointer=f"#{pointer}")


def _escaped(part: str | int) -> str:
    return printable(str(part), longest=_MAX_NAME).replace("~", "~0").replace("/", "~1")


def _in_plain_words(error: Any, path: list[str | int], known: dict[int, FieldNames]) -> str:
    match error["type"]:
        case "missing" if path:
            return "this field is required"
        case "extra_forbidden":
            return _unknown_field(str(path[-1]), known.get(len(path), ()))
        case "string_pattern_mismatch" if "\0" in str(error.get("input")):
            return "NUL characters are not allowed"
        case kind if kind in _WORDS:
            return _WORDS[kind].format(**error.get("ctx", {})) + _number_sent(error)
        case _:
            return str(error["msg"]).removeprefix("Value error, ").replace("Input should be", "must be")


def _number_sent(error: Any) -> str:
    sent = error.get("input")
    is_too_long = error["type"] in {"too_long", "string_too_long"}
    return f", {len(sent)} were sent" if is_too_long and isinstance(sent, list | tuple | str) else ""


def _unknown_field(name: str, known: FieldNames) -> str:
    near = get_close_matches(name[:_MAX_NAME], known, n=1)
    if near:
        return f"unknown field; did you mean {near[0]}?"
    return f"unknown field; the fields are {', '.join(known)}" if known else "unknown field"
