"""Docstrings, help texts and CRD descriptions are plain English: the table in CONTRIBUTING.md is checked here."""

import ast
import re
from pathlib import Path

import click
import pytest

from serin_cli.catalog import SECTIONS
from serin_cli.main import load
from serin_core.api.crd import definition

ROOT = Path(__file__).parents[1]
OTHERS = ("tests", "benchmarks", "crds", "charts", "images", "website")
PACKAGES = ("core", "registry", "simulation", "operator", "server", "training", "cli", "localcluster", "demo")
PACKAGES += ("monitoring", "dashboard")
FIRST_WORDS = {"Answer", "Answers", "Say", "Says", "Tell", "Tells"}


def words_to_avoid():
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = page.split("| avoid | use |")[1]
    cells = re.findall(r"^\| ([^|]+) \| [^|]+ \|$", table, flags=re.MULTILINE)
    return [word for cell in cells if "(" not in cell for word in cell.split(", ")]


AVOID = re.compile(r"\b(" + "|".join(re.escape(word) for word in words_to_avoid()) + r")\b", re.IGNORECASE)


def docstrings(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            text = ast.get_docstring(node)
            if text:
                yield f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}", text


def help_texts(command, path="serin"):
    yield path, command.help or command.short_help or ""
    for parameter in command.params:
        yield f"{path} {parameter.name}", getattr(parameter, "help", None) or ""
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from help_texts(command.get_command(context, name), f"{path} {name}")


def descriptions(node, path=""):
    if isinstance(node, dict):
        if isinstance(node.get("description"), str):
            yield path, node["description"]
        for key, child in node.items():
            yield from descriptions(child, f"{path}.{key}")
    if isinstance(node, list):
        for index, child in enumerate(node):
            yield from descriptions(child, f"{path}[{index}]")


def test_the_table_has_words():
    assert len(words_to_avoid()) > 20


@pytest.mark.parametrize("package", [*PACKAGES, *OTHERS])
def test_docstrings_are_plain_english(package):
    found = [item for path in sorted((ROOT / package).rglob("*.py")) for item in docstrings(path)]
    assert found
    wrong = [f"{where}: {text.split()[0]}" for where, text in found if text.split()[0] in FIRST_WORDS]
    wrong += [f"{where}: {match[0]}" for where, text in found if (match := AVOID.search(text))]
    assert wrong == []


def test_help_texts_are_plain_english():
    names = [(name, summary) for commands in SECTIONS.values() for name, summary in commands.items()]
    found = [(name, summary) for name, summary in names]
    found += [text for name, _ in names for text in help_texts(load(name), name)]
    assert len(found) > 100
    assert [f"{where}: {match[0]}" for where, text in found if (match := AVOID.search(text))] == []


def test_crd_descriptions_are_plain_english():
    found = list(descriptions(definition()))
    assert len(found) > 100
    assert [f"{where}: {match[0]}" for where, text in found if (match := AVOID.search(text))] == []
