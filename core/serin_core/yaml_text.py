"""YAML that users write. What a parser would read silently or at any cost is an error here.

A key that stands twice in a mapping: parsers keep the last one. A value that repeats a part many times by aliases: a
hundred lines can stand for more values than fit into memory. A value that contains itself, nesting that ends the
parser, and a scalar that is not of its type: parsers raise errors of any kind.

The loader is the one in Python: libyaml's ends the process at a few thousand nested lists.
"""

from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import yaml

MAX_DEPTH: Final = 100
"""Of nested lists and mappings."""
MAX_REPEATED: Final = 10_000
"""Values that aliases repeat, all together."""
_MERGE: Final = "tag:yaml.org,2002:merge"
_UNREADABLE: Final = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What the constructors of PyYAML raise for a scalar that is not of its type, such as the day 2026-99-99."""


class DuplicateKeyError(yaml.YAMLError):
    """A key that stands twice in one mapping. The message is one line with both places."""


class _StrictLoader(yaml.SafeLoader):
    _depth = 0

    def compose_document(self) -> Any:
        found = super().compose_document()
        _check_aliases(found)
        return found

    def compose_node(self, parent: Any, index: Any) -> Any:
        self._depth += 1
        try:
            if self._depth > MAX_DEPTH:
                mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
                raise yaml.composer.ComposerError(None, None, f"it is nested deeper than {MAX_DEPTH} levels", mark)
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1

    def construct_object(self, node: Any, deep: bool = False) -> Any:  # noqa: FBT001, FBT002 - PyYAML's signature
        try:
            return super().construct_object(node, deep)
        except _UNREADABLE:
            kind = node.tag.rpartition(":")[2]
            raise yaml.constructor.ConstructorError(
                None, None, f"it cannot be read as the type {kind!r}; quote it if it is a text", node.start_mark
            ) from None

    def construct_scalar(self, node: Any) -> Any:
        found = super().construct_scalar(node)
        if isinstance(found, str) and any("\ud800" <= sign <= "\udfff" for sign in found):
            problem = "it has one half of a character (\\ud800 to \\udfff)"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        return found

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
    with _errors():
        return yaml.load(text, _StrictLoader)  # noqa: S506 - a SafeLoader


def load_all_yaml(text: str) -> Iterator[Any]:
    """Yield the plain values of each document. Raises yaml.YAMLError."""
    with _errors():
        yield from yaml.load_all(text, _StrictLoader)


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except _UNREADABLE:  # of the scanner, for an escape such as \U00110000
        raise yaml.YAMLError("it has an escape or a number that stands for nothing") from None


def _check_aliases(root: yaml.Node | None) -> None:
    """Raise ComposerError if a value contains itself, or if aliases repeat more than MAX_REPEATED values."""
    sizes: dict[int, int] = {}
    open_nodes: set[int] = set()

    def size(node: yaml.Node) -> int:
        known = sizes.get(id(node))
        if known is not None:
            return known
        if id(node) in open_nodes:
            raise yaml.composer.ComposerError(None, None, "the value contains itself", node.start_mark)
        open_nodes.add(id(node))
        parts = node.value if isinstance(node, yaml.CollectionNode) else ()
        found = 1 + sum(size(part) for one in parts for part in (one if isinstance(node, yaml.MappingNode) else (one,)))
        open_nodes.discard(id(node))
        sizes[id(node)] = found
        return found

    if root is not None and size(root) - len(sizes) > MAX_REPEATED:
        problem = f"aliases (*) repeat more than {MAX_REPEATED} values; write what is meant without them"
        raise yaml.composer.ComposerError(None, None, problem, root.start_mark)
