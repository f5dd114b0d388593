"""The rules as they are served: one automaton finds every keyword of a text in one pass.

Returns exactly what serin_core.model.keyword_rules returns, only faster; tests compare the two.
"""

import os
from functools import lru_cache
from pathlib import Path
from typing import Final

import ahocorasick
import yaml

from serin_core.model.features import Transaction
from serin_core.model.keyword_rules import Match, Rules, RulesError, text_of
from serin_server.settings import SettingsError

REMEMBERED: Final = 8192
"""So many pairs of merchant and description are kept with their answer: about 2 MB."""
LONGEST_REMEMBERED: Final = 256
"""Characters of a description; longer ones hardly come again, and would make the bound on memory a loose one."""


def read_rules(file: Path) -> Rules:
    """Read a rules file; an absent one holds no rules. Raises SettingsError with the file in its message."""
    try:
        return Rules.parse(yaml.safe_load(file.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return Rules.parse({"classes": {}})
    except OSError as error:
        raise SettingsError(f"{file}: {os.strerror(error.errno or 0)}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file}: it is no YAML: {' '.join(str(error).split())}") from None
    except RulesError as error:
        raise SettingsError(f"{file}: {error}") from None


class KeywordMatcher:
    """Finds the longest keyword in a transaction's text, at word boundaries; of equals the first in the file."""

    def __init__(self, rules: Rules) -> None:
        self._automaton = ahocorasick.Automaton()
        keywords = ((keyword, label) for label, of_class in rules.classes.items() for keyword in of_class)
        for order, (keyword, label) in enumerate(keywords):
            # Blanks on both sides make every hit one at word boundaries.
            self._automaton.add_word(f" {keyword} ", (len(keyword), -order, Match(label, keyword)))
        self._is_empty = len(self._automaton) == 0
        self._automaton.make_automaton()
        self._remembered = lru_cache(REMEMBERED)(self._search)

    def match(self, transaction: Transaction) -> Match | None:
        """Answer the class and keyword that apply, None if none does."""
        if self._is_empty:
            return None
        search = self._search if len(transaction.description) > LONGEST_REMEMBERED else self._remembered
        return search(transaction.merchant, transaction.description)

    def _search(self, merchant: str, description: str) -> Match | None:
        text = text_of(Transaction("", merchant, description))
        best = max((found for _, found in self._automaton.iter(f" {text} ")), default=None, key=_rank)
        return None if best is None else best[2]


def _rank(found: tuple[int, int, Match]) -> tuple[int, int]:
    return found[0], found[1]
