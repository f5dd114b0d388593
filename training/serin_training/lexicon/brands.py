"""The brands of a country, and rules from them."""

import gzip
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import yaml

from serin_core.model.values import text_error
from serin_core.yaml_text import load_yaml
from serin_training.errors import DataError

FILE: Final = files("serin_training.lexicon") / "brands.json.gz"
LICENCE: Final = files("serin_training.lexicon") / "LICENSE.name-suggestion-index.md"
EVERYWHERE: Final = "001"
"""The world, as the UN numbers regions."""
MIN_LETTERS: Final = 3
_KINDS_OF_CHAIN: Final = 3
"""A brand of this many kinds is a large chain, such as `walmart`, and its name is never taken for a common word."""
_MAIN: Final = (
    "shop/department_store",
    "shop/wholesale",
    "shop/supermarket",
    "shop/furniture",
    "shop/doityourself",
    "amenity/fuel",
)
"""Kinds that large chains begin with: of those of one brand, the first is what most of its payments are for."""
_OTHER_BRANDS: Final = 2
"""A name of one word is taken for a common word, such as `home`, if the names of this many other brands contain it."""


@cache
def _content() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(gzip.decompress(FILE.read_bytes()))
    return found


def countries() -> list[str]:
    """Return the codes of all countries that have brands of their own, in capitals."""
    places = {place for names in _content()["brands"].values() for found in names.values() for place in found}
    return sorted(place.upper() for place in places if place.isalpha())


@dataclass(frozen=True, slots=True)
class Lexicon:
    """The brands of one country."""

    country: str
    kinds: Mapping[str, frozenset[str]]
    """Kinds of shop by the normalised name of a brand."""

    @classmethod
    def of(cls, country: str) -> "Lexicon":
        """Return the brands of a country by its code of two letters, in any case. Raises DataError."""
        code = country.strip().lower()
        if code.upper() not in countries():
            raise DataError(
                f"--country {country}: no brands are known of it; give a code of two letters such as CA, GB or DE"
            )
        found: dict[str, set[str]] = defaultdict(set)
        for kind, names in _content()["brands"].items():
            for name, places in names.items():
                is_here = code in places or (EVERYWHERE in places and f"-{code}" not in places)
                if is_here and len(name) >= MIN_LETTERS:
                    found[name].add(kind)
        return cls(code.upper(), {name: frozenset(kinds) for name, kinds in found.items() if not _is_word(name, found)})

    def brands_of(self, kind: str) -> list[str]:
        """Return the brands of a kind, in alphabetical order."""
        return sorted(name for name, kinds in self.kinds.items() if kind in kinds)

    def all_kinds(self) -> list[tuple[str, int]]:
        """Return the kinds with their number of brands, the largest first."""
        found = Counter(kind for kinds in self.kinds.values() for kind in kinds)
        return sorted(found.items(), key=lambda one: (-one[1], one[0]))

    def keywords(self, classes: Mapping[str, Sequence[str]]) -> dict[str, str]:
        """Return the class by keyword; of a brand of several kinds that of its main kind, else of the first given."""
        given = [kind for kinds in classes.values() for kind in kinds]
        ordered = dict.fromkeys((*(kind for kind in _MAIN if kind in given), *given))
        order = {kind: number for number, kind in enumerate(ordered)}
        label_of = {kind: label for label, kinds in classes.items() for kind in kinds}
        found = {}
        for name, kinds in sorted(self.kinds.items()):
            wanted = sorted((kind for kind in kinds if kind in order), key=order.__getitem__)
            if wanted:
                found[name] = label_of[wanted[0]]
        return found

    def check(self, classes: Mapping[str, Sequence[str]], name: str) -> None:
        """Raise DataError with all kinds of a file that do not exist."""
        known = list(_content()["brands"])
        wrong = [kind for kinds in classes.values() for kind in kinds if kind not in known]
        if wrong:
            raise DataError(
                f"{name}: {', '.join(_unknown(kind, known) for kind in wrong)}; "
                f"`serin rules kinds --country {self.country}` lists all kinds"
            )


def _is_word(name: str, found: Mapping[str, Iterable[str]]) -> bool:
    if " " in name or len(set(found[name])) >= _KINDS_OF_CHAIN:
        return False
    others = _names_that_contain(frozenset(found)).get(name, ())
    return sum(1 for other in others if not set(found[other]) & set(found[name])) >= _OTHER_BRANDS


@cache
def _names_that_contain(names: frozenset[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for name in names:
        # A chain's departments begin with its name.
        for word in set(name.split()[1:]):
            found[word].append(name)
    return found


def _unknown(kind: str, known: Sequence[str]) -> str:
    near = get_close_matches(kind, known, n=1, cutoff=0.5)
    return f"there is no kind {kind!r}" + (f" (did you mean {near[0]}?)" if near else "")


def read_classes(path: Path) -> dict[str, list[str]]:
    """Return the kinds of each class from a YAML file. Raises DataError."""
    try:
        found = load_yaml(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DataError(f"{path}: {error}") from None
    example = "Groceries: [shop/supermarket, shop/bakery]"
    if not isinstance(found, dict) or not found:
        raise DataError(f"{path}: expected kinds by class, as in {example}")
    kinds: dict[str, str] = {}
    for label, given in found.items():
        if not isinstance(label, str) or text_error("category", label) or not label.strip():
            raise DataError(f"{path}: {label!r} cannot be a class; expected kinds by class, as in {example}")
        if not isinstance(given, list) or not all(isinstance(kind, str) for kind in given) or not given:
            raise DataError(f"{path}: {label}: expected a list of kinds, as in {example}")
        for kind in given:
            other = kinds.setdefault(kind, label)
            if other != label:
                raise DataError(f"{path}: {kind} is listed under {other} and under {label}; keep one of them")
    return found
