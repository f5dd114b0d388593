"""serin rules suggest, serin generate."""

import csv
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, TextIO

import typer
import yaml

from serin_training.commands.inputs import read_rows
from serin_training.commands.options import Data, exit_on_error, say, write_text
from serin_training.rule_mining import suggest_rules
from serin_training.synthetic.generator import Made, generate

app = typer.Typer()
rules_app = typer.Typer(help="Work with rules, the floor below every model.", no_args_is_help=True)
app.add_typer(rules_app, name="rules")


@rules_app.command(name="suggest")
def suggest_command(
    data: Data,
    *,
    out: Annotated[Path | None, typer.Option(help="Where the rules go; standard output without it.")] = None,
    least_rows: Annotated[int, typer.Option(min=1, help="A keyword must stand in so many rows.")] = 40,
    purity: Annotated[float, typer.Option(min=0.5, max=1, help="So many of these must be of one class.")] = 0.95,
) -> None:
    """Make a rules file from frequent merchants whose transactions are nearly all of one class."""
    with exit_on_error("rules suggest"):
        rows = read_rows(data)
        rules = suggest_rules(rows, least_rows=least_rows, purity=purity)
        text = yaml.safe_dump(rules.to_mapping(), sort_keys=False, allow_unicode=True, width=110)
        if out is None:
            typer.echo(text, nl=False)
        else:
            write_text(out, text)
        matched = [(rules.match(row.transaction), row.category) for row in rows[-2000:]]
        found = [(match.label, category) for match, category in matched if match is not None]
        right = sum(label == category for label, category in found)
        keywords = sum(map(len, rules.classes.values()))
        share = f"{right / len(found):.1%}" if found else "none"
        say(f"{keywords} keywords; of the newest {len(matched)} rows {len(found)} match, {share} of these are right")


@app.command(name="generate")
def generate_command(
    *,
    rows: Annotated[int, typer.Option(min=1, help="How many transactions.")] = 30_000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same transactions.")] = 0,
    months: Annotated[int, typer.Option(min=1, help="Over how many months they spread.")] = 18,
    out: Annotated[Path | None, typer.Option(help="Where the CSV goes; standard output without it.")] = None,
) -> None:
    """Make transactions up that look like real ones, for trying things out."""
    with exit_on_error("generate"):
        made = generate(rows=rows, seed=seed, months=months)
        if out is None:
            _write_csv(sys.stdout, made)
            return
        unfinished = out.with_name(f".{out.name}.unfinished")
        with unfinished.open("w", newline="", encoding="utf-8") as file:
            _write_csv(file, made)
        unfinished.replace(out)
        say(f"{out}: {rows} transactions")


def _write_csv(file: TextIO, made: Iterator[Made]) -> None:
    writer = csv.DictWriter(file, list(Made.__dataclass_fields__), lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(one) for one in made)
