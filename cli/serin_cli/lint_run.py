"""Errors of a spec that only the run itself shows: classes that it does not have."""

from collections.abc import Iterator
from pathlib import Path

from serin_cli.finding import Finding
from serin_cli.lint_schema import did_you_mean
from serin_cli.options import file_errors, refuse
from serin_core.api.spec import SuggestionModelSpec
from serin_core.model.manifest import CLASSES, RunError, parse_classes


def read_classes(folder: Path) -> tuple[str, ...]:
    """Return the classes of the run in a folder of a registry. Exits with status 2 if they cannot be read."""
    file = folder / CLASSES
    try:
        with file_errors(file):
            return tuple(parse_classes(file.read_bytes()))
    except RunError as error:
        refuse(f"{file}: {error}")


def run_findings(spec: SuggestionModelSpec, classes: tuple[str, ...]) -> Iterator[Finding]:
    """Yield an error for each class that a valid spec names and the run does not have."""
    for name in spec.thresholds.per_class:
        if name not in classes:
            message = f"the run has no class {name!r}{did_you_mean(name, classes)}"
            yield Finding(f"spec.thresholds.perClass.{name}", message)
