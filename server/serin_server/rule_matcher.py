"""Keyword matching in the server: one automaton finds all keywords of a text in one pass.

The result is the same as that of serin_core.model.keyword_rules, only faster; tests compare the two.
"""

import os
from functools import lru_cache
from pathlib import Path
from typing import Final

import ahocorasick
import yaml

from serin_core.model.features import Transaction
from serin_core.model.keyword_rules import Match, Rules, RulesError, text_of
from serin_core.yaml_text import load_yaml
from serin_server.settings import SettingsError

CACHE_SIZE: Final = 8192
"""Pairs of merchant and description whose match is cached: about 2 MB."""
MAX_CACHED_CHARACTERS: Final = 256
"""Longer descriptions are not cached: they rarely repeat, and would need too much memory."""


def read_rules(file: Path) -> Rules:
    """Return the rules of a file, no rules if it does not exist. Raises SettingsError, which names the file."""
    try:
        return Rules.parse(load_yaml(file.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return Rules.parse({"classes": {}})
    except OSError as error:
        raise SettingsError(f"{file}: {os.strerror(error.errno or 0)}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file}: not valid YAML: {' '.join(str(error).split())}") from None
    except RulesError as error:
        raise SettingsError(f"{file}: {error}") from None


class KeywordMatcher:
    """Finds the longest keyword in a transaction's text, at word boundaries; of equal ones the first in the file."""

    def __init__(self, rules: Rules) -> None:
        self.classes = frozenset(rules.classes)
        """All labels that can match."""
        self._automaton = ahocorasick.Automaton()
        keywords = ((keyword, label) for label, of_class in rules.classes.items() for keyword in of_class)
        for order, (keyword, label) in enumerate(keywords):
            # Blanks on both sides restrict matches to word boundaries.
            self._automaton.add_word(f" {keyword} ", (len(keyword), -order, Match(label, keyword)))
        self._is_empty = len(self._automaton) == 0
        self._automaton.make_automaton()
        self._cached = lru_cache(CACHE_SIZE)(self._search)

    def match(self, transaction: Transaction) -> Match | None:
        """Return the class and the keyword that match, None if none does."""
        if self._is_empty:
            return None
        search = self._search if len(transaction.description) > MAX_CACHED_CHARACTERS else self._cached
        return search(transaction.merchant, transaction.description)

    def _search(self, merchant: str, description: str) -> Match | None:
        text = text_of(Transaction("", merchant, description))
        best = max((found for _, found in self._automaton.iter(f" {text} ")), default=None, key=_rank)
        return None if best is None else best[2]


def _rank(found: tuple[int, int, Match]) -> tuple[int, int]:
    return found[0], found[1]
