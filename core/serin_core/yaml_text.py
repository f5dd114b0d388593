"""YAML that people write. A key that stands twice in a mapping is an error: YAML parsers keep the last one silently."""

from collections.abc import Hashable, Iterator
from typing import Any, Final

import yaml

_MERGE: Final = "tag:yaml.org,2002:merge"


class DuplicateKeyError(yaml.YAMLError):
    """A key that stands twice in one mapping. The message is one line with both places."""


class _StrictLoader(yaml.SafeLoader):
    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 - PyYAML's signature
        lines: dict[Hashable, int] = {}
        for key_node, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            # What a merge (<<) brings may be overridden.
            if key_node.tag == _MERGE or not isinstance(key_node, yaml.ScalarNode):
                continue
            key, line = self.construct_object(key_node, deep=True), key_node.start_mark.line + 1
            if key in lines:
                raise DuplicateKeyError(
                    f"the key {key!r} stands on line {lines[key]} and again on line {line}; keep one of them"
                )
            lines[key] = line
        return super().construct_mapping(node, deep)


def load_yaml(text: str) -> Any:
    """Return the plain values of a YAML document. Raises yaml.YAMLError."""
    return yaml.load(text, _StrictLoader)  # noqa: S506 - a SafeLoader


def load_all_yaml(text: str) -> Iterator[Any]:
    """Yield the plain values of each document. Raises yaml.YAMLError."""
    return iter(yaml.load_all(text, _StrictLoader))
