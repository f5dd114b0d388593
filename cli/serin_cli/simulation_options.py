"""Options of `serin simulate` and `serin replay`. A wrong value exits with status 2."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from pydantic import ValidationError

from serin_cli.lint_schema import spec_findings
from serin_cli.manifests import is_suggestion_model, read_manifests
from serin_cli.options import refuse
from serin_core.api.durations import parse_duration
from serin_core.api.spec import SuggestionModelSpec
from serin_core.gates.active import active_gates
from serin_core.model.values import as_utc, parse_timestamp
from serin_core.rollout.canary_steps import stages_of
from serin_simulation.traffic import Rates

Every = Annotated[
    str | None,
    typer.Option(
        metavar="DURATION", help="Check interval (overrides analysis.interval); longer is quicker to simulate."
    ),
]
Seed = Annotated[int, typer.Option(help="Seed of the random numbers; the same seed gives the same result.")]
Jobs = Annotated[int | None, typer.Option(min=1, help="Number of processes; all cores by default.")]
Page = Annotated[Path | None, typer.Option(help="Also write the result, with charts, to this HTML file.")]

_RATE: Final = re.compile(r"^([0-9.]+(?:,[0-9.]+)*)/(s|m|h|d)$")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_HOURS: Final = 24
SHARES: Final = tuple(field.name for field in fields(Rates) if field.name != "own")
"""Options that are a share of the requests."""


def read_spec(file: str, *, every: str | None) -> tuple[str, SuggestionModelSpec]:
    """Return name and spec of the one SuggestionModel of a file."""
    found = [document for document in read_manifests(file) if is_suggestion_model(document)]
    if len(found) != 1:
        refuse(f"{file}: expected one SuggestionModel, found {len(found)}")
    try:
        spec = SuggestionModelSpec.model_validate(found[0].get("spec") or {})
    except ValidationError as error:
        first, *others = spec_findings(error)
        more = f" (`serin lint` shows {len(others)} more)" if others else ""
        refuse(f"{file}: {first.path}: {first.message}{more}")
    if spec.suspend:
        refuse(f"{file}: spec.suspend is true, so the rollout would not start")
    if every is not None:
        interval = duration(every, "--every")
        if interval < timedelta(seconds=1):
            refuse("--every: at least 1s")
        spec = spec.model_copy(update={"analysis": spec.analysis.model_copy(update={"interval": interval})})
    return str((found[0].get("metadata") or {}).get("name") or "unnamed"), spec


def left_out_note(left_out: Sequence[str]) -> str:
    """Return a line that names what is not simulated, "" for nothing."""
    return f"\nNot simulated, taken as passed: {', '.join(left_out)}." if left_out else ""


def gate_names(spec: SuggestionModelSpec) -> Mapping[str, bool]:
    """Return every gate that is active in some stage, and whether it is a custom gate."""
    stages = stages_of(spec.canary)
    return {gate.name: bool(gate.custom_key) for percent in stages for gate in active_gates(spec, percent=percent)}


def duration(text: str, option: str) -> timedelta:
    """Return the duration of an option."""
    try:
        return parse_duration(text)
    except ValueError as error:
        refuse(f"{option}: {error}")


def moment(text: str, option: str) -> datetime:
    """Return the time of an option, in UTC if it names no zone."""
    try:
        return as_utc(parse_timestamp(text))
    except (OverflowError, ValueError):
        refuse(f"{option}: {text!r} is not a time, like 2026-01-05T09:00:00Z")


def requests_per_second(rate: str) -> tuple[float, ...]:
    """Return one rate, or one for each hour of the day."""
    found = _RATE.match(rate)
    try:
        numbers = [float(one) for one in found[1].split(",")] if found else []
    except ValueError:
        numbers = []
    if found is None or len(numbers) not in (1, _HOURS):
        refuse(f"--rate: {rate} is neither one rate, like 20/s, nor 24 of them, like 5,2,...,9/s")
    return tuple(number / _SECONDS[found[2]] for number in numbers)


def parse_outage(text: str) -> tuple[timedelta, timedelta]:
    """Return start and length of an outage, as in `2h+30m`."""
    begins, _, lasts = text.partition("+")
    return duration(begins, "--outage"), duration(lasts, "--outage")


def custom_shares(spec: SuggestionModelSpec, given: Sequence[str]) -> dict[str, float]:
    """Return the share of good of every custom gate."""
    shares = dict(_share(one, "--own") for one in given)
    custom = {name for name, is_custom in gate_names(spec).items() if is_custom}
    if missing := sorted(custom - set(shares)):
        refuse(f"{missing[0]} is a custom gate: give its share of good, --own {missing[0]}=0.99")
    if unknown := sorted(set(shares) - custom):
        refuse(f"--own: there is no custom gate {unknown[0]}")
    return shares


def harmed_rates(rates: Rates, harm: Sequence[str]) -> Rates | None:
    """Return the rates after the harm has begun, None without harm."""
    if not harm:
        return None
    changed: dict[str, Any] = {}
    custom = dict(rates.own)
    for name, value in (_share(one, "--harm") for one in harm):
        if (key := name.replace("-", "_")) in SHARES:
            changed[key] = value
        elif name in custom:
            custom[name] = value
        else:
            refuse(f"--harm: there is no share {name}; known are {', '.join((*SHARES, *custom))}")
    return replace(rates, **changed, own=custom)


def _share(text: str, option: str) -> tuple[str, float]:
    name, _, number = text.partition("=")
    try:
        value = float(number)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        refuse(f"{option}: {text} is not a name and a share, like agreement=0.55")
    return name, value
