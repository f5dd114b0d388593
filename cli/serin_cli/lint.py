"""`serin lint`: check manifests without a cluster."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from serin_cli.finding import Finding, Severity
from serin_cli.lint_advice import advice
from serin_cli.lint_configuration import configuration_findings
from serin_cli.lint_run import read_classes, run_findings
from serin_cli.lint_schema import checked_spec
from serin_cli.lint_traffic import Traffic
from serin_cli.manifests import is_suggestion_model, read_configuration, read_manifests
from serin_cli.options import Manifest, OutputOption, examples, refuse
from serin_core.contract import names

app = typer.Typer()


@app.command(
    epilog=examples(
        "serin lint -f suggestionmodel.yaml",
        "serin lint -f suggestionmodel.yaml --requests-per-second 2 --users-per-day 800",
        "serin lint -f suggestionmodel.yaml --config config.yaml --run ledger_suggestions/run_1a2b3c4d_1767225600",
        "kustomize build . | serin lint -f - -o json",
    )
)
def lint(  # noqa: PLR0913 - options of a command
    *,
    file: Manifest,
    requests_per_second: Annotated[
        float | None, typer.Option(min=0, help="Expected request rate; used to estimate how long each gate needs.")
    ] = None,
    requests_per_day: Annotated[
        float | None, typer.Option(min=0, help="The same as requests per day; give one of the two.")
    ] = None,
    users_per_day: Annotated[
        float | None,
        typer.Option(min=0, help="Expected number of different users per day; a tenth of the requests by default."),
    ] = None,
    operator_config: Annotated[
        str | None,
        typer.Option(
            "--operator-config",
            "--config",
            metavar="FILE",
            help="The operator's configuration: names of endpoints and destinations are checked against it.",
        ),
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Folder of the run: names of classes are checked against it."),
    ] = None,
    output: OutputOption = "text",
) -> None:
    """Check SuggestionModel manifests before you apply them.

    Exit status 0 if they can be applied, 1 if they have errors, 2 if the file cannot be read.
    """
    traffic = None
    if requests_per_second is not None and requests_per_day is not None:
        refuse("give one of --requests-per-second and --requests-per-day")
    if requests_per_day is not None:
        requests_per_second = requests_per_day / 86_400
    if requests_per_second is not None:
        a_tenth = requests_per_second * 86_400 / 10
        traffic = Traffic(requests_per_second, a_tenth if users_per_day is None else users_per_day)
    configuration = None if operator_config is None else read_configuration(operator_config)
    classes = None if run is None else read_classes(run)
    documents = read_manifests(file)
    checked = [document for document in documents if _is_meant(document)] or documents
    found = [
        (resource, finding)
        for number, document in enumerate(checked, 1)
        for resource in [_resource(document, number)]
        for finding in _findings(document, traffic, configuration, classes)
    ]
    if output == "json":
        rows = [{"file": file, "resource": resource} | asdict(finding) for resource, finding in found]
        typer.echo(json.dumps(rows, indent=2))
    else:
        for resource, finding in found:
            typer.echo(f"{file}: {resource}: {finding}")
        if all(finding.severity is Severity.NOTE for _, finding in found):
            typer.echo("OK: no problems found")
    if any(finding.severity is Severity.ERROR for _, finding in found):
        raise typer.Exit(1)


def _findings(
    document: Any, traffic: Traffic | None, configuration: dict[str, Any] | None, classes: tuple[str, ...] | None
) -> list[Finding]:
    spec, found = checked_spec(document)
    if found or spec is None:
        return found
    unknown = [] if configuration is None else configuration_findings(spec, configuration)
    foreign = [] if classes is None else run_findings(spec, classes)
    return [*unknown, *foreign, *advice(spec, traffic)]


def _is_meant(document: Any) -> bool:
    """Return whether a document is a SuggestionModel, or is one with a wrong kind or apiVersion."""
    if is_suggestion_model(document):
        return True
    return isinstance(document, dict) and str(document.get("apiVersion")).startswith(f"{names.GROUP}/")


def _resource(document: Any, number: int) -> str:
    metadata = document.get("metadata") if isinstance(document, dict) else None
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return f"{names.KIND.lower()}/{name}" if name else f"document {number}"
