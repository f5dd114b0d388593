"""The reference pages: every field, command and route has its place."""

import re

from serin_cli.catalog import SECTIONS
from serin_core.api.crd import definition
from website import reference


def paths(schema, path):
    for name, field in schema.get("properties", {}).items():
        yield f"{path}.{name}"
        yield from paths(field, f"{path}.{name}")
        yield from paths(field.get("items", {}), f"{path}.{name}[]")


def test_every_field_of_the_resource_is_in_a_table():
    page = reference.resource()
    schema = definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    found = list(paths(schema, "spec"))
    assert len(found) > 200
    sections = re.split(r"^#{2,4} ", page, flags=re.MULTILINE)[1:]
    tables = {section.split("\n", 1)[0]: section for section in sections}
    assert [path for path in found if f"| `{path.rpartition('.')[2]}` |" not in tables[path.rpartition(".")[0]]] == []


def test_a_field_has_its_type_default_and_text():
    row = "| `percent` | number, 0 to 100 | `100` | Maximum percent of users."
    assert row in reference.resource()
    assert "| `approval` | `Automatic` or `Manual` | `Automatic` | Manual:" in reference.resource()


def test_every_command_has_its_help():
    page = reference.command_line()
    names = [name for commands in SECTIONS.values() for name in commands]
    assert [name for name in names if f"### serin {name}\n\n```text\nUsage: serin {name}" not in page] == []
    assert "### serin runs verify\n" in page


def test_every_route_has_its_statuses_and_bodies():
    page = reference.http_api()
    suggestions = page.split("## POST /agent/suggestions\n")[1].split("\n## ")[0]
    assert "Body: `application/json`, [SuggestionsRequest](#suggestionsrequest)." in suggestions
    assert re.search(r"^\| 200 \| \[SuggestionsResponse\]", suggestions, flags=re.MULTILINE)
    assert re.search(r"^\| 401 \| ", suggestions, flags=re.MULTILINE)
    links = set(re.findall(r"\]\(#([a-z-]+)\)", page))
    headings = {line.removeprefix("### ").lower() for line in page.splitlines() if line.startswith("### ")}
    assert links <= headings
