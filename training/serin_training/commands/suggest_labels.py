"""`serin data suggest-labels`."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from serin_training.commands import options
from serin_training.commands.options import OutputFormat, examples, exit_on_error, note, write_text
from serin_training.errors import OptionError

if TYPE_CHECKING:
    from serin_training.label_suggestions import LabelSuggestions, Merchant

app = typer.Typer()


@app.command(
    name="suggest-labels",
    epilog=examples(
        "serin data suggest-labels --data transactions.csv",
        "serin data suggest-labels --data transactions.csv --count 300 --out to-label.csv",
        "serin train --data transactions.csv --data to-label.csv --registry ./registry",
    ),
)
def suggest_labels_command(  # noqa: PLR0913 - options of the command line, given by name
    data: options.Sources,
    *,
    data_map: options.Map = None,
    zone: options.Zone = None,
    count: Annotated[int, typer.Option(min=1, help="Maximum number of transactions.")] = 100,
    out: Annotated[Path | None, typer.Option(help="Write them to this CSV file, to fill in the categories.")] = None,
    output: options.OutputOption = OutputFormat.TEXT,
) -> None:
    """Show the transactions whose labels would teach a model most.

    They are the newest transactions of the merchants that have most rows and no label yet. Label them, and train on
    both files. Works without any label, too.
    """
    with exit_on_error("data suggest-labels"):
        from serin_training.data.data_map import read_map
        from serin_training.data.reading import open_source, stream_rows
        from serin_training.label_suggestions import suggest_labels

        if out is not None and out.exists():
            raise OptionError(f"--out {out}: the file exists; name another one, so that no labels are lost")
        known_map = read_map(data_map, zone)
        found = suggest_labels(stream_rows([open_source(one, known_map) for one in data]), count=count)
        if output is OutputFormat.JSON:
            typer.echo(json.dumps(_as_json(found), indent=2, ensure_ascii=False))
        elif found.merchants:
            typer.echo("\n".join(_table(found.merchants)))
        for line in _notes(found):
            note(line)
        if out is not None and found.merchants:
            write_text(out, _csv(found.merchants))
            note(f"wrote {out}; fill in the column category, and add --data {out} to `serin train`")


def _notes(found: "LabelSuggestions") -> list[str]:
    if not found.rows:
        return ["no transactions"]
    if not found.merchants:
        return [f"every merchant of the {found.rows} transactions has a label"]
    now, then = (f"{number / found.rows:.0%}" for number in (found.known, found.known_after))
    merchants = f"merchants with a label have {now} of all transactions, with the suggested labels {then}"
    return [f"{found.labelled} of {found.rows} transactions have a label; {merchants}"]


def _table(merchants: Iterable["Merchant"]) -> list[str]:
    lines = [f"{'ROWS':>7}  {'NEWEST':<10}  {'AMOUNT':>10}  {'MERCHANT':<32}  {'TXN_ID':<24}  DESCRIPTION"]
    for merchant in merchants:
        row = merchant.newest.transaction
        lines.append(
            f"{merchant.rows:>7}  {merchant.newest.at:%Y-%m-%d}  {row.amount:>10.2f}  {_short(row.merchant, 32):<32}  "
            f"{_short(row.txn_id, 24):<24}  {_short(row.description, 40)}".rstrip()
        )
    return lines


def _short(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _record(merchant: "Merchant") -> dict[str, Any]:
    row = merchant.newest.transaction
    return {
        "txn_id": row.txn_id,
        "user_id": row.user_id or "",
        "timestamp": (row.timestamp or merchant.newest.at).isoformat(),
        "merchant": row.merchant,
        "description": row.description,
        "amount": row.amount,
        "channel": row.channel,
    }


def _as_json(found: "LabelSuggestions") -> dict[str, Any]:
    return {
        "rows": found.rows,
        "labelled": found.labelled,
        "of_known_merchants": found.known,
        "of_known_merchants_after": found.known_after,
        "suggestions": [{"rows": merchant.rows} | _record(merchant) for merchant in found.merchants],
    }


def _csv(merchants: Iterable["Merchant"]) -> str:
    import csv
    import io

    from serin_training.data.data_map import COLUMNS

    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(_record(merchant) | {"category": ""} for merchant in merchants)
    return text.getvalue()
