"""YAML manifests from a file or standard input."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from serin_cli.options import file_errors, refuse
from serin_core.contract import names
from serin_core.yaml_text import load_all_yaml, load_yaml


def read_manifests(file: str) -> list[Any]:
    """Return all documents of a YAML file, `-` for standard input. Exits with status 2 if it cannot be read."""
    with file_errors(file):
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    with yaml_errors(file):
        found = [document for document in load_all_yaml(text) if document is not None]
    if not found:
        refuse(f"{file}: the file is empty")
    return found


@contextmanager
def yaml_errors(file: str) -> Iterator[None]:
    """Exit with status 2 and one line if a file is not YAML."""
    try:
        yield
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = "" if mark is None else f"line {mark.line + 1}, column {mark.column + 1}: "
        refuse(f"{file}: {place}not valid YAML: {error.problem}")
    except yaml.YAMLError as error:
        refuse(f"{file}: not valid YAML: {' '.join(str(error).split())}")


def read_configuration(file: str) -> dict[str, Any]:
    """Return the operator's configuration from its file, or from the ConfigMap that holds it.

    Exits with status 2 if it cannot be read.
    """
    found = read_manifests(file)[0]
    if isinstance(found, Mapping) and found.get("kind") == "ConfigMap":
        try:
            found = load_yaml(str((found.get("data") or {}).get("config.yaml", "")))
        except yaml.YAMLError as error:
            refuse(f"{file}: data.config.yaml: not valid YAML: {' '.join(str(error).split())}")
    if not isinstance(found, dict) or not isinstance(found.get("prometheus"), dict):
        refuse(f"{file}: not an operator's configuration: it has no mapping `prometheus`")
    return found


def is_suggestion_model(document: Any) -> bool:
    """Return whether a document is a SuggestionModel, valid or not."""
    return isinstance(document, Mapping) and document.get("kind") == names.KIND
