"""Keyword rules: they classify a transaction where no model does.

    classes:
      Groceries: [loblaws, "no frills"]
      Dining: [pizza]

Keywords and texts are normalised in the same way (serin_core.model.features): case, accents, punctuation and numbers
are ignored; digits within a word stay (Q8). A keyword matches whole words in merchant and description. The longest
keyword wins, and of two equally long ones the first in the file. This module defines the format and its meaning; the
server finds keywords with an automaton that is tested against `match`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

from serin_core.api.base import shortened
from serin_core.model.features import Transaction, normalise
from serin_core.model.values import text_error

MAX_KEYWORDS: Final = 100_000
MIN_SIGNS: Final = 3
"""Of a keyword that loses a number when it is normalised: `A 1` would match every `a`."""
_MAX_MESSAGE: Final = 400
_EXAMPLE: Final = 'classes: {Groceries: [loblaws, "no frills"]}'


class RulesError(ValueError):
    """An invalid rules file. The message is one line with the problem, its place and a correct example."""

    def __init__(self, message: str) -> None:
        # A name may be as long as the file and have line breaks, and the message is written into a status.
        line = " ".join(message.encode(errors="backslashreplace").decode().split())
        super().__init__(shortened(line, _MAX_MESSAGE))


@dataclass(frozen=True, slots=True)
class Match:
    """The class that the rules predict, and the keyword that matched."""

    label: str
    keyword: str


def text_of(transaction: Transaction) -> str:
    """Return the normalised text in which keywords are searched."""
    return f"{normalise(transaction.merchant)} {normalise(transaction.description)}".strip()


@dataclass(frozen=True, slots=True)
class Rules:
    """Normalised keywords by class, both in the order of the file; keywords are unique."""

    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def parse(cls, found: Any) -> Self:
        """Validate the output of a YAML parser. Raises RulesError."""
        if not isinstance(found, Mapping) or set(found) != {"classes"} or not isinstance(found["classes"], Mapping):
            raise RulesError(f"rules: expected one key, classes, with keywords by class, as in {_EXAMPLE}")
        labels: dict[str, str] = {}
        for label, keyword in _read(found["classes"]):
            other = labels.setdefault(keyword, label)
            if other != label:
                raise RulesError(
                    f"rules: keyword {keyword!r} is listed under {other} and under {label}; keep one of them"
                )
        if len(labels) > MAX_KEYWORDS:
            raise RulesError(f"rules: {len(labels)} keywords are too many; the maximum is {MAX_KEYWORDS}")
        classes: dict[str, list[str]] = {}
        for keyword, label in labels.items():
            classes.setdefault(label, []).append(keyword)
        return cls({label: tuple(keywords) for label, keywords in classes.items()})

    def to_mapping(self) -> dict[str, dict[str, list[str]]]:
        """Return the plain values of the file; `parse` is the inverse."""
        return {"classes": {label: list(keywords) for label, keywords in self.classes.items()}}

    def match(self, transaction: Transaction) -> Match | None:
        """Return the match of a plain search, None if no keyword matches. Faster searches must return the same."""
        text = f" {text_of(transaction)} "
        found = [
            Match(label, keyword)
            for label, keywords in self.classes.items()
            for keyword in keywords
            if f" {keyword} " in text
        ]
        return max(found, key=lambda match: len(match.keyword), default=None)


def _read(classes: Mapping[Any, Any]) -> Iterator[tuple[str, str]]:
    for label, keywords in classes.items():
        if not isinstance(label, str) or not label.strip():
            raise RulesError(f"rules: a class must be a name, not {label!r}; as in {_EXAMPLE}")
        if problem := text_error("category", label):
            raise RulesError(f"rules: the class {label!r} cannot be one: {problem}")
        if not isinstance(keywords, list):
            raise RulesError(f"rules: {label} must hold a list of keywords, not {type(keywords).__name__}")
        if not keywords:
            raise RulesError(f"rules: {label} has no keyword; give it one or remove it")
        for keyword in keywords:
            if not isinstance(keyword, str) or not normalise(keyword):
                raise RulesError(f"rules: {label}: {keyword!r} is not a keyword; write one or more words with letters")
            normalised = normalise(keyword)
            if len(normalised) < MIN_SIGNS and _has_digit(keyword) and not _has_digit(normalised):
                raise RulesError(
                    f"rules: {label}: without its number {keyword!r} is {normalised!r}, which matches too much; "
                    "write a name like Q8 in one word, or add another word"
                )
            yield label, normalised


def _has_digit(text: str) -> bool:
    return any(sign.isdecimal() for sign in text)
