"""Rewrite the list `gates.metrics` of an older manifest as one field for each gate, with its comments. Pure."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, get_args

import yaml
from pydantic import BaseModel, ValidationError

from serin_cli.finding import Finding
from serin_cli.lint_schema import spec_findings
from serin_core.api.gate_names import GateName
from serin_core.api.gates import Gates
from serin_core.api.spec import SuggestionModelSpec

_OLD_DEFAULTS: Final[Mapping[str, Any]] = {
    "disabled": False,
    "dryRun": False,
    "margin": 0,
    "designEffect": 1,
    "initialDelay": "0s",
    "required": False,
    "oddsRatio": 1.5,
}
"""What an API server filled in for every gate: left out where the gate does not have the field any more."""
_COUNTS: Final = ("good", "total", "histogram")
_PATH: Final = "spec.gates.metrics"


@dataclass(frozen=True, slots=True)
class Option:
    """One field of a gate: its value, and the text of its lines as they were, without indentation."""

    key: str
    value: Any
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Gate:
    """One gate of the older list."""

    index: int
    name: str
    options: tuple[Option, ...]
    is_custom: bool
    comments: tuple[str, ...] = ()
    """Comments on lines of their own before it."""
    trailing: str = ""
    """Comment on the line of its name."""

    @property
    def values(self) -> dict[str, Any]:
        """Return its fields in the present form, without the name."""
        return {option.key: option.value for option in self.options}


def convert_gates(metrics: yaml.Node, text: str, key_line: int, others: set[str]) -> list[Gate | Finding]:
    """Return the gates of the older list in the present form, or every reason why they have none.

    `key_line` is the line of the list's key; `others` are the fields that `spec.gates` has beside the list.
    """
    if not isinstance(metrics, yaml.SequenceNode):
        return [Finding(_PATH, "not a list of gates")]
    read = list(_read(metrics, text, key_line))
    found = [one for one in read if isinstance(one, Gate)]
    problems = [one for one in read if isinstance(one, Finding)]
    for gate in found:
        field = "custom" if gate.is_custom else gate.name
        if field in others:
            problems.append(Finding(f"{_PATH}[{gate.index}]", f"spec.gates.{field} exists already"))
        if gate.name in {other.name for other in found[: found.index(gate)]}:
            problems.append(Finding(f"{_PATH}[{gate.index}].name", f"{gate.name} is listed twice"))
    converted = [_changed(gate, problems) for gate in found]
    if not problems:
        problems += _refused(converted)
    return [*problems] if problems else [*converted]


def _changed(gate: Gate, problems: list[Finding]) -> Gate:
    """Return a gate with `mode` and without fields that it does not have; what it would lose is a problem."""
    known, kept = _options_of(gate), []
    is_off = bool(gate.values.get("disabled"))
    for option in gate.options:
        path = f"{_PATH}[{gate.index}].{option.key}"
        if option.key in ("disabled", "dryRun"):
            if not isinstance(option.value, bool):
                problems.append(Finding(path, f"{option.value!r} is not true or false"))
            elif option.value and (option.key == "disabled" or not is_off):
                mode = "Off" if is_off else "DryRun"
                kept.append(Option("mode", mode, _renamed(option, '"Off"' if is_off else mode)))
        elif option.key in known and not _is_odds_without_control(gate, option):
            kept.append(option)
        elif option.value != _OLD_DEFAULTS.get(option.key, object()):
            problems.append(Finding(path, _lost(gate.name, option.key, known)))
    return replace(gate, options=tuple(kept))


def _is_odds_without_control(gate: Gate, option: Option) -> bool:
    # An API server filled it in for every gate; of custom gates, only those with control have it today.
    return gate.is_custom and option.key == "oddsRatio"


def _renamed(option: Option, mode: str) -> tuple[str, ...]:
    *before, last = option.lines or ("",)
    comment = f"  {last[last.index('#') :]}" if "#" in last else ""
    return (*before, f"mode: {mode}{comment}")


def _lost(name: str, key: str, known: set[str]) -> str:
    bounds = [one for one in ("atLeast", "atMost", "within") if one in known]
    if key in ("atLeast", "atMost", "within"):
        instead = f"; it has {' and '.join(bounds)}" if bounds else ""
        return f"{name} has no {key} any more{instead}: remove it, or count the same series in a custom gate"
    return f"{name} has no {key}: remove it"


def _options_of(gate: Gate) -> set[str]:
    field = "custom" if gate.is_custom else gate.name
    annotation = next(one.annotation for one in Gates.model_fields.values() if one.alias == field)
    found = {str(one.alias) for one in next(_models_in(annotation)).model_fields.values()}
    # No older custom gate had a control group.
    return found - ({"name", "control", "oddsRatio"} if gate.is_custom else set())


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)


def _refused(gates: list[Gate]) -> Iterator[Finding]:
    """Yield the errors of the gates in the present form, with the paths of the older list."""
    custom = [gate for gate in gates if gate.is_custom]
    spec = {"runID": "run_aaaaaaaa_1", "server": {"token": {"secretName": "t"}}, "gates": _tree(gates)}
    try:
        SuggestionModelSpec.model_validate(spec)
    except ValidationError as error:
        for finding in spec_findings(error):
            path = finding.path
            for number, gate in enumerate(custom):
                path = path.replace(f"spec.gates.custom[{number}]", f"{_PATH}[{gate.index}]")
            for gate in gates:
                if path == f"spec.gates.{gate.name}" or path.startswith(f"spec.gates.{gate.name}."):
                    path = path.replace(f"spec.gates.{gate.name}", f"{_PATH}[{gate.index}]", 1)
            yield Finding(path, finding.message)


def _tree(gates: list[Gate]) -> dict[str, Any]:
    found: dict[str, Any] = {gate.name: gate.values for gate in gates if not gate.is_custom}
    custom = [{"name": gate.name} | gate.values for gate in gates if gate.is_custom]
    return found | ({"custom": custom} if custom else {})


def flow_of(kept: Mapping[str, Any], gates: list[Gate]) -> str:
    """Return `spec.gates` in one line of JSON, which is YAML too."""
    return json.dumps({**kept, **_tree(gates)}, ensure_ascii=False)


def write_block(gates: list[Gate], indent: int, comment: str) -> str:
    """Return the lines that stand in place of the list; the first one is not indented."""
    outer = " " * indent
    lines = [comment] if comment else []
    for gate in (one for one in gates if not one.is_custom):
        lines += gate.comments
        lines.append(f"{gate.name}:{'' if gate.options else ' {}'}{gate.trailing}")
        lines += _written(gate.options, "  ")
    custom = [gate for gate in gates if gate.is_custom]
    lines += ["custom:"] if custom else []
    for gate in custom:
        lines += [f"  {one}" for one in gate.comments]
        lines.append(f"  - name: {gate.name}{gate.trailing}")
        lines += _written(gate.options, "    ")
    return f"\n{outer}".join(lines)


def _written(options: tuple[Option, ...], indent: str) -> Iterator[str]:
    for option in options:
        yield from (f"{indent}{line}" for line in option.lines)


def _read(metrics: yaml.SequenceNode, text: str, key_line: int) -> Iterator[Gate | Finding]:
    lines, last = text.splitlines(), key_line
    for index, item in enumerate(metrics.value):
        path = f"{_PATH}[{index}]"
        if not isinstance(item, yaml.MappingNode):
            yield Finding(path, "not a gate: a mapping with a name is needed")
            continue
        # Comments of their own lines between the item before and this one.
        before = _comments(lines[last + 1 : item.start_mark.line]) if not metrics.flow_style else ()
        in_block = not metrics.flow_style and not item.flow_style
        options = list(_block(item, lines) if in_block else _flow(item))
        last = _last_line(item)
        named = next((one for one in options if one.key == "name"), None)
        if named is None or not isinstance(named.value, str):
            yield Finding(f"{path}.name", "required")
            continue
        name = next(value for key, value in item.value if key.value == "name")
        trailing = "" if metrics.flow_style else _comment_after((name if in_block else item).end_mark.index, text)
        own = before + (_comments(named.lines[:-1]) if in_block else ())
        rest = tuple(one for one in options if one is not named)
        is_custom = named.value not in set(GateName) or any(one.key in _COUNTS for one in rest)
        yield Gate(index, named.value, rest, is_custom, own, trailing)


def _block(item: yaml.MappingNode, lines: list[str]) -> Iterator[Option]:
    """Yield the fields of a gate that is written as a block, each with the comments before and after it."""
    last = item.start_mark.line - 1
    for key, value in item.value:
        first, column, end = key.start_mark.line, key.start_mark.column, _last_line(value)
        before = [line.strip() for line in lines[last + 1 : first]] if first > item.start_mark.line else []
        own = [lines[first][column:], *(_dedented(line, column) for line in lines[first + 1 : end + 1])]
        yield Option(key.value, _value_of(value), (*_comments(before), *(line.rstrip() for line in own)))
        last = end


def _flow(item: yaml.MappingNode) -> Iterator[Option]:
    for key, value in item.value:
        found = _value_of(value)
        yield Option(key.value, found, (f"{key.value}: {_inline(found)}",))


def _inline(value: Any) -> str:
    written = yaml.safe_dump(value, default_flow_style=True, width=10_000, allow_unicode=True)
    return written.removesuffix("\n").removesuffix("\n...")


def _value_of(node: yaml.Node) -> Any:
    return yaml.SafeLoader("").construct_document(node)


def _last_line(node: yaml.Node) -> int:
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _last_line(last[1] if isinstance(last, tuple) else last)
    is_literal = isinstance(node, yaml.ScalarNode) and node.style in ("|", ">")
    return int(node.end_mark.line) - (1 if is_literal else 0)


def _comments(lines: Any) -> tuple[str, ...]:
    return tuple(line.strip() for line in lines if line.strip().startswith("#"))


def _comment_after(position: int, text: str) -> str:
    """Return the comment that ends the line after a position, with the space before it; "" if there is none."""
    rest = text[position:].split("\n", 1)[0].strip()
    return f"  {rest}" if rest.startswith("#") else ""


def _dedented(line: str, column: int) -> str:
    return line[min(column, len(line) - len(line.lstrip(" "))) :]
