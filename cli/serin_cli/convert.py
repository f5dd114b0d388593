"""`serin convert`: rewrite manifests of an older form."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from serin_cli.conversion import Converted
from serin_cli.conversion import convert as converted
from serin_cli.manifests import yaml_errors
from serin_cli.options import examples, file_errors

app = typer.Typer()


@app.command(
    epilog=examples(
        "serin convert -f suggestionmodel.yaml",
        "serin convert -f a.yaml -f b.yaml --in-place",
        "kubectl get sgm -o yaml | serin convert -f -",
    )
)
def convert(
    file: Annotated[
        list[str], typer.Option("-f", "--file", help="YAML file with manifests; - reads standard input. Repeatable.")
    ],
    *,
    in_place: Annotated[bool, typer.Option("--in-place", help="Rewrite the files instead of printing them.")] = False,
) -> None:
    """Rewrite manifests of an older form: the list spec.gates.metrics becomes one field for each gate.

    Everything else stays as it is: other documents, comments, quotes, order. A file of which something cannot be
    converted is not changed, and neither is any other.

    Exit status 0 if all is converted, 1 if something cannot be, 2 if a file cannot be read.
    """
    found = {one: _read(one) for one in dict.fromkeys(file)}
    problems = [
        f"{one}: {problem.resource}: {problem.finding}" for one, made in found.items() for problem in made.problems
    ]
    if problems:
        typer.echo("\n".join(problems), err=True)
        raise typer.Exit(1)
    for one, made in found.items():
        if in_place and one != "-":
            _write(one, made)
    if not in_place or "-" in found:
        printed = [made.text for one, made in found.items() if not in_place or one == "-"]
        typer.echo(_as_one(printed), nl=False)


def _read(file: str) -> Converted:
    with file_errors(file), yaml_errors(file):
        text = sys.stdin.read() if file == "-" else Path(file).read_bytes().decode()
        return converted(text)


def _write(file: str, made: Converted) -> None:
    if made.changed:
        with file_errors(file):
            Path(file).write_bytes(made.text.encode())
    typer.echo(f"{file}: {f'{made.changed} converted' if made.changed else 'nothing to convert'}", err=True)


def _as_one(texts: list[str]) -> str:
    """Return several files as one stream of documents."""
    parts = [text if text.endswith("\n") or not text else f"{text}\n" for text in texts]
    return "".join(
        part if not number or part.startswith("---") else f"---\n{part}" for number, part in enumerate(parts)
    )
