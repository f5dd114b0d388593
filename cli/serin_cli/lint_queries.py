"""Advice on the query gates of a valid spec. Pure.

PromQL is not parsed: only what can be seen without a parser is reported.
"""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from serin_cli.finding import Finding, Severity
from serin_core.api.durations import format_duration
from serin_core.api.gate_names import GateMode
from serin_core.api.queries import Query
from serin_core.api.spec import SuggestionModelSpec
from serin_core.rollout.canary_steps import at_stage, known_stages, soak_of, stages_of

_TEXT: Final = re.compile(r"""\"(?:[^"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|`[^`]*`""")
_RANGE: Final = re.compile(r"\[\s*((?:[0-9]+(?:ms|[smhdwy]))+)\s*[:\]]")
_PART: Final = re.compile(r"([0-9]+)(ms|[smhdwy])")
_SECONDS: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800, "y": 31_536_000}
_PAIRS: Final = {")": "(", "]": "[", "}": "{"}


def query_findings(spec: SuggestionModelSpec) -> Iterator[Finding]:
    """Yield warnings about queries that cannot work, or cannot pass or fail in time."""
    stages = stages_of(spec.canary)
    known = known_stages(spec.canary)
    for index, query in enumerate(spec.gates.queries):
        path = f"spec.gates.queries[{index}]"
        if query.mode is GateMode.OFF:
            continue
        if problem := _syntax(query.query):
            yield Finding(f"{path}.query", problem, Severity.WARNING)
        for percent in sorted(set(query.stages or ()) - known):
            yield Finding(f"{path}.stages", f"there is no stage at {percent:g} %", Severity.WARNING)
        checked = [percent for percent in stages if query.stages is None or percent in query.stages]
        yield from _durations(path, query, spec, checked)


def _durations(path: str, query: Query, spec: SuggestionModelSpec, stages: list[float]) -> Iterator[Finding]:
    if query.for_ >= spec.analysis.max_duration:
        message = f"not below analysis.maxDuration ({format_duration(spec.analysis.max_duration)}): it cannot pass"
        yield Finding(f"{path}.for", message, Severity.WARNING)
    longest = max((_length(found) for found in _RANGE.findall(_TEXT.sub("", query.query))), default=timedelta())
    for percent in stages:
        soak = soak_of(spec.canary, percent=percent)
        if longest > soak:
            message = (
                f"reads back {format_duration(longest)}, longer than the soak of {format_duration(soak)} "
                f"{at_stage(percent)}: its result is partly of the time before the stage"
            )
            yield Finding(f"{path}.query", message, Severity.WARNING)
            return


def _length(text: str) -> timedelta:
    return timedelta(seconds=min(sum(int(n) * _SECONDS[unit] for n, unit in _PART.findall(text)), 31_536_000))


def _syntax(query: str) -> str:
    """Return why an expression cannot be PromQL: brackets or quotes that are not closed; "" if nothing is seen."""
    rest, opened = _TEXT.sub("", query), []
    if found := re.search("[\"'`]", rest):
        return f"not PromQL: a {found[0]} is not closed"
    for sign in rest:
        if sign in _PAIRS.values():
            opened.append(sign)
        elif sign in _PAIRS and (not opened or opened.pop() != _PAIRS[sign]):
            return f"not PromQL: a {sign} too many"
    return f"not PromQL: a {opened[-1]} is not closed" if opened else ""
