"""`serin data inspect`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from serin_training.commands import options
from serin_training.commands.options import OutputFormat, examples, exit_on_error, note, write_text
from serin_training.errors import DataError, OptionError

app = typer.Typer()


@app.command(
    name="inspect",
    epilog=examples(
        "serin data inspect bank.csv", "serin data inspect bank.csv --zone Europe/Berlin --map-out map.yaml"
    ),
)
def inspect_command(
    file: Annotated[Path, typer.Argument(help="A CSV file, plain or gzip.", show_default=False)],
    *,
    map_out: Annotated[Path | None, typer.Option(help="Write the map to this file, for --map.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file of --map-out if it exists.")] = False,
    zone: options.Zone = None,
    output: options.OutputOption = OutputFormat.TEXT,
) -> None:
    """Report how a file of transactions is written, and write a map for it.

    Every value of the map has a comment: sure, likely, assumed or undecided, and why. What the file does not decide,
    such as 03/04/2026, is written as undecided; other commands refuse the map until you decide it. All rows are read
    by the map; if one cannot be read, no map is written.
    """
    with exit_on_error("data inspect"):
        from serin_training.data.data_map import known_zone
        from serin_training.inspection import map_text
        from serin_training.inspection.inspect import check, inspect_file

        if map_out is not None and map_out.exists() and not force:
            raise OptionError(f"--map-out {map_out}: the file exists; --force replaces it")
        found = inspect_file(file, None if zone is None else known_zone(zone))
        try:
            checked = check(file, found)
        except DataError:
            typer.echo(map_text.map_text(found))
            raise
        if output is OutputFormat.JSON:
            typer.echo(json.dumps(map_text.as_json(found, checked), indent=2, ensure_ascii=False))
        else:
            typer.echo(map_text.report(found, checked))
            for line in map_text.notes(found, checked):
                note(line)
        if map_out is not None:
            write_text(map_out, map_text.map_text(found))
            note(f"wrote {map_out}; next: serin train --data {file} --map {map_out}")
