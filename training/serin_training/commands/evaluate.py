"""serin evaluate, serin thresholds, serin drift."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from pydantic import ValidationError

from serin_core.api.spec import Thresholds
from serin_core.contract.documents import one_line
from serin_registry.verification import StoredRun
from serin_training.commands.inputs import read_rows
from serin_training.commands.options import (
    Data,
    Limit,
    Moment,
    Output,
    OutputOption,
    Registry,
    Run,
    exit_on_error,
    in_utc,
    say,
)
from serin_training.data.rows import Window
from serin_training.errors import SettingsError
from serin_training.evaluation import Predictions, answer, at_thresholds, propose_thresholds
from serin_training.metrics import f1_interval
from serin_training.registry.writer import open_registry
from serin_training.stored_runs import open_run

app = typer.Typer()

ThresholdsFile = Annotated[
    Path | None,
    typer.Option("--thresholds", help="A SuggestionModel (or its thresholds) as YAML; without it 0.7 for all."),
]
_LEAST = 30


@app.command()
def evaluate(  # noqa: PLR0913 - options of the command line, given by name
    run: Run,
    data: Data,
    registry: Registry,
    *,
    thresholds: ThresholdsFile = None,
    limit: Limit = None,
    since: Moment = None,
    until: Moment = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Say how good a run is on labelled transactions."""
    with exit_on_error("evaluate"):
        wanted = read_thresholds(thresholds)
        stored, answered = _ask(run, data, registry, Window(since=in_utc(since), until=in_utc(until), limit=limit))
        found = _evaluation(stored, answered, wanted)
        typer.echo(json.dumps(found, indent=2) if output is Output.JSON else _tell(found))


def _ask(run: str, data: list[str], registry: str, window: Window) -> tuple[StoredRun, Predictions]:
    stored, pipeline = open_run(open_registry(registry), run)
    rows = read_rows(data, window)
    if rows[0].at.isoformat() <= stored.report.data_to:
        say(f"some of these rows are older than {stored.report.data_to[:10]}: the run may have learned from them")
    return stored, answer(pipeline, rows)


def read_thresholds(path: Path | None) -> Thresholds:
    """Read thresholds from a SuggestionModel or from a file of their own. Raises SettingsError."""
    if path is None:
        return Thresholds()
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror or error}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: it is no YAML ({' '.join(str(error).split())[:120]})") from None
    if isinstance(found, dict) and "spec" in found:
        found = (found["spec"] or {}).get("thresholds", {})
    elif isinstance(found, dict) and "thresholds" in found:
        found = found["thresholds"]
    try:
        return Thresholds.model_validate(found)
    except ValidationError as error:
        raise SettingsError(f"{path}: thresholds: {one_line(error)}") from None


def _by_class(thresholds: Thresholds, labels: list[str]) -> dict[str, float]:
    return {label: thresholds.per_class.get(label, thresholds.default) for label in sorted(set(labels))}


def _evaluation(stored: StoredRun, answered: Predictions, thresholds: Thresholds) -> dict[str, Any]:
    scores = answered.scores()
    at = at_thresholds(answered, _by_class(thresholds, [*answered.labels, *scores.f1]))
    covered = sum(one.covered for one in at.values())
    right = sum(one.covered * one.precision for one in at.values())
    classes = {}
    for label, one in at.items():
        f1, rows = scores.f1.get(label), scores.rows.get(label, 0)
        low, high = f1_interval(f1 or 0.0, rows)
        classes[label] = {
            "f1": f1,
            "f1_low": low,
            "f1_high": high,
            "rows": rows,
            "threshold": one.threshold,
            "coverage": one.coverage,
            "precision": one.precision,
        }
    return {
        "run": stored.name,
        "rows": len(answered.rows),
        "f1_macro": scores.f1_macro,
        "f1_min": scores.f1_min,
        "accuracy": scores.accuracy,
        "calibration_error_before": answered.calibration_error(calibrated=False),
        "calibration_error_after": answered.calibration_error(calibrated=True),
        "coverage": covered / len(answered.rows),
        "precision": right / covered if covered else 0.0,
        "classes": classes,
    }


def _tell(found: dict[str, Any]) -> str:
    before, after = found["calibration_error_before"], found["calibration_error_after"]
    lines = [
        f"{found['run']} on {found['rows']} rows",
        f"  macro F1 {found['f1_macro']:.3f}, worst class {found['f1_min']:.3f}, accuracy {found['accuracy']:.3f}",
        f"  expected calibration error {before:.4f} before calibration, {after:.4f} after",
        f"  at the thresholds {found['coverage']:.1%} are answered, {found['precision']:.1%} of these right",
        f"  {'CLASS':<28} {'F1':>5}  {'95 %':<13} {'ROWS':>6}  {'THRESHOLD':>9} {'COVERED':>8} {'RIGHT':>6}",
    ]
    lines += [
        f"  {label:<28} {'none' if one['f1'] is None else format(one['f1'], '.3f'):>5}  "
        f"{one['f1_low']:.3f}-{one['f1_high']:.3f}   {one['rows']:>6}  {one['threshold']:>9.2f} "
        f"{one['coverage']:>8.1%} {one['precision']:>6.1%}"
        for label, one in found["classes"].items()
    ]
    return "\n".join(lines)


@app.command(name="thresholds")
def thresholds_command(  # noqa: PLR0913 - options of the command line, given by name
    run: Run,
    data: Data,
    registry: Registry,
    *,
    precision: Annotated[float, typer.Option(min=0.5, max=1, help="So many shown answers shall be right.")] = 0.95,
    default: Annotated[float, typer.Option(min=0, max=1, help="For classes with too few rows to say.")] = 0.9,
    compare: Annotated[
        Path | None, typer.Option(help="A SuggestionModel: show its present thresholds on the same rows.")
    ] = None,
    limit: Limit = None,
    since: Moment = None,
    until: Moment = None,
) -> None:
    """Propose thresholds by class for a wished precision, as YAML for spec; what they buy stands beside them."""
    with exit_on_error("thresholds"):
        present = None if compare is None else read_thresholds(compare)
        _, answered = _ask(run, data, registry, Window(since=in_utc(since), until=in_utc(until), limit=limit))
        proposed = propose_thresholds(answered, precision=precision, least=_LEAST)
        labels = sorted({*answered.labels, *answered.categories})
        typer.echo(f"thresholds:\n  default: {default:g}\n  perClass:" + ("" if proposed else " {}"))
        for label, threshold in proposed.items():
            typer.echo(f"    {json.dumps(label)}: {threshold:g}")
        say(_comparison(answered, {label: proposed.get(label, default) for label in labels}, "proposed"))
        undecided = [label for label in labels if label not in proposed]
        if undecided:
            say(f"no threshold reaches {precision:.0%} by {_LEAST} answers, the default is for: {', '.join(undecided)}")
        if present is not None:
            say(_comparison(answered, _by_class(present, labels), f"present, of {compare}"))


def _comparison(answered: Predictions, thresholds: dict[str, float], title: str) -> str:
    at = at_thresholds(answered, thresholds)
    covered = sum(one.covered for one in at.values())
    right = sum(one.covered * one.precision for one in at.values())
    share = right / covered if covered else 0.0
    lines = [f"{title}: {covered / len(answered.rows):.1%} of all rows are answered, {share:.1%} of these right"]
    lines += [
        f"  {label:<28} {one.threshold:.2f} {one.coverage:>6.1%} of {one.answers:>6} over, {one.precision:.1%} right"
        for label, one in at.items()
    ]
    return "\n".join(lines)
