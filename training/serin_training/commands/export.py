"""`serin data export`."""

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from serin_training.commands import options
from serin_training.commands.options import examples, exit_on_error, note
from serin_training.errors import DataError, OptionError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from serin_training.data.rows import Row

app = typer.Typer()


@app.command(
    name="export",
    epilog=examples(
        "serin data export --data sqlite:///store.db --out served.csv",
        "serin train --data served.csv --registry ./registry",
    ),
)
def export_command(  # noqa: PLR0913 - options of the command line, given by name
    data: options.Sources,
    out: Annotated[Path, typer.Option(help="The CSV file; it must not exist.", show_default=False)],
    *,
    data_map: options.Map = None,
    zone: options.Zone = None,
    since: options.Since = None,
    until: options.Until = None,
) -> None:
    """Write the transactions and labels of a server's store to a file that `serin train` takes.

    Transactions without a label are written, too, with an empty category. The file holds what users paid and chose:
    keep it as private as the store. `serin data erase` does not reach it.
    """
    with exit_on_error("data export"):
        from serin_training.commands.inputs import window_of
        from serin_training.data.data_map import read_map
        from serin_training.data.reading import open_source, stream_rows

        if out.exists():
            raise OptionError(f"--out {out}: the file exists; name another one")
        window, known_map = window_of(since, until), read_map(data_map, zone)
        rows = (row for row in stream_rows([open_source(one, known_map) for one in data]) if window.holds(row.at))
        unfinished = out.with_name(f".{out.name}.unfinished")
        try:
            count, labels = _write(unfinished, rows)
            if not count:
                raise DataError(f"no transactions{window}; nothing was written")
            unfinished.replace(out)
        finally:
            unfinished.unlink(missing_ok=True)
        note(f"wrote {out}: {count} transactions, {labels} with a label; next: serin train --data {out}")


def _write(path: Path, rows: "Iterable[Row]") -> tuple[int, int]:
    """Write rows, and return how many there are, and how many have a label."""
    from serin_training.data.data_map import COLUMNS
    from serin_training.data.validation import ORIGIN

    count = labels = 0
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, (*COLUMNS, ORIGIN), lineterminator="\n")
        writer.writeheader()
        for row in rows:
            one, category = row.transaction, row.category
            count, labels = count + 1, labels + (category is not None)
            writer.writerow(
                {name: getattr(one, name) for name in COLUMNS if name not in {"timestamp", "category"}}
                | {
                    "timestamp": (one.timestamp or row.at).isoformat(),
                    "category": category or "",
                    ORIGIN: row.label.origin.name.lower() if category and row.label else "",
                }
            )
    return count, labels
