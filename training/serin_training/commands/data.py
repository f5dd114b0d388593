"""`serin rules suggest`, `serin rules kinds` and `serin generate`."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from serin_training.commands import options
from serin_training.commands.options import OutputFormat, examples, exit_on_error, note, write_text
from serin_training.errors import DataError, OptionError

if TYPE_CHECKING:
    from serin_core.model.keyword_rules import Rules
    from serin_training.data.rows import LabelledTransaction
    from serin_training.synthetic.generator import SyntheticTransaction

app = typer.Typer()
rules_app = typer.Typer(
    help="Manage the keyword rules that answer when no model does.",
    no_args_is_help=True,
    epilog=examples("serin rules suggest --data transactions.csv --out rules.yaml"),
)
app.add_typer(rules_app, name="rules")
Country = Annotated[str, typer.Option(metavar="CODE", help="Country of the brands, such as CA.", show_default=False)]
_NEWEST = 2000
"""Rows that suggested rules are checked on."""
_EXAMPLES = 4
"""Brands that are shown of a kind."""


@rules_app.command(
    name="suggest",
    epilog=examples(
        "serin rules suggest --data transactions.csv --out rules.yaml",
        "serin rules suggest --country CA --classes classes.yaml --out rules.yaml",
        "serin rules suggest --country CA --classes classes.yaml --data transactions.csv --out rules.yaml",
    ),
)
def suggest_command(  # noqa: PLR0913 - options of the command line, given by name
    data: options.OptionalData = None,
    *,
    country: Annotated[
        str | None, typer.Option(metavar="CODE", help="Add the brands of this country, such as CA; with --classes.")
    ] = None,
    classes: Annotated[
        Path | None, typer.Option(help="A YAML file with the kinds of shop of each class (see `serin rules kinds`).")
    ] = None,
    data_map: options.Map = None,
    zone: options.Zone = None,
    out: Annotated[Path | None, typer.Option(help="Write the rules to this file; by default to stdout.")] = None,
    min_rows: Annotated[int, typer.Option("--least-rows", min=1, help="Minimum rows of a keyword.")] = 40,
    purity: Annotated[float, typer.Option(min=0.5, max=1, help="Minimum share of these rows in one class.")] = 0.95,
) -> None:
    """Suggest keyword rules from labelled transactions, the brands of a country, or both.

    From transactions: frequent merchants that are nearly always of one class. From a country: the brands of the kinds
    of shop in --classes, without any label. Labels win: a brand whose rows are of another class gets that class.
    """
    with exit_on_error("rules suggest"):
        import yaml

        from serin_training.commands.inputs import load_rows
        from serin_training.data.data_map import read_map
        from serin_training.rule_mining import suggest_rules

        brands = _brands(country, classes)
        if not data and country is None:
            raise OptionError("give --data, or --country and --classes for rules without labels")
        rows = load_rows(data, data_map=read_map(data_map, zone)) if data else []
        rules = suggest_rules(rows, min_rows=min_rows, purity=purity, brands=brands)
        text = yaml.safe_dump(rules.to_mapping(), sort_keys=False, allow_unicode=True, width=110)
        if out is None:
            typer.echo(text, nl=False)
        else:
            write_text(out, text)
        note(f"{sum(map(len, rules.classes.values()))} keywords{_check(rules, rows[-_NEWEST:])}")


def _brands(country: str | None, classes: Path | None) -> dict[str, str]:
    """Return the class by keyword of the brands that are asked for."""
    from serin_training.lexicon.brands import Lexicon, read_classes

    if country is None and classes is None:
        return {}
    if country is None or classes is None:
        raise OptionError(
            "--country and --classes belong together: the brands of a country, and the class of each kind"
        )
    lexicon, kinds = Lexicon.of(country), read_classes(classes)
    lexicon.check(kinds, str(classes))
    found = lexicon.keywords(kinds)
    if not found:
        raise DataError(f"{classes}: no brand of these kinds is known in {lexicon.country}")
    return found


def _check(rules: "Rules", newest: "Sequence[LabelledTransaction]") -> str:
    if not newest:
        return ""
    matches = [(rules.match(row.transaction), row.category) for row in newest]
    right = [match.label == category for match, category in matches if match is not None]
    precision = f"{sum(right) / len(right):.1%}" if right else "none"
    return f"; of the newest {len(newest)} rows {len(right)} match, {precision} are right"


@rules_app.command(name="kinds", epilog=examples("serin rules kinds --country CA"))
def kinds_command(country: Country, *, output: options.OutputOption = OutputFormat.TEXT) -> None:
    """List kinds of shop and their brands in a country.

    A file for --classes of `serin rules suggest` has some of these kinds for each class:
    Groceries: [shop/supermarket, shop/bakery]
    """
    with exit_on_error("rules kinds"):
        import json

        from serin_training.lexicon.brands import Lexicon

        lexicon = Lexicon.of(country)
        if output is OutputFormat.JSON:
            typer.echo(json.dumps({kind: lexicon.brands_of(kind) for kind, _ in lexicon.all_kinds()}, indent=2))
            return
        typer.echo(f"{'KIND':<32} {'BRANDS':>6}  EXAMPLES")
        for kind, count in lexicon.all_kinds():
            typer.echo(f"{kind:<32} {count:>6}  {', '.join(lexicon.brands_of(kind)[:_EXAMPLES])}")


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
