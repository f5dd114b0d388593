"""What was found, as map.yaml with a comment on each value, as a report and as JSON."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import yaml

from serin_training.data.presets import UNDECIDED
from serin_training.inspection.findings import Certainty, Finding
from serin_training.inspection.inspect import Checked, Inspection

_WIDEST: Final = 32
_COMMENT: Final = 30
"""Column of the comments, at least."""
_USERS: Final = 3
"""That training needs, as in splits.MIN_USERS, which is slow to import."""


def map_text(found: Inspection) -> str:
    """Return the content of map.yaml."""
    lines: list[tuple[str, Finding | None]] = []
    for one in found.findings:
        section, _, column = one.key.partition(".")
        if column and not any(line == f"{section}:" for line, _ in lines):
            lines.append((f"{section}:", None))
        value = UNDECIDED if one.is_undecided else _scalar(one.value)
        lines.append((f"  {column}: {value}" if column else f"{section}: {value}", one))
    width = max(_COMMENT, *(len(line) for line, _ in lines)) + 2
    return "".join(f"{line:<{width}}# {_comment(one)}\n" if one else f"{line}\n" for line, one in lines)


def _scalar(value: object) -> str:
    style = '"' if value in (",", ".") else None
    text = yaml.safe_dump(
        value, allow_unicode=True, width=10_000, default_flow_style=True, sort_keys=False, default_style=style
    )
    return text.removesuffix("...\n").strip()


def _comment(one: Finding) -> str:
    choices = f"; write {' or '.join(map(_scalar, one.choices))}" if one.is_undecided else ""
    return " ".join(f"{one.certainty}: {one.why}{choices}".split())


def report(found: Inspection, checked: Checked) -> str:
    """Return the map and the first rows, for a terminal."""
    head = (
        f"{found.name}: {checked.rows} transactions from {checked.first:%Y-%m-%d} to {checked.last:%Y-%m-%d}; "
        f"users: {checked.users}; with a category: {checked.labelled}; categories: {checked.categories}"
    )
    title = f"The first {len(checked.shown)} rows as they would be read" if checked.shown[1:] else "The row"
    return "\n".join([head, "", map_text(found), f"{title}:", "", *_table(checked.shown)])


def _table(rows: Sequence[Mapping[str, str]]) -> Iterator[str]:
    names = [name for name in rows[0] if any(row[name] for row in rows)]
    cells = [names, *([_short(row[name]) for name in names] for row in rows)]
    widths = [max(len(line[at]) for line in cells) for at in range(len(names))]
    for line in cells:
        yield "  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip()


def _short(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= _WIDEST else f"{plain[: _WIDEST - 1]}…"


def notes(found: Inspection, checked: Checked) -> Iterator[str]:
    """Yield what a user should know before these data are used."""
    if found.is_native:
        yield "this is Serin's own format: other commands read the file without a map"
    for preset in found.presets:
        yield f"the columns are those of the preset {preset} (--map {preset})"
    for one in found.undecided:
        yield f"undecided: {one.key}: {one.why}; write {' or '.join(map(_scalar, one.choices))} in the map"
    for one in found.findings:
        if one.certainty is Certainty.ASSUMED and one.key == "zone":
            yield f"assumed: zone UTC: {one.why}"
    if not found.column("txn_id"):
        yield "no column has an id for each row, each once: ids are made from the contents"
    if not checked.labelled:
        yield "no row has a category: training and evaluation need them; name their column as `category` in the map"
    if checked.users < _USERS:
        yield f"users: {checked.users}; training needs {_USERS} or more; name their column as `user_id` in the map"


def as_json(found: Inspection, checked: Checked) -> dict[str, Any]:
    """Return everything for programs."""
    return {
        "file": found.name,
        "rows": checked.rows,
        "labelled": checked.labelled,
        "categories": checked.categories,
        "users": checked.users,
        "from": checked.first.isoformat(),
        "to": checked.last.isoformat(),
        "map": found.data_map().model_dump(exclude={"name"}) | {one.key: UNDECIDED for one in found.undecided},
        "findings": [
            {"key": one.key, "value": UNDECIDED if one.is_undecided else one.value, "certainty": one.certainty.value}
            | {"why": one.why}
            | ({"choices": list(one.choices)} if one.is_undecided else {})
            for one in found.findings
        ],
        "notes": list(notes(found, checked)),
        "first_rows": [dict(row) for row in checked.shown],
    }
