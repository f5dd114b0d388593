"""`serin rules suggest` and `serin generate`."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from serin_training.commands import options
from serin_training.commands.options import examples, exit_on_error, note, write_text

if TYPE_CHECKING:
    from serin_training.synthetic.generator import SyntheticTransaction

app = typer.Typer()
rules_app = typer.Typer(
    help="Manage the keyword rules that answer when no model does.",
    no_args_is_help=True,
    epilog=examples("serin rules suggest --data transactions.csv --out rules.yaml"),
)
app.add_typer(rules_app, name="rules")
_NEWEST = 2000
"""Rows that suggested rules are checked on."""


@rules_app.command(name="suggest", epilog=examples("serin rules suggest --data transactions.csv --out rules.yaml"))
def suggest_command(  # noqa: PLR0913 - options of the command line, given by name
    data: options.Data,
    *,
    data_map: options.Map = None,
    zone: options.Zone = None,
    out: Annotated[Path | None, typer.Option(help="Write the rules to this file; by default to stdout.")] = None,
    min_rows: Annotated[int, typer.Option("--least-rows", min=1, help="Minimum rows of a keyword.")] = 40,
    purity: Annotated[float, typer.Option(min=0.5, max=1, help="Minimum share of these rows in one class.")] = 0.95,
) -> None:
    """Suggest keyword rules: frequent merchants whose transactions are nearly all of one class."""
    with exit_on_error("rules suggest"):
        import yaml

        from serin_training.commands.inputs import load_rows
        from serin_training.data.data_map import read_map
        from serin_training.rule_mining import suggest_rules

        rows = load_rows(data, data_map=read_map(data_map, zone))
        rules = suggest_rules(rows, min_rows=min_rows, purity=purity)
        text = yaml.safe_dump(rules.to_mapping(), sort_keys=False, allow_unicode=True, width=110)
        if out is None:
            typer.echo(text, nl=False)
        else:
            write_text(out, text)
        newest = rows[-_NEWEST:]
        matches = [(rules.match(row.transaction), row.category) for row in newest]
        right = [match.label == category for match, category in matches if match is not None]
        precision = f"{sum(right) / len(right):.1%}" if right else "none"
        keywords = sum(map(len, rules.classes.values()))
        note(f"{keywords} keywords; of the newest {len(newest)} rows {len(right)} match, {precision} are right")


@app.command(name="generate", epilog=examples("serin generate --rows 30000 --out transactions.csv"))
def generate_command(
    *,
    rows: Annotated[int, typer.Option(min=1, help="Number of transactions.")] = 30_000,
    seed: Annotated[int, typer.Option(help="Random seed: the same seed gives the same transactions.")] = 0,
    months: Annotated[int, typer.Option(min=1, help="Number of months they are spread over.")] = 18,
    out: Annotated[Path | None, typer.Option(help="Write the CSV to this file; by default to stdout.")] = None,
) -> None:
    """Generate synthetic transactions.

    They look like card payments, with categories: enough to try training, evaluation and a rollout.
    """
    with exit_on_error("generate"):
        import sys

        from serin_training.synthetic.generator import generate

        transactions = generate(rows=rows, seed=seed, months=months)
        if out is None:
            _write_csv(sys.stdout, transactions)
            return
        unfinished = out.with_name(f".{out.name}.unfinished")
        with unfinished.open("w", newline="", encoding="utf-8") as file:
            _write_csv(file, transactions)
        unfinished.replace(out)
        note(f"{out}: {rows} transactions")


def _write_csv(file: TextIO, transactions: Iterator["SyntheticTransaction"]) -> None:
    import csv
    from dataclasses import asdict

    from serin_training.data.data_map import COLUMNS

    writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(one) for one in transactions)
