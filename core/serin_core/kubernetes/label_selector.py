"""Label selectors as kubectl takes them: `team=a,tier!=test,zone in (x,y),!canary`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from serin_core.api.base import shortened

_NAME: Final = r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_KEY: Final = rf"(?:[a-z0-9](?:[-a-z0-9.]{{0,251}}[a-z0-9])?/)?{_NAME}"
_VALUE: Final = rf"(?:{_NAME})?"
_REQUIREMENT: Final = re.compile(
    rf"\s*(?:(?P<absent>!)\s*(?P<without>{_KEY})"
    rf"|(?P<key>{_KEY})(?:\s*(?P<equal>==|=|!=)\s*(?P<value>{_VALUE})"
    rf"|\s+(?P<set>in|notin)\s*\((?P<values>[^()]*)\))?)\s*"
)
_MAX_SHOWN: Final = 200
_EXAMPLE: Final = "expected requirements such as team=a, team!=a, team in (a,b), team notin (a,b), team or !team"


class SelectorError(ValueError):
    """A text that is no label selector."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """One requirement: the value of a label is one of some, or is none of them."""

    key: str
    values: frozenset[str] | None
    """None stands for every value."""
    is_negated: bool

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Return whether labels meet it. As in Kubernetes, `!=` and `notin` are met where the label is absent."""
        is_met = self.key in labels and (self.values is None or labels[self.key] in self.values)
        return is_met is not self.is_negated


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """Requirements that labels have to meet all. Without any, it matches everything."""

    requirements: tuple[Requirement, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a selector; "" matches everything. Raises SelectorError."""
        if not text.strip():
            return cls()
        return cls(tuple(_requirement(part, text) for part in re.split(r",(?![^(]*\))", text)))

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Return whether an object with these labels is selected."""
        return all(one.matches(labels) for one in self.requirements)


def _requirement(part: str, text: str) -> Requirement:
    found = _REQUIREMENT.fullmatch(part)
    if found is None:
        raise SelectorError(f"{_shown(part.strip())} in {_shown(text)}: {_EXAMPLE}")
    if found["absent"]:
        return Requirement(found["without"], None, is_negated=True)
    if found["equal"]:
        return Requirement(found["key"], frozenset({found["value"]}), is_negated=found["equal"] == "!=")
    if found["set"]:
        values = frozenset(value.strip() for value in found["values"].split(","))
        if not all(re.fullmatch(_VALUE, value) for value in values):
            raise SelectorError(
                f"{_shown(part.strip())} in {_shown(text)}: a value of a label has letters, digits, - _ and ."
            )
        return Requirement(found["key"], values, is_negated=found["set"] == "notin")
    return Requirement(found["key"], None, is_negated=False)


def _shown(text: str) -> str:
    return shortened(repr(text), _MAX_SHOWN)
