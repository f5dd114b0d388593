"""Validation of LightGBM's text format, before LightGBM parses it.

LightGBM trusts its input: a child that points back is an endless loop, one that points outside is read, and a truncated
line ends the process. So a text is accepted only if it has, line by line, the shape that LightGBM itself writes for
numeric trees of several classes. The text after the trees is only informative, and is removed.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

_HEADER: Final = (
    ("tree", r""),
    ("version", r"v4"),
    ("num_class", r"{classes}"),
    ("num_tree_per_iteration", r"{classes}"),
    ("label_index", r"0"),
    ("max_feature_idx", r"{last}"),
    ("objective", r"multiclass num_class:{classes}"),
    ("feature_names", r"\w+( \w+){{{last}}}"),
    ("feature_infos", r"(none|\[\S+:\S+\])( (none|\[\S+:\S+\])){{{last}}}"),
    ("tree_sizes", r"[0-9]+( [0-9]+)*"),
)
_END: Final = "end of trees\n"
_WHOLE: Final = ("split_feature", "decision_type", "left_child", "right_child", "leaf_count", "internal_count")
_OF_SPLITS: Final = ("split_feature", "split_gain", "threshold", "decision_type", "left_child", "right_child")
_ALSO_OF_SPLITS: Final = ("internal_value", "internal_weight", "internal_count")
_LINES: Final = (
    "num_leaves",
    "num_cat",
    *_OF_SPLITS,
    "leaf_value",
    "leaf_weight",
    "leaf_count",
    *_ALSO_OF_SPLITS,
    "is_linear",
    "shrinkage",
)
_NUMBERS: Final = re.compile(r"[-+.0-9e ]*")
_LARGEST: Final = 2**31 - 1
_DIRECTIONS: Final = frozenset({0, 2, 4, 6, 8, 10})
"""Valid values for a numeric split: where a missing value goes, and what counts as missing."""


class TreesError(ValueError):
    """Text without trees, or with trees of another shape. The message is one line."""


def checked_trees(text: str, *, classes: int, numbers: int, pause: Callable[[], None] = lambda: None) -> str:
    """Return the part of a text with the trees, for this number of classes and features. Raises TreesError.

    `pause` is called after each tree.
    """
    if not text.isascii():
        raise TreesError("the trees' text must be ASCII")
    header, _, rest = text.partition("\n\n")
    sizes = _sizes(header, classes=classes, numbers=numbers)
    if len(sizes) % classes:
        raise TreesError(f"{len(sizes)} trees cannot be divided evenly among {classes} classes")
    at = 0
    for number, size in enumerate(sizes):
        _check_tree(rest[at : at + size], number, numbers=numbers)
        at += size
        pause()
    if not rest.startswith(_END, at):
        raise TreesError(f"the line {_END.strip()!r} is missing after the trees")
    return f"{header}\n\n{rest[: at + len(_END)]}"


def _sizes(header: str, *, classes: int, numbers: int) -> Sequence[int]:
    lines = header.split("\n")
    if len(lines) != len(_HEADER):
        raise TreesError(f"the header of the trees has {len(lines)} lines, not {len(_HEADER)}")
    for line, (name, pattern) in zip(lines, _HEADER, strict=True):
        found, equals, value = line.partition("=")
        wanted = pattern.format(classes=classes, last=numbers - 1)
        if found != name or not re.fullmatch(wanted, value) or bool(equals) != bool(pattern):
            raise TreesError(f"the header of the trees: expected {name}, found {line[:60]!r}")
    try:
        return [_whole(size) for size in lines[-1].partition("=")[2].split(" ")]
    except ValueError as error:
        raise TreesError(f"the header of the trees: tree_sizes: {str(error)[:120]}") from None


def _check_tree(block: str, number: int, *, numbers: int) -> None:
    lines = block.split("\n")
    if lines[0] != f"Tree={number}" or lines[-3:] != ["", "", ""] or len(lines) != len(_LINES) + 4:
        raise TreesError(f"tree {number} is truncated, or does not begin where the header says")
    values: dict[str, str] = {}
    for name, line in zip(_LINES, lines[1:-3], strict=True):
        found, equals, value = line.partition("=")
        if found != name or not equals or not _NUMBERS.fullmatch(value):
            raise TreesError(f"tree {number}: the line {name} is missing or malformed")
        values[name] = value
    try:
        _check_values(values, numbers=numbers)
    except ValueError as error:
        raise TreesError(f"tree {number}: {str(error)[:120]}") from None


def _check_values(values: Mapping[str, str], *, numbers: int) -> None:
    leaves = _whole(values["num_leaves"])
    if leaves < 1 or values["num_cat"] != "0" or values["is_linear"] != "0":
        raise ValueError("it must have leaves, numeric splits only, and one value in each leaf")
    read = {name: _read(name, values[name]) for name in _LINES}
    for name in (*_OF_SPLITS, *_ALSO_OF_SPLITS):
        if len(read[name]) != leaves - 1:
            raise ValueError(f"{name} has {len(read[name])} numbers for {leaves} leaves")
    for name in ("leaf_value", "leaf_weight", "leaf_count"):
        is_left_out = name == "leaf_weight" and leaves == 1 and not read[name]
        if len(read[name]) != leaves and not is_left_out:
            raise ValueError(f"{name} has {len(read[name])} numbers for {leaves} leaves")
    if not all(0 <= one < numbers for one in read["split_feature"]):
        raise ValueError(f"split_feature is outside the {numbers} features")
    if not _DIRECTIONS.issuperset(read["decision_type"]):
        raise ValueError("decision_type is not that of a numeric split")
    _check_children(read["left_child"], read["right_child"], leaves=leaves)


def _check_children(left: Sequence[float], right: Sequence[float], *, leaves: int) -> None:
    # LightGBM numbers splits in the order in which it makes them, so a child always has a higher number.
    if any(0 <= child <= split for children in (left, right) for split, child in enumerate(children)):
        raise ValueError("a split points to an earlier one")
    reached = sorted((*left, *right))
    if leaves > 1 and reached != [*range(-leaves, 0), *range(1, leaves - 1)]:
        raise ValueError("its splits do not reach each split and leaf exactly once")


def _read(name: str, value: str) -> Sequence[float]:
    parts = value.split(" ") if value else []
    if name in _WHOLE:
        return [_whole(part) for part in parts]
    read = [float(part) for part in parts]
    if not all(map(math.isfinite, read)):
        raise ValueError(f"{name} must be finite")
    return read


def _whole(text: str) -> int:
    number = int(text)
    if abs(number) > _LARGEST:
        raise ValueError(f"{text[:20]} is too large")
    return number
