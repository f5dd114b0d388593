"""Rewrite manifests of an older form in their text: what is not changed stays as it is, with its comments. Pure.

The older form had a list `spec.gates.metrics` of built-in and custom gates with `disabled` and `dryRun`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import yaml

from serin_cli.conversion_gates import Gate, convert_gates, flow_of, write_block
from serin_cli.finding import Finding
from serin_core.contract import names

_MERGE: Final = "tag:yaml.org,2002:merge"


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a resource cannot be converted."""

    resource: str
    finding: Finding


@dataclass(frozen=True, slots=True)
class Converted:
    """The text of a file after conversion, and how many resources were changed."""

    text: str
    changed: int
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class _Edit:
    start: int
    end: int
    text: str


def convert(text: str) -> Converted:
    """Return a file's text with every SuggestionModel in the present form. Raises yaml.YAMLError."""
    edits: list[_Edit] = []
    problems: list[Problem] = []
    resources = [one for document in yaml.compose_all(text, Loader=yaml.SafeLoader) for one in _resources(document)]
    aliased = _aliased(text)
    for number, resource in enumerate(resources, 1):
        name = _name(resource, number)
        found = _convert(resource, text, aliased)
        if isinstance(found, _Edit):
            edits.append(found)
        else:
            problems += [Problem(name, finding) for finding in found]
    newline = "\r\n" if "\r\n" in text else "\n"
    for edit in sorted(edits, key=lambda one: one.start, reverse=True):
        text = text[: edit.start] + edit.text.replace("\n", newline) + text[edit.end :]
    return Converted(text, len(edits), tuple(problems))


def _convert(resource: yaml.MappingNode, text: str, aliased: list[int]) -> _Edit | list[Finding]:
    """Return the change of one resource, or why there is none: an empty list if nothing has the older form."""
    gates = _value(_value(resource, "spec"), "gates")
    pair = _pair(gates, "metrics")
    if not isinstance(gates, yaml.MappingNode) or pair is None:
        return []
    key, metrics = pair
    if any(key.start_mark.index <= position < _end(metrics) for position in aliased) or _merges(metrics):
        return [Finding("spec.gates.metrics", "has an anchor, an alias or a merge key; write its values out first")]
    others = {one.value for one, _ in gates.value if one is not key}
    converted = convert_gates(metrics, text, key.start_mark.line, others)
    if converted and isinstance(converted[0], Finding):
        return [one for one in converted if isinstance(one, Finding)]
    found = [one for one in converted if isinstance(one, Gate)]
    if gates.flow_style:
        kept = {one.value: _plain(value) for one, value in gates.value if one is not key}
        return _Edit(gates.start_mark.index, _end(gates), flow_of(kept, found))
    written = write_block(found, key.start_mark.column, _comment_after(key, metrics, text))
    if not written and len(gates.value) == 1:
        return _Edit(key.start_mark.index, _end(metrics), "{}")
    return _Edit(key.start_mark.index, _end(metrics), written)


def _comment_after(key: yaml.Node, metrics: yaml.Node, text: str) -> str:
    """Return the comment that follows the key on its line, "" if there is none."""
    between = text[key.end_mark.index : metrics.start_mark.index].split("\n", 1)[0]
    return between[between.index("#") :].rstrip() if "#" in between else ""


def _resources(node: yaml.Node | None) -> Iterator[yaml.MappingNode]:
    """Yield the SuggestionModels of a document, also those in a List."""
    if not isinstance(node, yaml.MappingNode):
        return
    kind = _value(node, "kind")
    if kind is not None and kind.value == names.KIND:
        yield node
    items = _value(node, "items")
    if isinstance(items, yaml.SequenceNode):
        for item in items.value:
            yield from _resources(item)


def _name(resource: yaml.MappingNode, number: int) -> str:
    name = _value(_value(resource, "metadata"), "name")
    return f"{names.KIND.lower()}/{name.value}" if isinstance(name, yaml.ScalarNode) else f"resource {number}"


def _pair(node: yaml.Node | None, key: str) -> tuple[yaml.Node, yaml.Node] | None:
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((pair for pair in node.value if pair[0].value == key), None)


def _value(node: yaml.Node | None, key: str) -> yaml.Node | None:
    pair = _pair(node, key)
    return None if pair is None else pair[1]


def _end(node: yaml.Node) -> int:
    """Return where the text of a node ends; the end mark of a block is after the comments that follow it."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end(last[1] if isinstance(last, tuple) else last)
    return int(node.end_mark.index)


def _aliased(text: str) -> list[int]:
    """Return where the text has an anchor or an alias."""
    kinds = (yaml.AnchorToken, yaml.AliasToken)
    return [token.start_mark.index for token in yaml.scan(text, Loader=yaml.SafeLoader) if isinstance(token, kinds)]


def _merges(node: yaml.Node) -> bool:
    if isinstance(node, yaml.MappingNode):
        return any(key.tag == _MERGE or _merges(value) for key, value in node.value)
    return isinstance(node, yaml.SequenceNode) and any(_merges(one) for one in node.value)


def _plain(node: yaml.Node) -> Any:
    return yaml.SafeLoader("").construct_document(node)
