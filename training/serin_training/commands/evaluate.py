"""`serin evaluate` and `serin thresholds`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from serin_training.commands import options
from serin_training.commands.options import OutputFormat, examples, exit_on_error, note

app = typer.Typer()


@app.command(
    epilog=examples("serin evaluate --run latest --data new.csv --registry ./registry --thresholds model.yaml")
)
def evaluate(  # noqa: PLR0913 - options of the command line, given by name
    run: options.Run,
    data: options.Data,
    registry: options.Registry,
    *,
    thresholds: Annotated[
        Path | None,
        typer.Option(help="A YAML file: a SuggestionModel, or its thresholds alone. By default 0.7 for all classes."),
    ] = None,
    data_map: options.Map = None,
    zone: options.Zone = None,
    limit: options.Limit = None,
    since: options.Since = None,
    until: options.Until = None,
    output: options.OutputOption = OutputFormat.TEXT,
) -> None:
    """Evaluate a run on labelled transactions.

    Prints F1 by class with its 95 % interval, the calibration error, and the coverage and precision at the thresholds.
    """
    with exit_on_error("evaluate"):
        from serin_training import thresholds as threshold_rules
        from serin_training.commands.inputs import load_predictions, window_of
        from serin_training.data.data_map import read_map
        from serin_training.evaluation_text import as_json, as_text

        wanted = threshold_rules.read_thresholds(thresholds)
        stored, predictions = load_predictions(
            run, data, registry, window_of(since, until, limit), read_map(data_map, zone)
        )
        found = as_json(stored.name, predictions, wanted)
        typer.echo(json.dumps(found, indent=2) if output is OutputFormat.JSON else as_text(found))


@app.command(
    name="thresholds",
    epilog=examples("serin thresholds --run latest --data new.csv --registry ./registry --precision 0.97"),
)
def thresholds_command(  # noqa: PLR0913 - options of the command line, given by name
    run: options.Run,
    data: options.Data,
    registry: options.Registry,
    *,
    precision: Annotated[float, typer.Option(min=0.5, max=1, help="Target precision of shown suggestions.")] = 0.95,
    default: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="Threshold of classes with too few rows to propose one; by default that of spec.thresholds, 0.7.",
        ),
    ] = None,
    compare: Annotated[
        Path | None,
        typer.Option(help="A SuggestionModel: also show its current thresholds on the same rows.", show_default=False),
    ] = None,
    data_map: options.Map = None,
    zone: options.Zone = None,
    limit: options.Limit = None,
    since: options.Since = None,
    until: options.Until = None,
) -> None:
    """Propose thresholds by class for a target precision.

    Prints YAML for spec.thresholds on stdout, and the resulting coverage and precision on stderr.
    """
    with exit_on_error("thresholds"):
        from serin_core.api.spec import Thresholds
        from serin_training.commands.inputs import load_predictions, window_of
        from serin_training.data.data_map import read_map
        from serin_training.evaluation_text import thresholds_text
        from serin_training.thresholds import MIN_PREDICTIONS, by_class, propose_thresholds, read_thresholds

        current = None if compare is None else read_thresholds(compare)
        _, predictions = load_predictions(run, data, registry, window_of(since, until, limit), read_map(data_map, zone))
        proposed = propose_thresholds(predictions, precision=precision)
        labels = sorted({*predictions.labels, *predictions.categories})
        other = Thresholds().default if default is None else default
        typer.echo(f"thresholds:\n  default: {other:g}\n  perClass:" + ("" if proposed else " {}"))
        for label, threshold in proposed.items():
            typer.echo(f"    {json.dumps(label)}: {threshold:g}")
        note(thresholds_text(predictions, {label: proposed.get(label, other) for label in labels}, "proposed"))
        undecided = [label for label in labels if label not in proposed]
        if undecided:
            note(
                f"{', '.join(undecided)}: no threshold with {MIN_PREDICTIONS} predictions reaches a precision of "
                f"{precision:.0%}; the default applies"
            )
        unrestricted = [label for label, threshold in proposed.items() if threshold == 0]
        if unrestricted:
            note(f"{', '.join(unrestricted)}: the target is met at threshold 0, so every prediction would be shown")
        if current is not None:
            note(thresholds_text(predictions, by_class(current, labels), f"current ({compare})"))
