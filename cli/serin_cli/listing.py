"""`kubectl serin list`: the SuggestionModels of a namespace, or of all namespaces."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

import typer
import yaml

from serin_cli.cluster_errors import cluster_errors
from serin_cli.connection import Connection, on_cluster
from serin_cli.kubernetes_client import Cluster
from serin_cli.list_text import header, row
from serin_cli.options import examples, refuse, show
from serin_core.contract import names
from serin_core.text_tables import line, table

app = typer.Typer()
_TABLES: Final = ("text", "wide")


@app.command(
    "list",
    epilog=examples(
        "kubectl serin list",
        "kubectl serin list -A -o wide",
        "kubectl serin list -n transactions -w",
    ),
)
@on_cluster
def list_models(
    connection: Connection,
    output: Annotated[
        Literal["text", "wide", "name", "json", "yaml"],
        typer.Option("-o", "--output", help="Output format: text, wide, name, json or yaml."),
    ] = "text",
    *,
    all_namespaces: Annotated[
        bool, typer.Option("-A", "--all-namespaces", help="List those of all namespaces.")
    ] = False,
    watch: Annotated[bool, typer.Option("-w", "--watch", help="Print every change, until interrupted.")] = False,
) -> None:
    """List SuggestionModels: stable run, candidate, percent of users, phase.

    -o wide adds why each is where it is. -w prints a line for every change after the list.
    """
    if watch and output not in _TABLES:
        refuse(f"-w prints a table; it cannot be used with -o {output}")
    with cluster_errors():
        cluster = connection.open()
        found = cluster.models(all_namespaces=all_namespaces)
        items = found["items"]
        if output not in _TABLES:
            typer.echo(_document(items, output), nl=False)
            return
        if not items:
            where = "in any namespace" if all_namespaces else f"in namespace {cluster.namespace!r}; -A lists all"
            typer.echo(f"no SuggestionModels found {where}", err=True)
        wide = output == "wide"
        rows = [_cells(item, all_namespaces, wide) for item in items]
        lines = table([header(namespaces=all_namespaces, wide=wide), *rows])
        if items or watch:
            show("\n".join(lines))
        if watch:
            _follow(cluster, found, all_namespaces=all_namespaces, wide=wide)


def _follow(cluster: Cluster, found: dict[str, Any], *, all_namespaces: bool, wide: bool) -> None:
    """Print a row for every SuggestionModel whose row changes. Returns never."""
    rows = {item["metadata"]["uid"]: _cells(item, all_namespaces, wide) for item in found["items"]}
    columns = [header(namespaces=all_namespaces, wide=wide), *rows.values()]
    widths = [max(map(len, column)) for column in zip(*columns, strict=True)]
    for kind, live in cluster.changes(found, all_namespaces=all_namespaces):
        cells, uid = _cells(live, all_namespaces, wide), live["metadata"]["uid"]
        if kind == "DELETED":
            rows.pop(uid, None)
            show(f"{line(cells, widths)}   (deleted)")
        elif _without_age(cells, all_namespaces) != _without_age(rows.get(uid, []), all_namespaces):
            rows[uid] = cells
            show(line(cells, widths))


def _without_age(cells: Sequence[str], all_namespaces: bool) -> list[str]:  # noqa: FBT001 - both tables have it
    age = header(namespaces=all_namespaces, wide=False).index("AGE")
    return [*cells[:age], *cells[age + 1 :]]


def _cells(live: dict[str, Any], all_namespaces: bool, wide: bool) -> list[str]:  # noqa: FBT001 - as the options are
    return row(live, namespaces=all_namespaces, wide=wide, now=datetime.now(UTC))


def _document(items: list[dict[str, Any]], output: str) -> str:
    if output == "name":
        return "".join(f"suggestionmodel.{names.GROUP}/{item['metadata']['name']}\n" for item in items)
    found = {"apiVersion": "v1", "kind": "List", "items": items}
    if output == "json":
        return json.dumps(found, indent=2) + "\n"
    return yaml.safe_dump(found, sort_keys=False)
